"""Whose deadline comes next, and which of a user's devices give it."""

from __future__ import annotations

import pytest

from processor.core.deadlines import Deadlines
from processor.core.model import Device, User, next_expiry_ms
from schemas.log.changes import State


def user(*devices: tuple[State, int]) -> User:
    """With a device in each of the states that expires then."""
    return User(
        "ann",
        "foreground",
        "started",
        0,
        devices=tuple(
            Device(f"d{n}", state, "started", 0, 0, expires_ms)
            for n, (state, expires_ms) in enumerate(devices)
        ),
    )


@pytest.mark.parametrize(
    ("devices", "expiry_ms"),
    [
        ([], None),
        ([("offline", 10)], None),
        ([("background", 10)], 10),
        ([("offline", 10), ("offline", 20)], None),
        ([("offline", 10), ("foreground", 30), ("background", 20)], 20),
    ],
)
def test_the_first_device_that_is_online_gives_the_deadline(
    devices: list[tuple[State, int]], expiry_ms: int | None
) -> None:
    assert next_expiry_ms(user(*devices)) == expiry_ms


def test_a_deadline_is_reached_once_and_not_before_it() -> None:
    deadlines = Deadlines()
    deadlines.watch_at("ann", 20)
    deadlines.watch_at("ann", 10)
    deadlines.watch_at("bob", 15)
    assert [*deadlines.reached(9)] == []
    assert [*deadlines.reached(15)] == ["ann", "bob"]
    assert [*deadlines.reached(30)] == []


def test_all_deadlines_move_back() -> None:
    deadlines = Deadlines()
    deadlines.watch_at("ann", 20)
    deadlines.move_back(5)
    assert [*deadlines.reached(14)] == []
    assert [*deadlines.reached(15)] == ["ann"]
