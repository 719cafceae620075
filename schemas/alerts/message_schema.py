"""What a webhook is told of an alert, and ``make docs``: ``message.schema.json``, its published
form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, get_args

from schemas.alerts.evaluate import Kind
from schemas.alerts.message import TYPE
from schemas.alerts.rule import Is, Of, Than

_INSTANT: Final = {"type": "string", "format": "date-time"}
_NUMBER: Final = {"type": "number"}


def message_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rollcall.alert",
        "description": "The body of a message that a product alert sends to a webhook. Delivered "
        "at least once: drop messages by the header webhook-id. Fields may be added; those here "
        "keep their meaning within a major version.",
        **_object(
            type={"const": TYPE},
            timestamp=_INSTANT | {"description": "As data.at."},
            data=_object(
                alert=_rule(),
                kind={"enum": list(get_args(Kind))},
                at=_INSTANT | {"description": "Log time of the point at which it is told."},
                since=_INSTANT | {"description": "Log time at which it fired."},
                value=_NUMBER | {"description": "What was measured at that point."},
                limit=_NUMBER | {"description": "What the value was held against."},
                text={"type": "string", "description": "The same as a sentence, in English."},
            ),
        ),
    }


def _rule() -> dict[str, Any]:
    text: dict[str, Any] = {"type": "string"}
    whole: dict[str, Any] = {"type": "integer", "minimum": 1}
    clock: dict[str, Any] = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
    found = _object(
        **{
            "id": text | {"pattern": "^al_[0-9a-f]{16}$"},
            "name": text,
            "of": {"enum": list(get_args(Of))},
            "than": {"enum": list(get_args(Than))},
            "is": {"enum": list(get_args(Is))},
            "for_minutes": whole,
            "recovery": {"type": "boolean"},
        }
    )
    found["description"] = "The rule, as the API shows it."
    found["properties"] |= {
        "value": _NUMBER | {"description": "Not of a peak."},
        "days": whole | {"description": "Of a band."},
        "screen": text,
        "app_version": text,
        "repeat_minutes": whole,
        "quiet_hours": _object(**{"from": clock, "to": clock, "time_zone": text}),
    }
    return found


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """With all of these at least."""
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": True,
        "properties": properties,
    }


def message_schema_page() -> str:
    """As the file holds it."""
    return json.dumps(message_schema(), indent=2, ensure_ascii=False) + "\n"
