"""The forgiving reading of a body that the typed decode refused. PURE.

It takes what msgspec does not: lone surrogates, numbers and booleans in place of texts, unknown
fields, a byte order mark, raw control characters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ingest.field_warnings import FieldWarning
from schemas.nesting import json_is_too_deep
from schemas.problems import FieldProblem, ProblemError


class Number(str):
    """A number as it was spelled: as a text, it is what the phone sent. It also keeps Python from
    computing one of thousands of digits."""

    __slots__ = ()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# Raw control characters in a text are no JSON either, but they are removed anyway.
_lenient = json.JSONDecoder(
    strict=False, parse_int=Number, parse_float=Number, parse_constant=_refuse_constant
)


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``. Raises ``ProblemError`` ``bad_json``."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProblemError("bad_json", "The body is not UTF-8.") from error
    value = read_json(text, "body")
    if not isinstance(value, dict):
        raise ProblemError("bad_json", "The body is JSON, but not an object.")
    return value


def read_json(text: str, what: str) -> Any:
    """The JSON value in ``text``, which an error calls ``what``. Raises ``bad_json``."""
    if json_is_too_deep(text):
        raise ProblemError("bad_json", f"The {what} is nested too deeply.")
    try:
        return _lenient.decode(text)
    except ValueError as error:
        raise ProblemError("bad_json", f"The {what} is not JSON.") from error


def take_texts(
    values: dict[str, Any], fields: Iterable[str], warnings: list[FieldWarning]
) -> dict[str, str | None]:
    """Move ``fields`` out of ``values``, as texts. Raises ``bad_field`` naming all that aren't."""
    texts: dict[str, str | None] = {}
    problems = []
    for field in fields:
        value = values.pop(field, None)
        if isinstance(value, bool):
            value = Number("true" if value else "false")
        if isinstance(value, Number):
            warnings.append(FieldWarning(field, "taken_as_text"))
            value = str(value)
        if isinstance(value, dict | list):
            problems.append(FieldProblem(field, "must be a text"))
        else:
            texts[field] = value
    if problems:
        raise bad_fields(problems)
    return texts


def take_sent_at(value: Any, warnings: list[FieldWarning]) -> str | float | None:
    """``sent_at`` if it has a type that can say an instant."""
    if isinstance(value, Number):
        return float(value)
    if value is None or isinstance(value, str):
        return value
    warnings.append(FieldWarning("sent_at", "not_an_instant"))
    return None


def bad_fields(problems: list[FieldProblem]) -> ProblemError:
    """The 422 that names every field in ``problems``."""
    names = ", ".join(problem.field for problem in problems)
    return ProblemError("bad_field", f"These fields cannot be used: {names}.", problems)
