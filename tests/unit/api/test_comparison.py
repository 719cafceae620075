"""The range before a range: as long, cut alike, and compared only as far as it is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from api.periods.comparison import change, over_by, range_before
from api.periods.ranges import HOUR, LENGTHS, QUARTER, Bucket, Range, day_start, local_date
from tests.unit.api.test_api_rollups import quarters, zones

BERLIN = ZoneInfo("Europe/Berlin")


def utc(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def test_days_are_compared_with_days_whatever_clocks_do_in_between() -> None:
    # Berlin's clocks go forward in the night to the 29th.
    week = Range(utc(26, 23), utc(29, 22), BERLIN, "1d")
    before = range_before(week)
    assert (before.start, before.end) == (utc(23, 23), utc(26, 23))
    to_now = Range(utc(28, 23), utc(29, 10, 30), BERLIN, "1d")
    assert range_before(to_now).end == utc(28, 10, 30)


def test_a_range_of_hours_follows_the_one_before_it() -> None:
    before = range_before(Range(utc(27, 10), utc(27, 13), BERLIN, "1h"))
    assert (before.start, before.end) == (utc(27, 7), utc(27, 10))


@given(
    start=quarters,
    length=st.integers(1, 300),
    bucket=st.sampled_from(["15m", "1h"]),
)
def test_buckets_are_cut_like_those_before(start: datetime, length: int, bucket: Bucket) -> None:
    asked = Range(start, start + length * QUARTER, BERLIN, bucket)
    before = range_before(asked)
    [back] = {now - then for now, then in zip(asked.starts, before.starts, strict=True)}
    assert asked.end - before.end == back
    assert asked.start - LENGTHS[bucket] < before.end <= asked.start


@given(start=quarters, length=st.integers(1, 900), zone=zones)
def test_as_many_days_before_cut_alike(start: datetime, length: int, zone: ZoneInfo) -> None:
    asked = Range(start, start + length * QUARTER, zone, "1d")
    before = range_before(asked)
    assert len(before.starts) == len(asked.starts)
    assert before.end <= asked.start + HOUR  # a day of 25 hours has one more
    for now, then in zip(asked.dates, before.dates, strict=True):
        assert (now - then).days == len(asked.starts)
    assert all(then < following for then, following in pairwise([*before.starts, before.end]))
    if day_start(local_date(start, zone), zone) == start:
        assert day_start(before.dates[0], zone) == before.start


def test_a_bucket_that_is_still_counted_is_not_compared() -> None:
    asked = Range(utc(27, 10), utc(27, 13), BERLIN, "1h")
    assert over_by(asked, utc(27, 12)) == 2
    assert over_by(asked, utc(27, 12) - timedelta.resolution) == 1
    assert over_by(asked, utc(28, 0)) == 3
    assert over_by(asked, None) == 0


def test_a_change_is_relative_to_what_was_before() -> None:
    assert change([30, 20], [40]) == 0.25
    assert change([], [4]) == -1.0
    assert change([3], [0]) is None
