"""Which rows answer a range: every instant is in exactly one part, and each part is made."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from api.periods.ranges import HOUR, QUARTER, Bucket, Range, day_start, floor
from api.periods.rollups import (
    MOST_HOURS,
    MOST_SKETCHES,
    Parts,
    Progress,
    parts_of,
    unique_parts_of,
)

ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Havana")]
START = datetime(2026, 3, 25, tzinfo=UTC)

quarters = st.integers(0, 10 * 96).map(lambda n: START + n * QUARTER)
zones = st.sampled_from(ZONES)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    start, end = sorted(draw(st.lists(quarters, min_size=2, max_size=2, unique=True)))
    bucket: Bucket | None = draw(st.sampled_from([None, "15m", "1h", "1d"]))
    return Range(start, end, draw(zones), bucket)


@st.composite
def progresses(draw: st.DrawFn) -> Progress:
    zone = draw(zones)
    through = draw(st.none() | quarters)
    if through is None:
        return Progress(zone)
    day = through.astimezone(zone).date() - timedelta(days=draw(st.integers(0, 3)))
    return Progress(
        zone,
        quarters=through,
        days=draw(st.sampled_from([None, day_start(day, zone)])),
        hours=draw(st.sampled_from([None, floor(through, HOUR)])),
    )


def is_in(moment: datetime, part: tuple[datetime, datetime]) -> bool:
    return part[0] <= moment < part[1]


def is_split(at: datetime, parts: Parts) -> bool:
    """Whether a quarter-hour is read as such; as part of its hour else."""
    return parts.split_hours is None or floor(at, HOUR) in parts.split_hours


@given(ranges(), progresses())
def test_every_quarter_hour_is_in_one_part_that_is_made(asked: Range, progress: Progress) -> None:
    parts = parts_of(asked, progress)
    at = START - QUARTER
    while at < asked.end + QUARTER:
        day = at.astimezone(progress.zone).date()
        in_days = parts.days[0] <= day < parts.days[1]
        in_quarters = [is_in(at, part) for part in (parts.before_days, parts.after_days)]
        if any(in_quarters) and not is_split(at, parts):
            # The hour is in the same part and the same bucket with all that it has.
            hour = floor(at, HOUR)
            [part] = [p for p in (parts.before_days, parts.after_days) if is_in(at, p)]
            assert part[0] <= hour
            assert hour + HOUR <= part[1]
            assert not any(hour < start < hour + HOUR for start in asked.starts)
        in_live = is_in(at, parts.live)
        assert [in_days, *in_quarters, in_live].count(True) == (asked.start <= at < asked.end)
        if in_days:
            assert progress.days is not None
            assert at < progress.days
            assert asked.bucket is None or (
                asked.bucket == "1d" and asked.zone.key == progress.zone.key
            )
        if any(in_quarters):
            assert progress.quarters is not None
            assert at < progress.quarters
        if in_live:
            assert progress.quarters is None or at >= progress.quarters
        at += QUARTER


@given(ranges(), progresses())
def test_minutes_are_what_the_processor_writes(asked: Range, progress: Progress) -> None:
    parts = parts_of(replace(asked, bucket="1m"), progress)
    assert parts.live == (asked.start, asked.end)
    assert parts.days[0] == parts.days[1]
    assert all(start == end for start, end in (parts.before_days, parts.after_days))


@given(ranges(), progresses())
def test_hours_are_split_where_they_must_be(asked: Range, progress: Progress) -> None:
    parts = parts_of(asked, progress)
    if asked.bucket == "15m":
        assert parts.split_hours is None
        return
    assert parts.split_hours is not None
    edges = [*parts.before_days, *parts.after_days, *asked.starts]
    for hour in parts.split_hours:
        assert any(hour < edge < hour + HOUR for edge in edges)


@given(ranges(), progresses())
def test_days_are_taken_where_they_answer(asked: Range, progress: Progress) -> None:
    parts = parts_of(asked, progress)
    if parts.days[0] < parts.days[1]:
        return
    by_days = asked.bucket is None or (asked.bucket == "1d" and asked.zone.key == progress.zone.key)
    if not by_days or progress.days is None or progress.quarters is None:
        return
    end = min(asked.end, progress.days, progress.quarters)
    day = asked.start.astimezone(progress.zone).date()
    if day_start(day, progress.zone) < asked.start:
        day += timedelta(days=1)
    assert day_start(day + timedelta(days=1), progress.zone) > end


@given(ranges(), progresses())
def test_unique_users_are_told_where_sketches_are_whole(asked: Range, progress: Progress) -> None:
    sketches = unique_parts_of(asked, progress)
    edges = list(zip(asked.starts, asked.ends, strict=True))
    told = sketches.told(edges, 1)
    for number, (start, end) in enumerate(edges, 1):
        known = True
        at = start
        while at < end:
            in_days = sketches.days[0] <= at.astimezone(progress.zone).date() < sketches.days[1]
            if not in_days:
                hour = floor(at, HOUR)
                # The whole hour must be of this bucket, and rolled up.
                whole = start <= hour and hour + HOUR <= end
                known &= whole and progress.hours is not None and hour + HOUR <= progress.hours
            at += QUARTER
        assert (number in told) == known


def test_a_week_of_days_that_begin_within_an_hour_is_told_up_to_the_last_hour() -> None:
    """India's days begin at half past six in the evening, UTC."""
    zone = ZoneInfo("Asia/Kolkata")
    midnight = day_start((START + timedelta(days=7)).astimezone(zone).date(), zone)
    until = floor(midnight + timedelta(hours=9), HOUR)
    progress = Progress(zone, quarters=until, days=midnight, hours=until)
    week = Range(START, until, zone, None)
    sketches = unique_parts_of(week, progress)
    assert sketches.problem(week.start, week.end) is None
    first_midnight = day_start((START + timedelta(days=1)).date(), zone)
    assert sketches.before_days == (START, first_midnight + timedelta(minutes=30))
    assert sketches.after_days == (midnight - timedelta(minutes=30), until)
    # By days each has its own users, and what is left of an hour is nobody's.
    by_days = replace(week, bucket="1d")
    assert 1 not in unique_parts_of(by_days, progress).told(
        list(zip(by_days.starts, by_days.ends, strict=True)), 1
    )


