"""How long a batch waits, on virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.model import Device, User
from processor.core.pacing import (
    Hurry,
    PacePolicy,
    Rate,
    Waiting,
    hurry_of,
    wait_seconds,
)
from schemas.log.changes import State
from schemas.log.events import (
    BadEvent,
    Connect,
    Disconnect,
    Erase,
    Event,
    Heartbeat,
    Logout,
    OptIn,
    OptOut,
    Renew,
    Tick,
)

POLICY = PacePolicy(most_seconds=1.0, full_records=1_000)
BUSY = POLICY.busy_per_second


def waiting(*came: tuple[float, Hurry, int]) -> Waiting:
    batch = Waiting()
    for at, hurry, events in came:
        batch.add(hurry, events, at)
    return batch


def user(state: State = "foreground", screen: str | None = "Home") -> dict[str, User]:
    device = Device("phone", state, "started", 0, 0, 300_000, screen=screen)
    return {"ada": User("ada", state, "started", 0, screen=screen, devices=(device,))}


def test_on_a_busy_log_a_sign_of_life_waits_the_most() -> None:
    batch = waiting((10.0, Hurry.UNSEEN, 1))
    assert wait_seconds(POLICY, batch, BUSY, 0, 10.0) == 1.0
    assert wait_seconds(POLICY, batch, 30 * BUSY, 0, 10.4) == pytest.approx(0.6)
    assert wait_seconds(POLICY, batch, BUSY, 0, 11.0) == 0


def test_what_people_look_at_waits_half_as_long_from_when_it_came() -> None:
    batch = waiting((10.0, Hurry.UNSEEN, 1), (10.2, Hurry.SEEN, 1))
    assert wait_seconds(POLICY, batch, BUSY, 0, 10.2) == pytest.approx(0.5)
    late = waiting((10.0, Hurry.UNSEEN, 1), (10.9, Hurry.SEEN, 1))
    assert wait_seconds(POLICY, late, BUSY, 0, 10.9) == pytest.approx(0.1)


def test_a_logout_waits_for_nothing() -> None:
    batch = waiting((10.0, Hurry.UNSEEN, 1), (10.0, Hurry.AT_ONCE, 1))
    assert wait_seconds(POLICY, batch, BUSY, 0, 10.0) == 0


def test_a_full_batch_waits_for_nothing() -> None:
    assert wait_seconds(POLICY, waiting((0.0, Hurry.UNSEEN, 5_000)), 1e6, 0, 0.0) == 0
    many = waiting(*[(0.0, Hurry.TICK, 0)] * POLICY.full_records)
    assert wait_seconds(POLICY, many, 0.0, 0, 0.0) == 0


def test_where_few_events_come_they_hardly_wait_and_ticks_do() -> None:
    assert wait_seconds(POLICY, waiting((5.0, Hurry.UNSEEN, 1)), 0.0, 0, 5.0) == 0
    a_tenth = wait_seconds(POLICY, waiting((5.0, Hurry.UNSEEN, 1)), BUSY / 10, 0, 5.0)
    assert a_tenth == pytest.approx(0.1)
    assert wait_seconds(POLICY, waiting((5.0, Hurry.TICK, 0)), 0.0, 0, 5.0) == 1.0


def test_where_storing_takes_long_the_wait_is_shorter() -> None:
    batch = waiting((10.0, Hurry.UNSEEN, 1))
    assert wait_seconds(POLICY, batch, BUSY, 0.2, 10.0) == 1.0
    assert wait_seconds(POLICY, batch, BUSY, 1.0, 10.0) == pytest.approx(0.2)
    assert wait_seconds(POLICY, batch, BUSY, 3.0, 10.0) == 0


def test_without_a_record_there_is_nothing_to_wait_for() -> None:
    assert wait_seconds(POLICY, Waiting(), BUSY, 0, 10.0) is None


def test_nothing_waits_where_that_is_set_to_0() -> None:
    never = PacePolicy(most_seconds=0, full_records=10)
    assert wait_seconds(never, waiting((5.0, Hurry.UNSEEN, 1)), BUSY, 0, 5.0) == 0


def test_a_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate()
    for tenth in range(100):
        rate.add(50, tenth / 10)
    assert rate.per_second(10.0) == pytest.approx(500, rel=0.1)
    assert rate.per_second(20.0) < 5


@given(
    most=st.floats(0, 1.5),
    store=st.floats(0, 3),
    steps=st.lists(
        st.tuples(st.floats(0, 0.7), st.sampled_from(Hurry), st.integers(0, 2_000)), min_size=1
    ),
)
def test_no_batch_waits_longer_than_it_may(
    most: float, store: float, steps: list[tuple[float, Hurry, int]]
) -> None:
    """Whatever comes, and however fast: what waits is stored within its bound, and at once where
    that is promised."""
    policy = PacePolicy(most_seconds=most, full_records=20)
    rate, batch, now = Rate(), Waiting(), 100.0
    came: list[tuple[float, Hurry, int]] = []
    due: float | None = None
    for pause, hurry, events in steps:
        if due is not None and due <= now + pause:
            batch, came, due = Waiting(), [], None
        now += pause
        events = 0 if hurry is Hurry.TICK else events + 1
        came.append((now, hurry, events))
        batch.add(hurry, events, now)
        rate.add(events, now)
        seconds = wait_seconds(policy, batch, rate.per_second(now), store, now)
        assert seconds is not None
        assert 0 <= seconds <= max(0, policy.budget_seconds - store) + 1e-9
        for at, each, _ in came:
            bound = most / 2 if each is Hurry.SEEN else 0 if each is Hurry.AT_ONCE else most
            assert now + seconds <= max(now, at + bound) + 1e-9
        if len(came) >= 20 or sum(events for *_, events in came) >= policy.full_events:
            assert seconds == 0
        if seconds == 0:
            batch, came, due = Waiting(), [], None
        else:
            due = now + seconds


@pytest.mark.parametrize("per_second", [500, 1_000, 3_000, 10_000, 30_000])
def test_from_500_to_30000_a_second_a_batch_holds_hundreds_of_events(per_second: int) -> None:
    """So what a batch costs is a small part of what its events do."""
    rate = Rate()
    batches = list(_batches(rate, per_second, seconds=8.0))[2:]
    assert min(batches) >= min(per_second * POLICY.most_seconds, POLICY.full_events) * 0.9
    assert max(batches) <= POLICY.full_events + per_second / 50


def _batches(rate: Rate, per_second: int, seconds: float) -> Iterator[int]:
    """How many events are in each; they come 50 times a second."""
    batch, due = Waiting(), float("inf")
    for fiftieth in range(int(seconds * 50)):
        now = fiftieth / 50
        if due <= now:
            yield batch.events
            batch, due = Waiting(), float("inf")
        batch.add(Hurry.UNSEEN, per_second // 50, now)
        rate.add(per_second // 50, now)
        seconds_left = wait_seconds(POLICY, batch, rate.per_second(now), 0.1, now)
        assert seconds_left is not None
        due = now + seconds_left


BEAT: dict[str, Any] = {"user": "ada", "token": "t"}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Tick(), Hurry.TICK),
        (Heartbeat(**BEAT), Hurry.UNSEEN),
        (Heartbeat(**BEAT, screen="Unknown"), Hurry.UNSEEN),
        (Heartbeat(**BEAT, screen="Home"), Hurry.UNSEEN),
        (Heartbeat(**BEAT, screen="Cart"), Hurry.SEEN),
        (Heartbeat(**BEAT, app_state="paused"), Hurry.SEEN),
        (Heartbeat(user="bob", token="t"), Hurry.SEEN),
        (Connect(**BEAT, connection="c"), Hurry.UNSEEN),
        (Connect(user="bob", token="t", connection="c"), Hurry.SEEN),
        (Renew(**BEAT, connection="c"), Hurry.UNSEEN),
        (Renew(user="bob", token="t", connection="c"), Hurry.SEEN),
        (Disconnect(user="ada", connection="c"), Hurry.UNSEEN),
        (BadEvent("no event", b""), Hurry.UNSEEN),
        (Logout(**BEAT), Hurry.AT_ONCE),
        (OptOut(user="ada", request="r"), Hurry.AT_ONCE),
        (OptIn(user="ada", request="r"), Hurry.AT_ONCE),
        (Erase(user="ada", request="r"), Hurry.AT_ONCE),
    ],
)
def test_who_waits_for_an_event(event: Event | BadEvent, expected: Hurry) -> None:
    assert hurry_of([event], user()) is expected


def test_in_the_background_a_beat_of_the_foreground_is_looked_at() -> None:
    away = user("background")
    assert hurry_of([Heartbeat(**BEAT)], away) is Hurry.SEEN
    assert hurry_of([Heartbeat(**BEAT, screen="background")], away) is Hurry.UNSEEN


def test_the_greatest_hurry_of_a_record_counts() -> None:
    beats = [Heartbeat(**BEAT), Heartbeat(**BEAT, screen="Cart"), Heartbeat(**BEAT)]
    assert hurry_of(beats, user()) is Hurry.SEEN
    assert hurry_of([*beats, Logout(**BEAT)], user()) is Hurry.AT_ONCE
    assert hurry_of([], user()) is Hurry.TICK
