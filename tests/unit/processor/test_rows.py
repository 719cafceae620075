"""What goes into the batch tables: users (and back), changes and what analytics keeps; the layouts
are those of queries.sql and analytics.sql."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from processor.core.effects import LoggedChange
from processor.core.model import Policy
from processor.store.analytics_rows import (
    SESSION_TYPES,
    SPAN_TYPES,
    USER_DAY_TYPES,
    session_row,
    span_row,
    user_day_row,
)
from processor.store.presence_row import (
    PRESENCE_PARTS,
    PRESENCE_TYPES,
    SIGN_OF_LIFE_TYPES,
    PresenceRow,
    SignOfLifeRow,
)
from processor.store.rows import (
    CHANGE_TYPES,
    OFFSET_TYPES,
    OUTAGE_TYPES,
    change_row,
)
from schemas.database.named_queries import load_queries
from tests.unit.processor.presence_story import POLICY, START_MS, Story, heartbeat

SHORT = {"text": "text", "bigint": "int8", "integer": "int4", "smallint": "int2", "boolean": "bool"}


def declared(table: str) -> list[tuple[str, str]]:
    """Columns and binary types of a batch table."""
    queries = load_queries("processor.store", "queries.sql", PRESENCE_PARTS)
    analytics = load_queries("processor.store", "analytics.sql")["create_analytics_tables"]
    made = [queries["create_batch_tables"], queries["create_rare_tables"], analytics, b""]
    body = re.search(rf"{table} \(([^;]*?)\)(?: ON COMMIT DROP)?;", b";".join(made).decode())
    assert body is not None
    columns = [column.replace('"', "").split() for column in body[1].split(",")]
    return [(column[0], SHORT[column[1]]) for column in columns]


def test_the_types_of_the_copy_are_those_of_the_batch_tables() -> None:
    presence = declared("batch_presence")
    assert [kind for _, kind in presence] == PRESENCE_TYPES
    assert tuple(name for name, _ in presence) == PresenceRow._fields
    heard = declared("batch_signs_of_life")
    assert [kind for _, kind in heard] == SIGN_OF_LIFE_TYPES
    assert tuple(name for name, _ in heard) == SignOfLifeRow._fields
    assert [kind for _, kind in declared("batch_changes")] == CHANGE_TYPES
    assert [kind for _, kind in declared("batch_offsets")] == OFFSET_TYPES
    assert [kind for _, kind in declared("batch_outages")] == OUTAGE_TYPES
    assert [kind for _, kind in declared("batch_spans")] == SPAN_TYPES
    assert [kind for _, kind in declared("batch_sessions")] == SESSION_TYPES
    assert [kind for _, kind in declared("batch_user_days")] == USER_DAY_TYPES


def test_the_row_of_a_one_device_user_is_flat() -> None:
    row = Story().beat("a", "home", name="Ann", app_version="1.0", platform="ios").user()
    stay = json.loads(row.pop("stay"))
    assert stay == {
        "since_ms": START_MS,
        "is_view": True,
        "views": 1,
        "entry_screen": "home",
    }
    assert row == {
        "user_id": "ann",
        "partition": 0,
        "name": "Ann",
        "state": "foreground",
        "reason": "started",
        "screen": "home",
        "changed_ms": START_MS,
        "online_since_ms": START_MS,
        "last_active_ms": START_MS,
        "device_count": 1,
        "device": "a",
        "app_version": "1.0",
        "device_info": None,
        "platform": "ios",
        "token": "t1",
        "expires_ms": START_MS + 300_000,
        "signed_out": False,
        "devices": None,
        "sign_outs": None,
        "sockets": None,
        "ended_in_foreground": False,
        "log_offset": 0,
        "first_day": START_MS // 86_400_000,
        "active_day": START_MS // 86_400_000,
        "timer": None,
        "running_timers": 0,
        "canary": False,
    }


def test_the_row_of_a_user_with_several_devices_lists_all_of_them() -> None:
    row = Story().beat("a", "home").wait(10).beat("b", "cart").wait(10).beat("a").user()
    assert [device["device"] for device in json.loads(row["devices"])] == ["a", "b"]
    assert (row["device"], row["screen"], row["device_count"]) == ("b", "cart", 2)
    assert row["last_active_ms"] == START_MS + 20_000


def test_the_row_of_a_user_who_is_known_by_a_logout_alone_has_no_device() -> None:
    row = Story().logout(None).user()
    assert (row["state"], row["reason"], row["device_count"]) == ("offline", "logged_out", 0)
    assert (row["device"], row["last_active_ms"], json.loads(row["devices"])) == (None, None, [])


def test_a_policy_of_before_a_setting_came_has_the_default_of_it() -> None:
    stored = b'{"offline_after_ms":300000,"logout_fence_ms":30000,"reconnect_grace_ms":200000}'
    policy = msgspec.json.decode(stored, type=Policy)
    assert policy == POLICY
    assert (policy.disconnect_grace_ms, policy.client_interval_ms) == (30_000, 180_000)


STORIES: dict[str, Story] = {
    "a device with sockets": Story().beat("a").connect("c1").renew("c2"),
    "a device whose last socket was lost": Story().connect("c1").hang_up("c1", silent_ms=45_000),
    "devices with sockets": Story().connect("c1").connect("c2", "b").hang_up("c1"),
    "a session that ended in the foreground": Story().connect("c1").hang_up("c1").wait(30),
    "one device": Story().beat("a", "home", name="Ann", device_info="Pixel"),
    "a device that is signed out": Story().beat("a", "home").logout("a"),
    "a device that timed out": Story().beat("a", "home").wait(301),
    "several devices": Story().beat("a").wait(10).beat("b", "background").logout("a"),
    "a device that was in the background": Story().beat("a", "background"),
    "no device": Story().logout("a", token_expires_ms=START_MS + 1_000),
    "odd names": Story().beat('a|"b"/\\', "ä\u2028🎬", name="O'Ann"),
}


@pytest.mark.parametrize("kind", STORIES)
def test_a_user_who_is_read_is_the_user_who_was_written(kind: str) -> None:
    story = STORIES[kind]
    # `stored` reads what has been written, and writes it once more.
    assert story.processor.stored() == story.processor.rows


def test_a_row_of_changes_has_the_columns_of_its_table() -> None:
    story = Story().beat("a", "home", app_version="1.0", platform="ios")
    story.record(heartbeat("b", "cart"), heartbeat("a", "film"))
    change: LoggedChange = story.processor.changes[-1]
    names = [name for name, _ in declared("batch_changes")]
    row: dict[str, Any] = dict(zip(names, change_row(change, 3), strict=True))
    assert row == {
        "at_ms": START_MS,
        "partition": 3,
        "log_offset": 1,
        "event_index": 1,
        "ordinal": 0,
        "user_id": "ann",
        "device": "a",
        "reason": "navigated",
        "previous_state": "foreground",
        "state": "foreground",
        "previous_screen": "home",
        "screen": "film",
        "user_state": "foreground",
        "user_screen": "film",
        "app_version": "1.0",
        "platform": "ios",
        "connections": None,
    }


def named(table: str, row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip([name for name, _ in declared(table)], row, strict=True))


def seen_out() -> Story:
    """A phone that was last heard of at 30 s and went offline at 330 s."""
    story = (
        Story().beat("a", "home", name="Ann", **ABOUT).wait(10).beat("a", "cart").wait(20).beat("a")
    )
    return story.wait(400)


ABOUT = {"app_version": "1.0", "device_info": "Pixel", "platform": "android"}
END = {"shown_until_ms": START_MS + 330_000, "partition": 3, "event_index": -1, "ordinal": 0}


def test_a_row_of_spans_has_the_columns_of_its_table() -> None:
    logged = seen_out().processor.effects.spans[-1]
    assert named("batch_spans", span_row(logged, 3)) == {
        **END,
        "log_offset": logged.offset,
        "user_id": "ann",
        "device": "a",
        "state": "foreground",
        "screen": "cart",
        "started_ms": START_MS + 10_000,
        "changed_ms": START_MS + 10_000,
        "ended_ms": START_MS + 30_000,
        "ended_by": "timed_out",
        "is_view": True,
        "session_start_ms": START_MS,
        "online_since_ms": START_MS,
        "name": "Ann",
        **ABOUT,
        "told_before": None,
    }


def test_a_row_of_sessions_has_the_columns_of_its_table() -> None:
    [logged] = seen_out().processor.effects.sessions
    assert named("batch_sessions", session_row(logged, 3)) == {
        **END,
        "log_offset": logged.offset,
        "user_id": "ann",
        "device": "a",
        "started_ms": START_MS,
        "ended_ms": START_MS + 30_000,
        "ended_by": "timed_out",
        "views": 2,
        "visits": 2,
        "foreground_ms": 30_000,
        "entry_screen": "home",
        "exit_screen": "cart",
        **ABOUT,
    }


def test_a_row_of_user_days_has_the_columns_of_its_table() -> None:
    [day] = seen_out().processor.effects.user_days
    assert named("batch_user_days", user_day_row(day, 3)) == {
        "day": START_MS // 86_400_000,
        "user_id": "ann",
        "partition": 3,
        "is_new": True,
        **ABOUT,
    }
