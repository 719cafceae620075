"""``make docs``: ``events.schema.json``, the published form of a record of ``presence.events``.

It is made from the classes of ``schemas/log/events.py`` and describes the msgpack value as JSON
says it: arrays by position, each field with its name, type, limits and default. What a schema
cannot say of versions stands in its description.
"""

from __future__ import annotations

import inspect
import json
from typing import Any, Final, get_args

import msgspec

from schemas.log.events import PRIVACY_VERSION, VERSION, Connect, Event, PrivacyEvent
from schemas.untrusted.nesting import MAX_DEPTH

DESCRIPTION: Final = (
    "A record's value: msgpack of [schema version, events of one partition]. The key is null, and "
    "the partition is the CRC-32 of the user's UTF-8 modulo the partitions. An event is an array: "
    "its kind, then its fields by position. A missing last field has its default. Fields may be "
    "appended within a version: ignore those that you do not know. Anything else is a new version. "
    f"Version {PRIVACY_VERSION} has the kinds opt_out, opt_in and erase beside those of {VERSION}; "
    f"in a record of version {VERSION} they do not count. No text holds a NUL, and nothing nests "
    f"deeper than {MAX_DEPTH}."
)
KINDS: Final[tuple[type[msgspec.Struct], ...]] = get_args(Event)
_PRIVATE: Final = get_args(PrivacyEvent)


def events_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12)."""
    (_, made) = msgspec.json.schema_components(KINDS, ref_template="#/$defs/{name}")
    kinds = {_kind(struct): _event(struct, made[struct.__name__]) for struct in KINDS}
    first = [_kind(struct) for struct in KINDS if struct not in _PRIVATE]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "presence.events",
        "description": DESCRIPTION,
        "type": "array",
        "oneOf": [_record(VERSION, first), _record(PRIVACY_VERSION, list(kinds))],
        "minItems": 2,
        "maxItems": 2,
        "$defs": kinds,
    }


def _record(version: int, kinds: list[str]) -> dict[str, Any]:
    events = {"oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in kinds]}
    return {
        "prefixItems": [
            {"title": "version", "const": version},
            {"title": "events", "type": "array", "items": events},
        ],
    }


def events_schema_page() -> str:
    """The file."""
    return json.dumps(events_schema(), indent=2, ensure_ascii=False) + "\n"


def _kind(struct: type[msgspec.Struct]) -> str:
    return str(struct.__struct_config__.tag)


def _event(struct: type[msgspec.Struct], made: dict[str, Any]) -> dict[str, Any]:
    _, *fields = made["prefixItems"]
    named = [
        {"title": name, **field}
        for name, field in zip(struct.__struct_fields__, fields, strict=True)
    ]
    least = made["minItems"]
    if struct is Connect:  # it names its connection
        place = struct.__struct_fields__.index("connection")
        named[place] = {"title": named[place]["title"], **named[place]["anyOf"][0]}
        least = 2 + place
    return {
        "description": " ".join((inspect.getdoc(struct) or "").split()),
        "type": "array",
        "prefixItems": [{"title": "kind", "const": _kind(struct)}, *named],
        "minItems": least,
    }
