"""The fields of a body, whatever it is. PURE: bytes in, fields and warnings out; nothing is raised.

What apps in the field send where an object of JSON is due, and what becomes of it:

1. An object that was encoded twice, or that is the only item of an array: that object.
2. A form, by a body, by a multipart body or by the query: its fields. Those of a query count where
   the body does not say them. A form whose only field is an object of JSON: that object.
3. What is almost JSON (``ingest.body.lenient``): read. Bytes that are not UTF-8
   (``ingest.body.charset``): read with a warning.
4. Lines or a printed map that name fields of ours: read, with a warning that it is not JSON.
5. Anything else says nothing: a sign of life with a warning.

Which of them it is shows in the bytes; the content type only helps where they leave it open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from ingest.body.charset import text_of
from ingest.body.field_warnings import FieldWarning
from ingest.body.forms import form_fields, multipart_fields, named_values
from ingest.body.lenient import read_json
from schemas.http.problems import ProblemError
from schemas.log.events import MAX_TEXT

KNOWN_FIELDS: Final = frozenset({*MAX_TEXT, "app_state", "device_id", "sent_at"})
_FORM: Final = "application/x-www-form-urlencoded"
#: How often an object may be wrapped: in a text, in an array of one, in a form of one field.
_MAX_WRAPS: Final = 3
_PARAMETER: Final = re.compile(r';\s*(charset|boundary)=("[^"]*"|[^\s;"]+)', re.IGNORECASE)


def fields_of(
    body: bytes, content_type: str | None, query: str
) -> tuple[dict[str, Any], list[FieldWarning]]:
    """The fields by name, each a text or a value of ``ingest.body.lenient``, and what was odd.

    ``query`` is that of the request's target, still encoded.
    """
    warnings: list[FieldWarning] = []
    values = _of_body(body, content_type or "", warnings)
    if query:
        values = {**form_fields(query), **values}
    return values, warnings


def _of_body(body: bytes, content_type: str, warnings: list[FieldWarning]) -> dict[str, Any]:
    parameters = {
        name.lower(): value.strip('"') for name, value in _PARAMETER.findall(content_type[:512])
    }
    if body.lstrip().startswith(b"--"):
        fields = multipart_fields(body.lstrip(), parameters.get("boundary"))
        if fields is not None:
            return _unwrapped_form(fields)
    text, is_utf8 = text_of(body, parameters.get("charset"))
    if not is_utf8:
        warnings.append(FieldWarning("body", "not_utf8"))
    if not text or text.isspace():
        return {}
    value = _read(text, content_type.lower().startswith(_FORM))
    if isinstance(value, dict):
        return value
    found = named_values(text, KNOWN_FIELDS)
    warnings.append(FieldWarning("body", "not_json" if value is _UNREADABLE else "not_an_object"))
    return dict(found)


_UNREADABLE: Final = object()


def _read(text: str, is_form: bool) -> Any:
    """The object in ``text``, else the value that it is instead, else :data:`_UNREADABLE`."""
    try:
        value = read_json(text, "body")
    except ProblemError:
        text = text.lstrip()
        may_be_form = "=" in text or text[:3].lower() == "%7b"  # a form of an encoded brace alone
        fields = form_fields(text) if may_be_form and text[0] not in "{[" else {}
        if fields and (is_form or not KNOWN_FIELDS.isdisjoint(fields)):
            return _unwrapped_form(fields)
        unwrapped = _unwrapped_form(fields)
        return _UNREADABLE if unwrapped is fields else unwrapped
    return unwrapped_value(value)


def unwrapped_value(value: Any) -> Any:
    """``value``, or the object that it wraps in a text or in an array of one."""
    for _ in range(_MAX_WRAPS):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        elif type(value) is str:  # not a number, which is a text of a kind of its own
            try:
                value = read_json(value, "body")
            except ProblemError:
                return value
    return value


def _unwrapped_form(fields: dict[str, str]) -> dict[str, Any]:
    """``fields``, or the object of JSON that is its only name or value."""
    if len(fields) != 1:
        return fields
    for text in _both(fields):
        if text.startswith("{"):
            try:
                value = read_json(text, "field")
            except ProblemError:
                continue
            if isinstance(value, dict):
                return value
    return fields


def _both(fields: dict[str, str]) -> Iterable[str]:
    ((name, value),) = fields.items()
    return (value, name)
