"""From rows to answers: how good a count is, and what a user with several devices looks like."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from msgspec import to_builtins

from api.freshness import Freshness
from api.periods.instants import rfc3339
from api.presence.answers import count_answer, single_user_answer
from api.presence.rows import UserWithDevicesRow

NOON = datetime(2024, 5, 17, 12, 0, 0, 123_456, tzinfo=UTC)


def freshness(age_seconds: float | None, offline_after_ms: int | None = None) -> Freshness:
    as_of = None if age_seconds is None else NOON - timedelta(seconds=age_seconds)
    return Freshness(as_of, 3, 1, offline_after_ms, NOON)


@pytest.mark.parametrize(
    ("age_seconds", "stale"),
    [
        (None, True),
        (0, False),
        (10, False),
        (10.001, True),
        (86_400, True),
        (-1, False),  # two clocks
        (-1.001, True),  # the future
    ],
)
def test_a_count_is_stale_without_as_of_too_old_or_from_the_future(
    age_seconds: float | None, stale: bool
) -> None:
    assert freshness(age_seconds).stale(10) is stale


@pytest.mark.parametrize(
    ("offline_after_ms", "window"), [(None, 300), (240_000, 240), (2_500, 2.5)]
)
def test_the_window_is_that_of_the_policy_in_force(
    offline_after_ms: int | None, window: float
) -> None:
    found = freshness(0, offline_after_ms).window_seconds(300.0)
    assert found == window
    assert isinstance(found, type(window))


def test_a_count_is_the_sum_of_its_states() -> None:
    answer = count_answer(freshness(1), stale_after_seconds=10, offline_after_seconds=300)
    assert to_builtins(answer) == {
        "count": 4,
        "by_state": {"foreground": 3, "background": 1},
        "as_of": "2024-05-17T11:59:59.123Z",
        "window_seconds": 300,
        "stale": False,
    }


def test_times_are_utc_with_milliseconds() -> None:
    assert rfc3339(None) is None
    assert rfc3339(datetime(2024, 1, 1, tzinfo=UTC)) == "2024-01-01T00:00:00.000Z"
    zone = timezone(timedelta(hours=2))
    assert rfc3339(datetime(2024, 1, 1, 2, 0, 0, 999_999, tzinfo=zone)) == (
        "2024-01-01T00:00:00.999Z"
    )


def row(**changes: Any) -> UserWithDevicesRow:
    columns: dict[str, Any] = dict.fromkeys(
        ("name", "screen", "online_since", "last_active", "app_version", "device_info", "platform")
    )
    columns |= {"user_id": "u", "state": "offline", "reason": "timed_out", "changed_at": NOON}
    columns |= {"canary": False}
    return UserWithDevicesRow(
        **{
            **columns,
            "device_count": 0,
            "device": "d",
            "devices": None,
            "timer_runs_on": False,
            "signed_out": False,
            **changes,
        }
    )


def shown_user(found: UserWithDevicesRow) -> dict[str, Any]:
    shown: dict[str, Any] = to_builtins(single_user_answer(found))
    return shown


def test_a_user_without_devices_has_none() -> None:
    assert shown_user(row(device=None))["devices"] == []
    assert shown_user(row(devices=[]))["devices"] == []


def test_offline_since_is_the_last_change_of_who_is_offline() -> None:
    assert shown_user(row())["offline_since"] == "2024-05-17T12:00:00.123Z"
    assert shown_user(row(state="background"))["offline_since"] is None


def stored(device: str, state: str, last_active_ms: int | None = 0, **more: Any) -> dict[str, Any]:
    return {
        "device": device,
        "state": state,
        "reason": "started",
        "changed_ms": 5,
        "last_active_ms": last_active_ms,
        "token": "sha256:secret",
        "signed_out": False,
        **more,
    }


def test_devices_come_best_state_first_then_the_last_active_one() -> None:
    devices = [
        stored("gone", "offline", 9),
        stored("b", "foreground", 1),
        stored("back", "background", 8),
        stored("a", "foreground", 1),
        stored("busy", "foreground", 2),
        stored("never", "offline", None),
    ]
    shown = shown_user(row(devices=devices))["devices"]
    assert [d["device"] for d in shown] == ["busy", "a", "b", "back", "gone", "never"]


def test_a_device_shows_no_token_and_null_for_what_is_unknown() -> None:
    ms = 1_715_947_200_007
    [device] = shown_user(row(devices=[stored("d", "foreground", ms, screen="Home")]))["devices"]
    assert device == {
        "device": "d",
        "state": "foreground",
        "reason": "started",
        "screen": "Home",
        "app_version": None,
        "device_info": None,
        "platform": None,
        "last_active": "2024-05-17T12:00:00.007Z",
        "online_since": None,
        "changed_at": "1970-01-01T00:00:00.005Z",
        "timer_runs_on": None,
        "twin_of": None,
        "other_users": None,
    }


def test_a_device_tells_whether_its_timer_runs_on() -> None:
    for timer, runs_on in ((None, False), ({}, False), ({"runs_on": True}, True)):
        device = {**stored("d", "foreground"), "timer": timer}
        [told] = shown_user(row(devices=[device]))["devices"]
        assert told["timer_runs_on"] is runs_on


def test_the_only_device_has_the_same_fields_as_one_of_several() -> None:
    [only] = shown_user(row())["devices"]
    [one] = shown_user(row(devices=[stored("d", "offline")]))["devices"]
    assert only.keys() == one.keys()
    assert asdict(row()).keys() >= only.keys() - {"changed_at", "twin_of"}
