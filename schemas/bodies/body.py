"""Bodies of calls: a JSON object each, from its bytes to what a handler works with. PURE."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.bodies.fields import (
    MAX_PROBLEMS,
    BadFieldsError,
    Fields,
    read_fields,
    schema_of,
    shown_name,
)
from schemas.http.problems import FieldProblem, ProblemError
from schemas.openapi.forms import Json
from schemas.untrusted.nesting import not_too_deep


@dataclass(frozen=True, slots=True)
class Body:
    """What a call is sent. ``parse`` makes of it what the call's handler works with, and raises
    ``ProblemError``; only a body that is not ``required`` may be empty."""

    name: str
    schema: Json
    parse: Callable[[bytes], Any]
    max_bytes: int
    required: bool = True


def object_body(
    name: str,
    fields: Fields,
    *,
    example: str,
    max_bytes: int,
    make: Callable[..., Any] | None = None,
    required: bool = True,
    **keywords: Any,
) -> Body:
    """A body that is an object of these fields."""

    def parse(body: bytes) -> Any:
        document = document_of(body, example) if body or required else {}
        try:
            values = read_fields(document, fields)
        except BadFieldsError as error:
            raise refusal(error.problems) from None
        return values if make is None else make(**values)

    return Body(name, schema_of(fields, **keywords), parse, max_bytes, required)


def document_of(body: bytes, example: str = '{"online": true}') -> dict[str, Any]:
    """The object in a body, each name given once. Raises ``ProblemError`` ``bad_json``, which shows
    the example, or ``bad_field``."""
    if not body:
        raise ProblemError(
            "bad_json", f"The body is empty: it must be an object, such as {example}."
        )
    try:
        document = json.loads(
            not_too_deep(body.decode()), object_pairs_hook=_once_each, parse_constant=_no_constant
        )
    except BadFieldsError as error:
        raise refusal(error.problems) from None
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


def refusal(problems: Sequence[FieldProblem]) -> ProblemError:
    """The problem that names these fields."""
    return ProblemError("bad_field", sentence(problems), errors=list(problems[:MAX_PROBLEMS]))


def sentence(problems: Sequence[FieldProblem]) -> str:
    """The first of several problems as a sentence."""
    return f"{problems[0].field} {problems[0].message}."
