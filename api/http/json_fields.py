"""Fields of a JSON object, each checked by a reader; every mistake is named at once. PURE."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, cast

from api.http.parameters import sentence, text_problem
from schemas.http.problems import FieldProblem, ProblemError
from schemas.log.events import MAX_TEXT
from schemas.untrusted.nesting import not_too_deep
from schemas.untrusted.text import clean_text, same_name

MAX_PROBLEMS: Final = 20
_SHOWN_NAME: Final = 64

#: From a value of JSON to ours; raises ``ValueError`` that says what would be right.
Reader: TypeAlias = Callable[[Any], Any]


class BadFieldsError(Exception):
    """Fields of an object that cannot be used, by their names in it."""

    def __init__(self, problems: list[FieldProblem]) -> None:
        super().__init__()
        self.problems = problems


def document_of(body: bytes, example: str = '{"online": true}') -> dict[str, Any]:
    """The object in a body, each name given once. Raises ``ProblemError`` ``bad_json``, which shows
    the example, or ``bad_field``."""
    try:
        document = json.loads(
            not_too_deep(body.decode()), object_pairs_hook=_once_each, parse_constant=_no_constant
        )
    except BadFieldsError as error:
        raise refusal(error.problems[:MAX_PROBLEMS]) from None
    except ValueError as error:
        raise ProblemError("bad_json", f"The body is not JSON: {error}.") from None
    if not isinstance(document, dict):
        raise ProblemError("bad_json", f"The body must be an object, such as {example}.")
    return document


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise BadFieldsError(
            [
                FieldProblem(shown_name(name), "is given more than once")
                for name, count in counts.items()
                if count > 1
            ]
        )
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no value of JSON")


def read_fields(document: Mapping[str, Any], fields: Mapping[str, Reader]) -> dict[str, Any]:
    """The values of the fields that are given. Raises :class:`BadFieldsError`."""
    values: dict[str, Any] = {}
    problems: list[FieldProblem] = []
    for name, value in document.items():
        if len(problems) >= MAX_PROBLEMS:
            break
        reader = fields.get(name)
        if reader is None:
            problems.append(
                FieldProblem(shown_name(name), f"is no field here (they are: {', '.join(fields)})")
            )
            continue
        try:
            values[name] = reader(value)
        except ValueError as error:
            problems.append(FieldProblem(name, str(error)))
        except BadFieldsError as error:
            problems += [FieldProblem(_within(name, p.field), p.message) for p in error.problems]
    if problems:
        raise BadFieldsError(problems)
    return values


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def text_of(max_characters: int) -> Reader:
    """A text that can be stored."""

    def read(value: Any) -> str:
        problem = text_problem(value, max_characters)
        if problem:
            raise ValueError(problem)
        return cast(str, value)

    return read


def one_line(max_characters: int) -> Reader:
    """A text that shows something; blanks at its ends are dropped."""
    read = text_of(max_characters)
    return lambda value: read(value.strip() if isinstance(value, str) else value)


def name_of(field: str) -> Reader:
    """In the one spelling that is stored."""
    read = text_of(MAX_TEXT[field])
    return lambda value: read(same_name(value) if isinstance(value, str) else value)


def word_of(allowed: tuple[str, ...], or_else: str = "") -> Reader:
    """One of these words."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError(f"must be {' or '.join(allowed)}{or_else}")
        return value

    return read


def whole_number(most: int) -> Reader:
    """From 1 to ``most``."""

    def read(value: Any) -> int:
        # JSON knows numbers only: 5.0 is one and the same.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise ValueError(f"must be a whole number from 1 to {most}")
        return value

    return read


def from_text(parse: Callable[[str], Any]) -> Reader:
    """What ``parse`` makes of a text."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError("must be a text")
        return parse(value)

    return read


def object_of(value: Any, fields: Mapping[str, Reader]) -> dict[str, Any]:
    """An object within the object. Raises ``ValueError`` or :class:`BadFieldsError`."""
    if not isinstance(value, dict):
        raise ValueError(f"must be an object with {', '.join(fields)}")
    return read_fields(value, fields)


def _within(name: str, field: str) -> str:
    return name + field if field.startswith("[") else f"{name}.{field}"


def shown_name(name: str) -> str:
    """A name that a stranger chose, as an error may repeat it."""
    return clean_text(name)[:_SHOWN_NAME]


def refusal(problems: list[FieldProblem]) -> ProblemError:
    """The problem that names these fields."""
    return ProblemError("bad_field", sentence(problems), errors=problems)
