"""What one user, one address and all sockets together may ask of a process."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.limits import ConnectionLimits, UserLimits
from ingest.settings import IngestSettings


def settings(**values: Any) -> IngestSettings:
    return IngestSettings(jwt_secret="x" * 32, **values)


def test_quick_navigation_never_meets_the_limit() -> None:
    limits = UserLimits(settings())
    now = 0.0
    for _ in range(30):  # a screen every half second for a quarter of a minute, then a rest
        for _ in range(30):
            assert limits.take("u", now) == 0.0
            now += 0.5
        now += 60.0


def test_a_loop_in_an_app_does_and_comes_through_once_a_second() -> None:
    limits = UserLimits(settings())
    allowed = [limits.take("u", ms / 1000) == 0.0 for ms in range(0, 100_000, 10)]
    assert sum(allowed) == 60 + 99
    assert limits.take("somebody else", 50.0) == 0.0


def test_events_that_came_together_are_allowed_together_or_not_at_all() -> None:
    limits = UserLimits(settings(user_events_burst=10))
    assert limits.take("u", 0.0, 8) == 0.0
    assert limits.take("u", 0.0, 3) == 1.0
    assert limits.take("u", 0.0, 2) == 0.0


def test_P4_twenty_changes_of_the_state_in_two_seconds_are_no_misuse() -> None:
    limits = UserLimits(settings())
    assert [limits.take("ann", flip / 10) for flip in range(20)] == [0.0] * 20


def test_a_user_has_so_many_sockets() -> None:
    limits = ConnectionLimits(settings(user_connections=2))
    assert limits.open("a")
    assert limits.open("a")
    assert not limits.open("a")
    assert limits.open("b")
    assert limits.total == 3
    limits.close("a")
    assert limits.open("a")


def test_all_users_together_have_so_many() -> None:
    limits = ConnectionLimits(settings(max_connections=2))
    assert limits.open("a")
    assert not limits.full
    assert limits.open("b")
    assert limits.full
    assert not limits.open("c")
    limits.close("b")
    assert limits.open("c")


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=100))
def test_sockets_are_counted_as_they_come_and_go(steps: list[tuple[str, bool]]) -> None:
    limits = ConnectionLimits(settings(user_connections=2, max_connections=5))
    there: list[str] = []
    for user, comes in steps:
        if comes:
            room = there.count(user) < 2 and len(there) < 5
            assert limits.open(user) is room
            there += [user] * room
        elif user in there:
            limits.close(user)
            there.remove(user)
        assert limits.total == len(there)


def test_users_without_sockets_are_not_remembered() -> None:
    limits = ConnectionLimits(settings())
    for number in range(1_000):
        limits.open(f"u{number}")
        limits.close(f"u{number}")
    assert limits._by_user == {}


@pytest.mark.parametrize(
    "name",
    [
        *("user_events_per_second", "user_events_burst"),
        *("auth_failures_per_second", "auth_failures_burst"),
        *("user_connections", "max_connections"),
    ],
)
def test_a_limit_of_zero_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        settings(**{name: 0})
