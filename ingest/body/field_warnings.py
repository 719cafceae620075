"""What was done to fields that could not be taken as they were sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, TypeAlias

from schemas.log.events import MAX_TEXT

WarningKind: TypeAlias = Literal[
    "cut",
    "characters_removed",
    "taken_as_text",
    "unknown_value",
    "not_an_instant",
    "not_a_text",
    "not_json",
    "not_an_object",
    "not_utf8",
    "other_device",
]
WARNING_TEXT: Final[dict[WarningKind, str]] = {
    "cut": "cut to {limit} characters",
    "characters_removed": "control characters removed",
    "taken_as_text": "taken as text",
    "unknown_value": "unknown value ignored",
    "not_an_instant": "not an instant with UTC offset, ignored",
    "not_a_text": "not a text, ignored",
    "not_json": "not JSON",
    "not_an_object": "not JSON with fields, ignored",
    "not_utf8": "not UTF-8",
    "other_device": "not the device of this socket, ignored",
}


class FieldWarning(NamedTuple):
    """One thing that was done to a field (``body``: to the whole body)."""

    field: str
    kind: WarningKind


def warning_header(warnings: Iterable[FieldWarning]) -> str:
    """The value of ``X-Rollcall-Warning``: ``field: what was done; field: …``, ASCII."""
    return "; ".join(
        f"{field}: {WARNING_TEXT[kind].format(limit=MAX_TEXT.get(field))}"
        for field, kind in warnings
    )
