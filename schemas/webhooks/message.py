"""The body of a message, and ``make docs``: ``message.schema.json``, its published form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final, get_args

import msgspec

from schemas.log.events import MAX_USER_ID
from schemas.webhooks.push import PUSH_FIELDS
from schemas.webhooks.timer import MOST_SECONDS, While

TYPE: Final = "presence.changes"
#: Of those who stayed for as long as a timer says.
TIMERS: Final = "presence.timers"
#: Of a page of an audience (``audience_body``).
AUDIENCE: Final = "presence.audience"
#: What a message of a type holds, in ``data``.
_ITEMS: Final = {TYPE: "changes", TIMERS: "timers"}
_TAIL: Final = b"]}}"
#: RFC 3339 UTC with milliseconds.
_TIMESTAMP_BYTES: Final = 24


def message_body(items: Sequence[bytes], at: str, message_type: str = TYPE) -> bytes:
    """``items``: changes or timers, each as JSON. ``at``: when the last of them was."""
    return b"".join([_head(message_type, at), b",".join(items), _TAIL])


def audience_body(
    *,
    delivery: str,
    name: str,
    page: int,
    pages: int,
    push: Mapping[str, Any] | None,
    user_ids: Sequence[str],
    at: str,
) -> bytes:
    """A page of an audience, from 1. ``at``: log time of which the audience is."""
    data = {
        "delivery": delivery,
        "name": name,
        "page": page,
        "pages": pages,
        "push": push,
        "user_ids": user_ids,
    }
    return msgspec.json.encode({"type": AUDIENCE, "timestamp": at, "data": data})


def message_bytes(changes: Sequence[bytes]) -> int:
    """How long that will be; a message of timers is not longer."""
    fixed = len(_head(TYPE, "0" * _TIMESTAMP_BYTES)) + len(_TAIL)
    return fixed + sum(map(len, changes)) + max(0, len(changes) - 1)


def _head(message_type: str, at: str) -> bytes:
    items = _ITEMS[message_type]
    return f'{{"type":"{message_type}","timestamp":"{at}","data":{{"{items}":['.encode()


def message_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12); a change is one of ``presence.changes``."""
    change = json.loads(files("schemas.log").joinpath("changes.schema.json").read_text("utf-8"))
    definitions = {
        **change.pop("$defs"),
        "change": change,
        "timer": _timer_schema(),
        "audience": _audience_schema(),
    }
    change.pop("$schema")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rollcall.webhook",
        "description": "The body of a webhook's message. Delivered at least once: drop messages by "
        "the header webhook-id, and changes and timers by their id. In order per user. Fields may "
        "be added; those here keep their meaning within a major version.",
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "additionalProperties": True,
        "$defs": definitions,
        "properties": {
            "type": {"enum": [*_ITEMS, AUDIENCE]},
            "timestamp": {
                "type": "string",
                "format": "date-time",
                "description": "Log time of the last change, at which the last timer was due, or "
                "of which the audience is.",
            },
        },
        "oneOf": [
            *(_holds(message_type) for message_type in _ITEMS),
            {
                "properties": {
                    "type": {"const": AUDIENCE},
                    "data": {"$ref": "#/$defs/audience"},
                }
            },
        ],
    }


def _holds(message_type: str) -> dict[str, Any]:
    items = _ITEMS[message_type]
    many = {"type": "array", "minItems": 1, "maxItems": 100}
    return {
        "properties": {
            "type": {"const": message_type},
            "data": {
                "type": "object",
                "required": [items],
                "additionalProperties": True,
                "properties": {items: {**many, "items": {"$ref": f"#/$defs/{items[:-1]}"}}},
            },
        }
    }


def _audience_schema() -> dict[str, Any]:
    user_id = {"type": "string", "minLength": 1, "maxLength": MAX_USER_ID}
    return {
        "title": "presence.audience",
        "description": "A page of an audience that somebody sent here. Sent again it has the same "
        "users, but for those who have opted out or were erased since.",
        "type": "object",
        "required": ["delivery", "name", "page", "pages", "push", "user_ids"],
        "additionalProperties": True,
        "properties": {
            "delivery": {
                "type": "string",
                "format": "uuid",
                "description": "The same of all pages.",
            },
            "name": {"type": "string", "description": "As whoever sent it calls it."},
            "page": {"type": "integer", "minimum": 1, "description": "In their order."},
            "pages": {"type": "integer", "minimum": 1},
            "push": {
                "type": ["object", "null"],
                "description": "What to tell them, if that was said.",
                "properties": {name: each.schema for name, each in PUSH_FIELDS.items()},
                "additionalProperties": True,
            },
            "user_ids": {"type": "array", "minItems": 1, "items": user_id},
        },
    }


def _timer_schema() -> dict[str, Any]:
    time = {"type": "string", "format": "date-time"}
    return {
        "title": "presence.timers",
        "description": "A user has stayed in one state for as long as the webhook's timer says.",
        "type": "object",
        "required": ["id", "at", "user_id", "while", "screen", "seconds", "since", "change"],
        "additionalProperties": True,
        "properties": {
            "id": {
                "type": "string",
                "pattern": "^[0-9]+:[0-9]+:-?[0-9]+:[0-9]+[+][0-9]+$",
                "description": "The same for one stay of a user, however often it is told.",
            },
            "at": {**time, "description": "Log time at which the timer was due."},
            "user_id": {"type": "string", "minLength": 1, "maxLength": 256},
            "while": {"enum": list(get_args(While))},
            "screen": {"$ref": "#/$defs/text", "description": "Of on_screen, else null."},
            "seconds": {"type": "integer", "minimum": 1, "maximum": MOST_SECONDS},
            "since": {**time, "description": "Log time since which the user has stayed."},
            "change": {"type": "string", "description": "Id of the change with which that began."},
        },
    }


def message_schema_page() -> str:
    """The file."""
    return json.dumps(message_schema(), indent=2, ensure_ascii=False) + "\n"