def test_hours_of_more_than_a_month_are_not_merged() -> None:
    zone, tokyo = ZoneInfo("UTC"), ZoneInfo("Asia/Tokyo")
    end = START + 2 * MOST_HOURS
    progress = Progress(zone, quarters=end, days=end, hours=end)
    by_days = unique_parts_of(Range(START, end, zone, None), progress)
    assert by_days.problem(START, end) is None
    other_days = Range(START, end, tokyo, "1d")
    by_hours = unique_parts_of(other_days, progress)
    assert by_hours.told(list(zip(other_days.starts, other_days.ends, strict=True)), 1) == set()
    assert "31 days" in (by_hours.problem(START, end) or "")


def test_hours_of_many_screens_are_not_merged() -> None:
    zone, tokyo = ZoneInfo("UTC"), ZoneInfo("Asia/Tokyo")
    end = START + MOST_HOURS
    progress = Progress(zone, quarters=end, days=end, hours=end)
    screens = MOST_SKETCHES // (MOST_HOURS // HOUR)
    for asked, most in (
        (Range(START, end, tokyo, "1d"), screens),
        (Range(START, end, zone, "1d"), 10 * screens),
    ):
        sketches = unique_parts_of(asked, progress)
        edges = list(zip(asked.starts, asked.ends, strict=True))
        assert sketches.told(edges, most) == set(range(1, len(edges) + 1))
    by_hours = unique_parts_of(Range(START, end, tokyo, "1d"), progress)
    assert by_hours.told(edges, screens + 1) == set()
