"""Parameters, one rule for every call: typed values, or an error that names them. PURE.

A parameter is one object that knows what its text becomes and what OpenAPI says of it, both made
from the same limits and words. The policy: one that is unknown, repeated or cannot be used is
refused by name (400), never ignored: an ignored filter shows the wrong rows. Every mistake is named
at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import parse_qsl

from schemas.bodies.body import sentence
from schemas.bodies.fields import text_problem
from schemas.http.problems import FieldProblem, ProblemError
from schemas.log.events import MAX_TEXT
from schemas.openapi.forms import STORED_TEXT, Json, parameter, text, whole, word
from schemas.untrusted.text import clean_text, same_name

#: From a parameter's text to its value; raises ``ValueError`` that says what would be right.
Parser: TypeAlias = Callable[[str], Any]

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
#: Of a table as CSV or NDJSON, in a stream.
MAX_EXPORT_ROWS: Final = 100_000
#: Of users as CSV or NDJSON, made in memory.
MAX_FILE_ROWS: Final = 10_000
_MAX_PARAMETERS: Final = 64
_MAX_CURSOR: Final = 4_096
_SHOWN_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class Parameter:
    """``schema`` is what OpenAPI says of it, ``parse`` what its text becomes; ``parse_in_file``
    where the answer is CSV or NDJSON, if that differs. Headers are described only."""

    name: str
    schema: Json
    parse: Parser = str
    parse_in_file: Parser | None = None
    place: Literal["query", "path", "header"] = "query"
    required: bool = False

    def described(self) -> Json:
        """In OpenAPI."""
        required = self.required or self.place == "path"
        return parameter(self.place, self.name, self.schema, required=required)


def parse(
    query: str, parameters: Mapping[str, Parameter], *, in_file: bool = False
) -> dict[str, Any]:
    """The values of those parameters that the raw query string gives. Raises ``ProblemError`` with
    code ``bad_parameter``."""
    values: dict[str, Any] = {}
    problems: list[FieldProblem] = []
    for name, given in _pairs(query):
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
            found = parameters[name]
            try:
                values[name] = ((in_file and found.parse_in_file) or found.parse)(given)
            except ValueError as error:
                problems.append(FieldProblem(shown, str(error)))
    if problems:
        raise bad_parameters(problems)
    return values


def parse_named(parameter: Parameter, named: str) -> Any:
    """The value of what a path names. Raises as :func:`parse`."""
    try:
        return parameter.parse(named)
    except ValueError as error:
        raise bad_parameter(parameter.name, str(error)) from None


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


# -- parameters of several calls, each with the parser of the limits that it tells


def name_parameter(
    name: str, about: str, example: str, field: str | None = None, **more: Any
) -> Parameter:
    """A name of what phones send as ``field`` (without it: as ``name``), or as ``parse`` has it."""
    field = field or name
    schema = text(about, example, minLength=1, maxLength=MAX_TEXT[field], pattern=STORED_TEXT)
    return Parameter(name, schema, **{"parse": name_of(field), **more})


def part_parameter(name: str, about: str, example: str, max_characters: int) -> Parameter:
    """A part of a text; empty it is no filter."""
    schema = text(about, example, maxLength=max_characters, pattern=STORED_TEXT)
    return Parameter(name, schema, partial(max_characters))


def word_parameter(
    name: str, about: str, allowed: Sequence[str], *, required: bool = False, **keywords: Any
) -> Parameter:
    """One of a few words."""
    schema = word(about, allowed, **keywords)
    return Parameter(name, schema, one_of(tuple(allowed)), required=required)


def number_parameter(
    name: str, about: str, example: int, most: int, *, most_in_file: int = 0, **keywords: Any
) -> Parameter:
    """A whole number from 1; in CSV and NDJSON it may be greater."""
    schema = whole(about, example, minimum=1, maximum=most_in_file or most, **keywords)
    return Parameter(name, schema, limit_to(most), limit_to(most_in_file) if most_in_file else None)


def id_parameter(name: str, schema: Json, max_characters: int) -> Parameter:
    """What a path calls something of ours."""
    return Parameter(name, schema, exact(max_characters), place="path")


LIMIT: Final = number_parameter(
    "limit", "How many on a page.", 50, MAX_LIMIT, default=DEFAULT_LIMIT
)
CURSOR: Final = Parameter(
    "cursor",
    text(
        "The `next_cursor` of the page before, with the same filters and sort.",
        minLength=1,
        maxLength=_MAX_CURSOR,
    ),
    exact(_MAX_CURSOR),
)
_IN_JSON: Final = (
    f"How many. In JSON {MAX_LIMIT} at most, {DEFAULT_LIMIT} by default; in CSV and NDJSON "
)
TABLE_LIMIT: Final = number_parameter(
    "limit",
    f"{_IN_JSON}{MAX_EXPORT_ROWS:,}, which is the default there too where there is no series.",
    50,
    MAX_LIMIT,
    most_in_file=MAX_EXPORT_ROWS,
)
FILE_LIMIT: Final = number_parameter(
    "limit",
    f"{_IN_JSON}{MAX_FILE_ROWS:,}, which is the default there.",
    50,
    MAX_LIMIT,
    most_in_file=MAX_FILE_ROWS,
)


def bad_parameters(problems: list[FieldProblem]) -> ProblemError:
    """A 400 that names every one of them."""
    return ProblemError("bad_parameter", sentence(problems), errors=problems)


def bad_parameter(field: str, message: str) -> ProblemError:
    """A 400 that names one."""
    return bad_parameters([FieldProblem(field, message)])


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
