"""The forgiving reading of JSON that the typed decode refused. PURE.

It takes what msgspec does not: lone surrogates, numbers and booleans in place of texts, unknown
fields, raw control characters, a byte order mark, zeros at the end, numbers such as ``NaN`` (they
say nothing, as ``null`` does), and a comma too many.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from ingest.body.field_warnings import FieldWarning
from schemas.http.problems import ProblemError
from schemas.untrusted.nesting import json_is_too_deep


class Number(str):
    """A number as it was spelled: as a text, it is what the phone sent. It also keeps Python from
    computing one of thousands of digits."""

    __slots__ = ()


# Raw control characters in a text are no JSON either, but they are removed anyway.
_lenient = json.JSONDecoder(
    strict=False, parse_int=Number, parse_float=Number, parse_constant=lambda _name: None
)
_AROUND = " \t\r\n\x00\ufeff"
# Texts are passed over whole, an open one to the end: so no character is looked at twice.
_TEXT_OR_COMMA = re.compile(r'("(?:[^"\\]|\\.)*+(?:"|\\?\Z))|,(?=\s*+[}\]])', re.DOTALL)


def read_json(text: str, what: str) -> Any:
    """The JSON value in ``text``, which an error calls ``what``. Raises ``bad_json``."""
    text = text.strip(_AROUND)
    if json_is_too_deep(text):
        raise ProblemError("bad_json", f"The {what} is nested too deeply.")
    try:
        return _lenient.decode(text)
    except ValueError as error:
        mended = _TEXT_OR_COMMA.sub(lambda found: found[1] or "", text).rstrip(_AROUND + ",;")
        if mended == text:
            raise ProblemError("bad_json", f"The {what} is not JSON.") from error
    try:
        return _lenient.decode(mended)
    except ValueError as error:
        raise ProblemError("bad_json", f"The {what} is not JSON.") from error


def take_texts(
    values: dict[str, Any], fields: Iterable[str], warnings: list[FieldWarning]
) -> dict[str, str | None]:
    """Move ``fields`` out of ``values``, as texts. An object or array in the place of one counts as
    absent."""
    texts: dict[str, str | None] = {}
    for field in fields:
        value = values.pop(field, None)
        if isinstance(value, bool):
            value = Number("true" if value else "false")
        if isinstance(value, Number):
            warnings.append(FieldWarning(field, "taken_as_text"))
            value = str(value)
        if isinstance(value, dict | list):
            warnings.append(FieldWarning(field, "not_a_text"))
            value = None
        texts[field] = value
    return texts


def take_sent_at(value: Any, warnings: list[FieldWarning]) -> str | float | None:
    """``sent_at`` if it has a type that can say an instant."""
    if isinstance(value, Number):
        return float(value)
    if value is None or isinstance(value, str):
        return value
    warnings.append(FieldWarning("sent_at", "not_an_instant"))
    return None
