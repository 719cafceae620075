"""The published form of a change is what its JSON Schema says."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.changes import change_of, published_change, rfc3339
from processor.core.effects import LoggedChange
from processor.core.model import Changed
from schemas.log.changes import Change

SCHEMA: dict[str, Any] = json.loads(
    files("schemas.log").joinpath("changes.schema.json").read_text()
)
CHANGE = Change(
    id="3:120:-1:0",
    at="2026-11-24T03:00:00.000Z",
    user_id="ada",
    device="default",
    reason="timed_out",
    previous_state="foreground",
    state="offline",
    previous_screen="Home",
    screen=None,
    user_state="offline",
    user_screen=None,
    app_version=None,
    platform=None,
    connections=[],
)


def test_a_change_fits_the_published_schema() -> None:
    jsonschema.validate(json.loads(msgspec.json.encode(CHANGE)), SCHEMA)


@pytest.mark.parametrize("field", ["id", "reason", "state", "user_state"])
def test_the_schema_refuses_what_no_change_holds(field: str) -> None:
    change = {**json.loads(msgspec.json.encode(CHANGE)), field: "elsewhere"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(change, SCHEMA)


def test_the_schema_and_the_struct_name_the_same_fields() -> None:
    assert set(SCHEMA["properties"]) == set(Change.__struct_fields__)
    # Those that came after the first release are optional.
    later = {field.name for field in msgspec.structs.fields(Change) if not field.required}
    assert set(SCHEMA["required"]) == set(Change.__struct_fields__) - later


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_489_200_007, "2026-11-24T03:00:00.007Z"),
        (1_795_489_199_999, "2026-11-24T02:59:59.999Z"),
    ],
)
def test_times_are_rfc_3339_with_milliseconds(ms: int, text: str) -> None:
    assert rfc3339(ms) == text


@given(st.integers(0, 4_000_000_000_000))
def test_times_sort_as_their_milliseconds_do(ms: int) -> None:
    assert rfc3339(ms) < rfc3339(ms + 1)


def test_what_is_published_at_once_and_from_its_row_says_all_of_the_change() -> None:
    published = Change(
        id="3:120:1:2",
        at="2026-11-24T03:00:00.007Z",
        user_id="ada",
        device="phone",
        reason="logged_out",
        previous_state="foreground",
        state="offline",
        previous_screen="Home",
        screen="Menu",
        user_state="background",
        user_screen="Help",
        app_version="1.2.3",
        platform="ios",
        connections=["c1", "c2"],
        previous_user_state="foreground",
        previous_user_screen="Start",
    )
    changed = Changed(
        at_ms=1_795_489_200_007,
        user_id="ada",
        device="phone",
        reason="logged_out",
        previous_state="foreground",
        state="offline",
        previous_screen="Home",
        screen="Menu",
        user_state="background",
        user_screen="Help",
        app_version="1.2.3",
        platform="ios",
        connections=("c1", "c2"),
        previous_user_state="foreground",
        previous_user_screen="Start",
    )
    logged = LoggedChange(offset=120, index=1, ordinal=2, changed=changed)
    assert change_of(3, logged) == published
    about = msgspec.structs.astuple(published)[2:]
    row = (120, 1, 2, 1_795_489_200_007, *about[:-3], '["c1", "c2"]', *about[-2:])
    assert published_change(3, row) == published
