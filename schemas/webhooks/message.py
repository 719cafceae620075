"""The body of a message, and ``make docs``: ``message.schema.json``, its published form."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

TYPE: Final = "presence.changes"
_HEAD: Final = b'{"type":"' + TYPE.encode() + b'","timestamp":"'
_MIDDLE: Final = b'","data":{"changes":['
_TAIL: Final = b"]}}"
#: RFC 3339 UTC with milliseconds.
_TIMESTAMP_BYTES: Final = 24


def message_body(changes: Sequence[bytes], at: str) -> bytes:
    """``changes``: each as JSON. ``at``: when the last of them was."""
    return b"".join([_HEAD, at.encode(), _MIDDLE, b",".join(changes), _TAIL])


def message_bytes(changes: Sequence[bytes]) -> int:
    """How long that will be."""
    fixed = len(_HEAD) + _TIMESTAMP_BYTES + len(_MIDDLE) + len(_TAIL)
    return fixed + sum(map(len, changes)) + max(0, len(changes) - 1)


def message_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12); a change is one of ``presence.changes``."""
    change = json.loads(files("schemas.log").joinpath("changes.schema.json").read_text("utf-8"))
    definitions = change.pop("$defs")
    change.pop("$schema")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rollcall.webhook",
        "description": "The body of a webhook's message. Delivered at least once: drop messages by "
        "the header webhook-id, and changes by their id. In order per user. Fields may be added; "
        "those here keep their meaning within a major version.",
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "additionalProperties": True,
        "$defs": {**definitions, "change": change},
        "properties": {
            "type": {"const": TYPE},
            "timestamp": {
                "type": "string",
                "format": "date-time",
                "description": "Log time of the last change.",
            },
            "data": {
                "type": "object",
                "required": ["changes"],
                "additionalProperties": True,
                "properties": {
                    "changes": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 100,
                        "items": {"$ref": "#/$defs/change"},
                    }
                },
            },
        },
    }


def message_schema_page() -> str:
    """The file."""
    return json.dumps(message_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(message_schema_page(), "utf-8")
