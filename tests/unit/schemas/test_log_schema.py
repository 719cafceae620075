"""The published form of a record of the log is what its JSON Schema says."""

from __future__ import annotations

import json
from base64 import b64decode
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import jsonschema
import msgspec
import pytest

from schemas.log.events import PRIVACY_VERSION, VERSION, BadEvent, decode_batch, encode_event
from schemas.log.json_schema import KINDS, events_schema_page

SCHEMA: Final[dict[str, Any]] = json.loads(
    files("schemas.log").joinpath("events.schema.json").read_text("utf-8")
)
VALIDATOR: Final = jsonschema.Draft202012Validator(SCHEMA)
GOLDEN: Final = Path(__file__).with_name("golden_records.ndjson")
RECORDS: Final = [
    msgspec.msgpack.decode(b64decode(json.loads(line)["record"]))
    for line in GOLDEN.read_text("utf-8").splitlines()
]


def test_the_published_schema_is_up_to_date() -> None:
    """If this fails: make docs."""
    assert files("schemas.log").joinpath("events.schema.json").read_text("utf-8") == (
        events_schema_page()
    )


def test_records_of_every_kind_that_were_ever_written_fit_it() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for record in RECORDS:
        VALIDATOR.validate(record)
    kinds = {event[0] for _, events in RECORDS for event in events}
    assert kinds == SCHEMA["$defs"].keys()
    assert len(kinds) == len(KINDS)


def test_appended_fields_and_missing_last_ones_fit_it() -> None:
    for line in GOLDEN.read_text("utf-8").splitlines():
        record = b64decode(json.loads(line)["record"])
        version = msgspec.msgpack.decode(record)[0]
        events = [
            msgspec.msgpack.decode(encode_event(event))
            for event in decode_batch(record)
            if not isinstance(event, BadEvent)
        ]
        VALIDATOR.validate([version, [[*event, {"new": 1}] for event in events]])
    VALIDATOR.validate([VERSION, [["heartbeat", "u", "t"], ["disconnect", "u", "c"], ["tick"]]])


BAD_EVENTS: Final = [
    ["heartbeat", "u"],
    ["heartbeat", "", "t"],
    ["heartbeat", "u" * 257, "t"],
    ["heartbeat", "u", "t", "n" * 257],
    ["heartbeat", "u", "t", None, "d" * 129],
    ["heartbeat", "u", "t", 5],
    ["connect", "u", "t"],
    ["connect", "u", "t", *[None] * 9],
    ["renew", "u", "t", None],
    ["disconnect", "u", "c", True, -1],
    ["disconnect", "u", "c", True, 86_400_001],
    ["logout", "u", "t", None, None, "never"],
    ["opt_out", "u"],
    ["opt_out", "u", "r"],
    ["erase", "u", "r"],
    ["tick "],
    [],
    {},
]


@pytest.mark.parametrize("event", BAD_EVENTS, ids=str)
def test_what_a_reader_rejects_does_not_fit_it(event: Any) -> None:
    [found] = decode_batch(msgspec.msgpack.encode([VERSION, [event]]))
    assert isinstance(found, BadEvent)
    assert not VALIDATOR.is_valid([VERSION, [event]])


@pytest.mark.parametrize(
    "event",
    [["opt_out", "u"], ["opt_in", "", "r"], ["erase", "u", "r" * 65], ["erase", "u", "r", -1]],
)
def test_a_bad_privacy_event_does_not_fit_it(event: Any) -> None:
    [found] = decode_batch(msgspec.msgpack.encode([PRIVACY_VERSION, [event]]))
    assert isinstance(found, BadEvent)
    assert not VALIDATOR.is_valid([PRIVACY_VERSION, [event]])
    VALIDATOR.validate([PRIVACY_VERSION, [["opt_out", "u", "r"], ["erase", "u", "r"]]])


@pytest.mark.parametrize("record", [[], [VERSION], [VERSION + 9, []], [VERSION, [], 1], {}])
def test_what_is_no_record_does_not_fit_it(record: Any) -> None:
    assert not VALIDATOR.is_valid(record)
