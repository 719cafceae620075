"""How long a record waits for company: design, section 5."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.log.linger import Linger, LingerPolicy

ACK_SECONDS = 0.005


def steady(events_per_second: float, ack_seconds: float = ACK_SECONDS) -> tuple[float, int]:
    """Wait in seconds and events a record after a while of steady load."""
    linger = Linger(LingerPolicy())
    events = 1
    for _ in range(200):
        # One comes, and others while it waits and is in flight; a full record goes at once.
        events = 1 + int(events_per_second * (linger.seconds + ack_seconds))
        events = min(events, LingerPolicy().target_events)
        linger.gathered(events, events / events_per_second, ack_seconds)
    return linger.seconds, events


def test_a_quiet_partition_waits_a_few_milliseconds() -> None:
    assert steady(10)[0] == LingerPolicy().min_seconds


def test_who_waits_for_nobody_learns_of_the_load_nevertheless() -> None:
    """At 120 events a second a record that leaves after two milliseconds holds one event."""
    wait_seconds, events = steady(120)
    assert wait_seconds == LingerPolicy().max_seconds
    assert events >= 7


def test_under_load_a_record_holds_about_a_hundred_events() -> None:
    _, events = steady(4_000)
    assert 80 <= events <= 120


def test_more_load_than_that_shortens_the_wait() -> None:
    assert steady(10_000)[0] < steady(3_000)[0]


def test_the_wait_ends_when_the_load_does() -> None:
    linger = Linger(LingerPolicy())
    for _ in range(20):
        linger.gathered(50, 0.06, ACK_SECONDS)
    assert linger.seconds == LingerPolicy().max_seconds
    for _ in range(3):
        linger.gathered(1, 1.0, ACK_SECONDS)
    assert linger.seconds == LingerPolicy().min_seconds


def test_the_wait_begins_within_a_second_of_the_load() -> None:
    linger = Linger(LingerPolicy())
    linger.gathered(1, 60.0, ACK_SECONDS)
    passed_seconds = 0.0
    while linger.seconds < LingerPolicy().max_seconds:
        within_seconds = linger.seconds + ACK_SECONDS
        linger.gathered(max(1, int(200 * within_seconds)), within_seconds, ACK_SECONDS)
        passed_seconds += within_seconds
    assert passed_seconds < 1.0


def test_wait_and_acknowledgement_together_stay_in_the_budget() -> None:
    wait_seconds, _ = steady(2_000, ack_seconds=0.06)
    assert wait_seconds + 0.06 <= LingerPolicy().budget_seconds


def test_a_slow_kafka_is_not_waited_for_on_top() -> None:
    assert steady(2_000, ack_seconds=0.5)[0] == LingerPolicy().min_seconds


def test_without_a_longest_wait_nobody_waits() -> None:
    linger = Linger(LingerPolicy(max_seconds=0))
    linger.gathered(50, 0.01, ACK_SECONDS)
    assert linger.seconds == 0


@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.floats(0, 1e6), st.floats(0, 10)), max_size=50)
)
def test_the_wait_never_leaves_its_bounds(records: list[tuple[int, float, float]]) -> None:
    linger = Linger(LingerPolicy())
    for events, within_seconds, ack_seconds in records:
        linger.gathered(events, within_seconds, ack_seconds)
        assert 0.002 <= linger.seconds <= 0.06


@pytest.mark.parametrize("policy", [LingerPolicy(), LingerPolicy(max_seconds=0.09)])
def test_the_policy_leaves_room_below_100_ms(policy: LingerPolicy) -> None:
    assert policy.budget_seconds < 0.1
