"""Pings that follow the time-outs of gateways."""

from __future__ import annotations

import pytest

from ingest.socket.ping_intervals import MAX_USERS, PingIntervals


def lost_at(*ages: float) -> float:
    intervals = PingIntervals(30.0)
    for age in ages:
        intervals.lost_silently("ann", age)
    assert intervals.of("bob") == 30.0
    return intervals.of("ann")


@pytest.mark.parametrize(
    ("ages", "interval"),
    [
        ([], 30.0),
        ([20.0], 30.0),
        ([20.0, 20.4], 12.0),
        ([20.0, 40.0], 30.0),
        ([20.0, 40.0, 21.0], 30.0),  # not in a row
        ([60.0, 60.0], 30.0),  # longer than what is usual: nothing to mend
        ([20.0, 20.0, 12.0, 12.0], 7.0),
        ([3.0, 3.0], 5.0),
        ([20.0, 20.0, 50.0, 50.0], 12.0),
    ],
)
def test_two_losses_in_a_row_at_one_age_are_a_time_out(ages: list[float], interval: float) -> None:
    assert lost_at(*ages) == interval


def test_only_so_many_users_are_remembered() -> None:
    intervals = PingIntervals(30.0)
    for number in range(MAX_USERS + 10):
        for _ in range(2):
            intervals.lost_silently(str(number), 20.0)
    assert intervals.of("9") == 30.0
    assert intervals.of("10") == 12.0
