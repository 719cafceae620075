"""Ranges against an oracle that looks at every quarter-hour: buckets, days, DST, refusals."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.periods.ranges import (
    MAX_POINTS,
    QUARTER,
    WINDOW_BUCKETS,
    Bucket,
    Range,
    RangeRequest,
    RangeRules,
    ceiling,
    count_points,
    day_start,
    floor,
    parse_instant,
    parse_moment,
    parse_zone,
    resolve,
    usual_bucket,
)
from schemas.http.problems import ProblemError

#: Offsets of quarter-hours, clocks that change at midnight, on the dateline and by half an hour.
ZONES = [
    ZoneInfo(name)
    for name in (
        *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Asia/Kolkata"),
        *("Australia/Lord_Howe", "America/Havana", "Africa/Cairo", "Asia/Beirut", "America/Nuuk"),
        *("Pacific/Apia", "Pacific/Chatham", "America/St_Johns", "America/Scoresbysund"),
        *("Antarctica/Troll", "America/Sao_Paulo", "Asia/Gaza", "Africa/Casablanca"),
    )
]
NOW = datetime(2026, 3, 30, 21, 7, 3, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
RULES = RangeRules()

zones = st.sampled_from(ZONES)
#: Until 2011 St John's set its clocks back at a minute past midnight: one date in two parts.
quarters = st.integers(0, 16 * 366 * 96).map(
    lambda n: datetime(2012, 1, 1, tzinfo=UTC) + n * QUARTER
)


def days_of(start: datetime, end: datetime, zone: ZoneInfo) -> dict[date, list[datetime]]:
    """Every quarter-hour between the two, by its date."""
    found: dict[date, list[datetime]] = {}
    at = start
    while at < end:
        found.setdefault(at.astimezone(zone).date(), []).append(at)
        at += QUARTER
    return found


@given(quarters, st.integers(1, 96 * 9), zones)
def test_days_are_all_instants_of_their_date(start: datetime, length: int, zone: ZoneInfo) -> None:
    end = start + length * QUARTER
    asked = Range(start, end, zone, "1d")
    found = days_of(start, end, zone)
    assert asked.starts == [each[0] for each in found.values()]
    assert asked.ends == [each[-1] + QUARTER for each in found.values()]
    assert asked.dates == list(found)
    assert len(asked.starts) <= count_points(start, end, "1d", zone)


@given(quarters, zones)
def test_a_day_starts_with_its_first_instant(moment: datetime, zone: ZoneInfo) -> None:
    day = moment.astimezone(zone).date()
    start = day_start(day, zone)
    assert start <= moment
    assert start.astimezone(zone).date() == day
    assert (start - QUARTER).astimezone(zone).date() < day


@given(quarters, st.integers(1, 3_000), st.sampled_from(["10s", "1m", "15m", "1h"]), zones)
def test_shorter_buckets_are_multiples_of_their_length_cut_by_the_range(
    start: datetime, length: int, bucket: Bucket, zone: ZoneInfo
) -> None:
    seconds = {"10s": 10, "1m": 60, "15m": 900, "1h": 3600}[bucket]
    end = start + length * timedelta(seconds=min(seconds, 900))
    if end == floor(end, timedelta(seconds=10)):
        asked = Range(start, end, zone, bucket)
        edges = [*asked.starts, end]
        assert edges[0] == start
        assert asked.ends == edges[1:]
        assert len(asked.starts) == count_points(start, end, bucket, zone)
        for one, other in pairwise(edges):
            assert one < other
            assert one.timestamp() // seconds == (other.timestamp() - 1) // seconds
        assert all(edge.timestamp() % seconds == 0 for edge in edges[1:-1])


def test_days_of_changing_clocks_have_23_and_25_hours() -> None:
    for first, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25)):
        length = day_start(first + timedelta(days=1), BERLIN) - day_start(first, BERLIN)
        assert length == timedelta(hours=hours)


def test_a_day_that_a_zone_left_out_has_no_bucket() -> None:
    """Samoa went from the 29th of December 2011 to the 31st."""
    apia = ZoneInfo("Pacific/Apia")
    assert day_start(date(2011, 12, 30), apia) == day_start(date(2011, 12, 31), apia)
    asked = Range(
        day_start(date(2011, 12, 28), apia), day_start(date(2012, 1, 2), apia), apia, "1d"
    )
    assert [day.day for day in asked.dates] == [28, 29, 31, 1]


def resolved(**asked: Any) -> Range:
    rules = asked.pop("rules", RULES)
    series = asked.pop("series", 1)
    return resolve(RangeRequest(**asked), rules, now=NOW, reporting_zone=BERLIN, series=series)


def refusal(**asked: Any) -> tuple[str, str]:
    with pytest.raises(ProblemError) as caught:
        resolved(**asked)
    assert caught.value.code == "bad_parameter"
    [error] = caught.value.errors
    return error.field, error.message


def test_a_range_ends_with_the_quarter_hour_that_runs_and_is_a_day_long() -> None:
    asked = resolved()
    assert asked.end == datetime(2026, 3, 30, 21, 15, tzinfo=UTC)
    assert asked.start == asked.end - timedelta(days=1)
    assert (asked.bucket, asked.zone) == ("15m", BERLIN)
    assert resolved(series=None).bucket is None


def test_a_range_of_days_is_thirty_of_them_with_today() -> None:
    asked = resolved(bucket="1d")
    assert len(asked.starts) == 30
    assert asked.dates[0] == date(2026, 3, 1)
    assert asked.start == datetime(2026, 2, 28, 23, tzinfo=UTC)


def test_a_date_is_the_start_of_that_day_in_the_zone_asked_for() -> None:
    asked = resolved(start=date(2026, 3, 28), end=date(2026, 3, 30), zone=ZoneInfo("Asia/Kolkata"))
    assert asked.start == datetime(2026, 3, 27, 18, 30, tzinfo=UTC)
    assert asked.end == datetime(2026, 3, 29, 18, 30, tzinfo=UTC)
    assert asked.shown() == {
        "since": "2026-03-27T18:30:00.000Z",
        "to": "2026-03-29T18:30:00.000Z",
        "bucket": "15m",
        "tz": "Asia/Kolkata",
    }


@given(st.integers(-900_000, 900_000), st.sampled_from(["start", "end"]))
def test_what_is_no_multiple_is_refused_naming_the_nearest(offset_ms: int, name: str) -> None:
    moment = datetime(2026, 3, 20, tzinfo=UTC) + timedelta(milliseconds=offset_ms)
    asked = {"start": datetime(2026, 3, 1, tzinfo=UTC), name: moment}
    if offset_ms % 900_000 == 0:
        assert getattr(resolved(**asked), name) == moment
        return
    field, message = refusal(**asked)
    assert field == {"start": "from", "end": "to"}[name]
    nearest = datetime.fromisoformat(message.rpartition(" ")[2])
    assert floor(nearest, QUARTER) == nearest
    assert abs(nearest - moment) <= QUARTER / 2


def test_a_range_without_a_length_is_refused() -> None:
    for end in (date(2026, 3, 28), date(2026, 3, 27)):
        assert refusal(start=date(2026, 3, 28), end=end)[0] == "from"
    assert refusal(start=datetime(2027, 1, 1, tzinfo=UTC)) == (
        "from",
        "must be before to, which is 2026-03-30T21:15:00.000Z",
    )


@given(quarters, st.integers(1, 96 * 800), st.integers(1, 60), st.sampled_from(WINDOW_BUCKETS))
def test_too_many_points_are_refused_naming_the_finest_bucket_that_fits(
    start: datetime, length: int, series: int, bucket: Bucket
) -> None:
    end = start + length * QUARTER

    def points(of: Bucket) -> int:
        return series * count_points(start, end, of, BERLIN)

    asked: dict[str, Any] = {"start": start, "end": end, "bucket": bucket, "series": series}
    if points(bucket) <= MAX_POINTS:
        assert series * len(resolved(**asked).starts) <= MAX_POINTS
        return
    field, message = refusal(**asked)
    assert field == "bucket"
    coarser = WINDOW_BUCKETS[WINDOW_BUCKETS.index(bucket) + 1 :]
    fitting = [other for other in coarser if points(other) <= MAX_POINTS]
    assert message.endswith(f"use bucket={fitting[0]}" if fitting else "or fewer series")


def test_who_names_no_bucket_gets_one_that_fits_the_eye() -> None:
    hour = timedelta(hours=1)
    lengths = [(hour, "15m"), (48 * hour, "15m"), (49 * hour, "1h"), (400 * hour, "1d")]
    assert [usual_bucket(length, WINDOW_BUCKETS) for length, _ in lengths] == [
        bucket for _, bucket in lengths
    ]
    assert set(WINDOW_BUCKETS) < set(get_args(Bucket))


@given(st.datetimes(datetime(2000, 1, 2), datetime(2199, 12, 30), timezones=zones))  # noqa: DTZ001
def test_an_instant_is_read_as_it_was_written(moment: datetime) -> None:
    text = moment.isoformat()
    at = moment.astimezone(UTC)
    assert parse_instant(text) == at
    assert parse_instant(text.replace("+", " ")) == at  # a plus that was not encoded
    assert parse_instant(at.isoformat().replace("+00:00", "Z")) == at
    assert parse_moment(text) == at
    assert parse_moment(text[:10]) == date.fromisoformat(text[:10])


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026", "2026-3-1", "20260301", "2026-02-30", "2026-W10-1", "2026-03-01T10"),
        *("2026-03-01T10:00:00", "2026-03-01T10:00Z", "2026-03-01T25:00:00Z", "1774700000"),
        *("2026-03-01T10:00:00+25:00", "1999-12-31", "2200-01-01", "0001-01-01T00:00:00+14:00"),
        *("9999-12-31T23:59:59-14:00", "２０２６-03-01", "2026-03-01\n", "2026-03-01T10:00:60Z"),
    ],
)
def test_what_is_no_instant_says_what_would_be(text: str) -> None:
    for parse in (parse_moment, parse_instant):
        with pytest.raises(ValueError, match="must be"):
            parse(text)


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    for parse in (parse_moment, parse_instant, parse_zone):
        with suppress(ValueError):
            parse(text)


@given(quarters, st.sampled_from([QUARTER, timedelta(seconds=10), timedelta(hours=1)]))
def test_floor_and_ceiling_enclose(moment: datetime, length: timedelta) -> None:
    at = moment + timedelta(seconds=random.Random(0).randrange(900))
    assert floor(at, length) <= at <= ceiling(at, length)
    assert ceiling(at, length) - floor(at, length) in (timedelta(), length)


@pytest.mark.parametrize(
    "name",
    [
        *("localtime", "posixrules", "Factory", "posix/Europe/Berlin", "right/UTC", "zone.tab"),
        *("../UTC", "/etc/localtime", "Europe", "europe/berlin", "", "UTC\0", "Europe/Berlin/"),
    ],
)
def test_a_zone_that_is_in_no_list_is_refused_even_where_there_is_such_a_file(name: str) -> None:
    with pytest.raises(ValueError, match="IANA"):
        parse_zone(name)
