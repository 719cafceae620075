"""Query parameters, one rule for every call: typed values, or an error that names them. PURE.

The policy: a parameter that is unknown, repeated or cannot be used is refused by name (400), never
ignored: an ignored filter shows the wrong rows. Every mistake is named at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

from schemas.http.problems import FieldProblem, ProblemError
from schemas.log.events import MAX_TEXT, MAX_USER_ID
from schemas.untrusted.text import clean_text, same_name

#: From a parameter's text to its value; raises ``ValueError`` that says what would be right.
Parser: TypeAlias = Callable[[str], Any]

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
_MAX_PARAMETERS: Final = 64
_MAX_CURSOR: Final = 4_096
_SHOWN_NAME: Final = 64


def parse(query: str, parameters: Mapping[str, Parser]) -> dict[str, Any]:
    """The values of those parameters that the raw query string gives. Raises ``ProblemError`` with
    code ``bad_parameter``."""
    values: dict[str, Any] = {}
    problems: list[FieldProblem] = []
    for name, text in _pairs(query):
        shown = clean_text(name)[:_SHOWN_NAME]
        if name not in parameters:
            known = ", ".join(parameters) or "none"
            problems.append(
                FieldProblem(shown, f"is no parameter of this call (they are: {known})")
            )
        elif name in values:
            problems.append(FieldProblem(shown, "is given more than once"))
        else:
            values[name] = None
            try:
                values[name] = parameters[name](text)
            except ValueError as error:
                problems.append(FieldProblem(shown, str(error)))
    if problems:
        raise bad_parameters(problems)
    return values


def refuse_parameters(query: str) -> None:
    """For calls without parameters. Raises ``ProblemError`` with code ``bad_parameter``."""
    parse(query, {})


def check_user_id(user_id: str) -> str:
    """``user_id`` if a user can have it. Raises ``ProblemError`` with code ``bad_parameter``."""
    return check_text("user_id", user_id, MAX_USER_ID)


def check_text(field: str, text: str, max_characters: int) -> str:
    """``text`` if it can be what a path names. Raises ``ProblemError`` with code
    ``bad_parameter``."""
    problem = text_problem(text, max_characters)
    if problem:
        raise bad_parameters([FieldProblem(field, problem)])
    return text


def exact(max_characters: int) -> Parser:
    """A text that is not empty."""

    def parse_text(text: str) -> str:
        problem = text_problem(text, max_characters)
        if problem:
            raise ValueError(problem)
        return text

    return parse_text


def name_of(field: str) -> Parser:
    """A name of what phones send as ``field``, in the one spelling that is stored."""
    parse_text = exact(MAX_TEXT[field])
    return lambda text: parse_text(same_name(text))


def partial(max_characters: int) -> Parser:
    """Everything contains the empty text: a search box that was cleared is no filter."""
    parse_text = exact(max_characters)
    return lambda text: parse_text(text) if text else None


def one_of(allowed: tuple[str, ...]) -> Parser:
    """One of a few words."""

    def parse_word(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be {' or '.join(allowed)}")
        return text

    return parse_word


def limit_to(most: int) -> Parser:
    """A whole number from 1."""

    def parse_limit(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and 1 <= len(text) <= 9):
            raise ValueError(f"must be a whole number from 1 to {most}")
        limit = int(text)
        if not 1 <= limit <= most:
            raise ValueError(f"must be from 1 to {most}")
        return limit

    return parse_limit


#: Of lists.
limit: Final = limit_to(MAX_LIMIT)
cursor: Final = exact(_MAX_CURSOR)


def text_problem(text: object, max_characters: int) -> str | None:
    """Why ``text`` is none that is stored anywhere; ``None`` if it may be."""
    if not isinstance(text, str):
        return "must be a text"
    if not text:
        return "is empty"
    if len(text) > max_characters:
        return f"is longer than {max_characters} characters"
    if clean_text(text) != text:
        return "holds characters that no text here can hold"
    return None


def bad_parameters(problems: list[FieldProblem]) -> ProblemError:
    """A 400 that names every one of them."""
    return ProblemError("bad_parameter", sentence(problems), errors=problems)


def bad_parameter(field: str, message: str) -> ProblemError:
    """A 400 that names one."""
    return bad_parameters([FieldProblem(field, message)])


def sentence(problems: list[FieldProblem]) -> str:
    """The first of several problems as a sentence."""
    return f"{problems[0].field} {problems[0].message}."


def _pairs(query: str) -> Iterable[tuple[str, str]]:
    try:
        # Bytes that are no UTF-8 become lone surrogates, which no text may hold.
        return parse_qsl(
            query,
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=_MAX_PARAMETERS,
        )
    except ValueError:
        raise ProblemError("bad_parameter", "There are too many parameters.") from None
