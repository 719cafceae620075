"""Which time an answer is about: ``from``, ``to``, ``bucket`` and ``tz``, validated. PURE.

The policy:

- An instant is RFC 3339 with an offset; a date is the first instant of that day in ``tz`` (an IANA
  name; the reporting zone by default). Ranges are half-open: ``from`` counts, ``to`` does not.
- Without ``to`` a range ends with the grain that runs now; without ``from`` it has the call's usual
  length.
- What is counted in windows is counted by quarter-hours (UTC multiples of 15 minutes, of which
  every zone's days are made): ``from`` and ``to`` must be such multiples; samples are finer.
- Buckets of an hour and less are UTC multiples of their length; a day is all instants whose date in
  ``tz`` it is: 23 or 25 hours where clocks change. A bucket at an end of the range is cut by it.
- No answer has more than 10,000 points; one that would names the bucket that fits.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from api.periods.instants import rfc3339
from schemas.http.problems import FieldProblem, ProblemError
from schemas.service.settings import time_zone

Bucket: TypeAlias = Literal["10s", "1m", "15m", "1h", "1d"]

QUARTER: Final = timedelta(minutes=15)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
LENGTHS: Final[dict[Bucket, timedelta]] = {
    "10s": timedelta(seconds=10),
    "1m": timedelta(minutes=1),
    "15m": QUARTER,
    "1h": HOUR,
    "1d": DAY,
}
WINDOW_BUCKETS: Final[tuple[Bucket, ...]] = ("15m", "1h", "1d")
#: Of windows that are still kept by the minute.
MINUTE_BUCKETS: Final[tuple[Bucket, ...]] = ("1m", *WINDOW_BUCKETS)
MAX_POINTS: Final = 10_000
#: Of offsets that are no multiples of a quarter-hour the last was given up in 1972.
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2199

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# A plus that was not percent-encoded arrives as a space.
_INSTANT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d(?:\.\d+)?)(?:([Zz])|([+ -])(\d\d:\d\d))", re.ASCII
)
_PROPER: Final = "must be a date such as 2026-03-29 or an instant such as 2026-03-29T10:15:00Z"


@dataclass(frozen=True, slots=True)
class RangeRules:
    """What a call allows. ``usual_length`` is a range's without ``from``, ``usual_days`` with days
    as buckets. ``grain`` is what ``from`` and ``to`` are multiples of, unless the bucket is finer:
    then its length."""

    buckets: tuple[Bucket, ...] = WINDOW_BUCKETS
    grain: timedelta = QUARTER
    usual_length: timedelta = DAY
    usual_days: int = 30

    def grain_of(self, bucket: Bucket | None) -> timedelta:
        return self.grain if bucket is None else min(self.grain, LENGTHS[bucket])


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """The parameters as they were given; ``None``: not given."""

    start: datetime | date | None = None
    end: datetime | date | None = None
    bucket: Bucket | None = None
    zone: ZoneInfo | None = None


@dataclass(frozen=True)
class Range:
    """``start`` to ``end`` (UTC, half-open), in buckets unless ``bucket`` is ``None``."""

    start: datetime
    end: datetime
    zone: ZoneInfo
    bucket: Bucket | None

    @cached_property
    def starts(self) -> list[datetime]:
        """Where its buckets start: the first at ``start``; without buckets only that."""
        if self.bucket is None:
            return [self.start]
        if self.bucket != "1d":
            length = LENGTHS[self.bucket]
            first = floor(self.start, length) + length
            count = max(0, -((first - self.end) // length))
            return [self.start, *(first + n * length for n in range(count))]
        # A day that a zone left out has no instants.
        days = {day_start(day, self.zone) for day in self._dates[1:]}
        return [self.start, *sorted(day for day in days if self.start < day < self.end)]

    @property
    def ends(self) -> list[datetime]:
        """Where its buckets end."""
        return [*self.starts[1:], self.end]

    @property
    def dates(self) -> list[date]:
        """The dates, in its zone, of the instants at which its buckets start."""
        return [local_date(start, self.zone) for start in self.starts]

    @property
    def _dates(self) -> list[date]:
        first, last = local_date(self.start, self.zone), local_date(self.end, self.zone)
        return [first + n * DAY for n in range((last - first).days + 1)]

    def shown(self) -> dict[str, Any]:
        """As answers repeat it, by their fields' names."""
        return {
            "since": rfc3339(self.start),
            "to": rfc3339(self.end),
            "bucket": self.bucket,
            "tz": self.zone.key,
        }


def parse_moment(text: str) -> datetime | date:
    """An instant in UTC, or a date. Raises ``ValueError`` that says what would be right."""
    try:
        moment: datetime | date
        moment = date.fromisoformat(text) if _DATE.fullmatch(text) else _instant(text)
    except (ValueError, OverflowError):
        raise ValueError(_PROPER) from None
    _check_year(moment.year)
    return moment


def parse_instant(text: str) -> datetime:
    """An instant in UTC. Raises ``ValueError`` that says what would be right."""
    try:
        moment = _instant(text)
    except (ValueError, OverflowError):
        raise ValueError("must be an instant such as 2026-03-29T10:15:00Z") from None
    _check_year(moment.year)
    return moment


def resolve(
    asked: RangeRequest,
    rules: RangeRules,
    *,
    now: datetime,
    reporting_zone: ZoneInfo,
    series: int | None = 1,
) -> Range:
    """The range that was asked for. ``series``: how many series it is for; ``None``: for none, so
    that it gets buckets only if they were asked for.

    Raises ``ProblemError`` with code ``bad_parameter``, naming ``from``, ``to`` or ``bucket``.
    """
    zone = asked.zone or reporting_zone
    grain = rules.grain_of(asked.bucket)
    start = None if asked.start is None else _first_instant(asked.start, zone)
    end = None if asked.end is None else _first_instant(asked.end, zone)
    for name, moment in (("from", start), ("to", end)):
        if moment is not None and moment != floor(moment, grain):
            raise _refusal(name, _between_grains(moment, grain))
    if end is None:
        end = ceiling(now, grain)
    if start is None:
        start = _usual_start(end, asked.bucket, rules, zone)
    if start >= end:
        raise _refusal("from", f"must be before to, which is {rfc3339(end)}")
    bucket = asked.bucket
    if bucket is None and series is not None:
        bucket = usual_bucket(end - start, rules.buckets)
    found = Range(start, end, zone, bucket)
    if bucket is not None:
        _check_points(found, rules.buckets, series or 1)
    return found


def usual_bucket(length: timedelta, buckets: Sequence[Bucket]) -> Bucket:
    """The bucket of who names none: quarter-hours up to two days, hours up to two weeks."""
    wanted: Bucket = "15m" if length <= 2 * DAY else "1h" if length <= 14 * DAY else "1d"
    return wanted if wanted in buckets else buckets[-1]


def count_points(start: datetime, end: datetime, bucket: Bucket, zone: ZoneInfo) -> int:
    """How many buckets a range has, at most; without making them."""
    if bucket == "1d":
        return (local_date(end, zone) - local_date(start, zone)).days + 1
    length = LENGTHS[bucket]
    return (ceiling(end, length) - floor(start, length)) // length


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first quarter-hour whose date in ``zone`` is ``day`` or later."""
    near = datetime.combine(day, time(), UTC) - DAY
    quarters = range(2 * DAY // QUARTER)
    return near + QUARTER * bisect_left(
        quarters, day, key=lambda n: local_date(near + n * QUARTER, zone)
    )


def local_date(moment: datetime, zone: ZoneInfo) -> date:
    """The date of an instant in ``zone``."""
    return moment.astimezone(zone).date()


def floor(moment: datetime, length: timedelta) -> datetime:
    """The last UTC multiple of ``length`` that is not after ``moment``."""
    return moment - (moment - _EPOCH) % length


def ceiling(moment: datetime, length: timedelta) -> datetime:
    """The first UTC multiple of ``length`` that is not before ``moment``."""
    return moment + (_EPOCH - moment) % length


def parse_zone(text: str) -> ZoneInfo:
    """A zone by its IANA name. Raises ``ValueError`` that says what would be right."""
    return time_zone(text)


def _instant(text: str) -> datetime:
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError
    day, clock, z, sign, offset = match.groups()
    written = f"{day}T{clock}" + ("+00:00" if z else f"{'-' if sign == '-' else '+'}{offset}")
    return datetime.fromisoformat(written).astimezone(UTC)


def _check_year(year: int) -> None:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(f"must be between the years {FIRST_YEAR} and {LAST_YEAR}")


def _first_instant(moment: datetime | date, zone: ZoneInfo) -> datetime:
    return moment if isinstance(moment, datetime) else day_start(moment, zone)


def _usual_start(
    end: datetime, bucket: Bucket | None, rules: RangeRules, zone: ZoneInfo
) -> datetime:
    if bucket == "1d":
        last_day = local_date(end - timedelta.resolution, zone)
        return day_start(last_day - (rules.usual_days - 1) * DAY, zone)
    length = rules.usual_length
    if bucket is not None:
        length = min(length, MAX_POINTS * LENGTHS[bucket])
    return floor(end - length, rules.grain_of(bucket))


def _between_grains(moment: datetime, grain: timedelta) -> str:
    nearest = floor(moment + grain / 2, grain)
    seconds = grain // timedelta(seconds=1)
    unit = f"{seconds // 60} minutes" if seconds > 60 else f"{seconds} seconds"
    return f"must be a multiple of {unit} (UTC); the nearest is {rfc3339(nearest)}"


def _check_points(asked: Range, buckets: Sequence[Bucket], series: int) -> None:
    assert asked.bucket is not None  # noqa: S101  (the caller has just looked)
    points = series * count_points(asked.start, asked.end, asked.bucket, asked.zone)
    if points <= MAX_POINTS:
        return
    coarser = buckets[buckets.index(asked.bucket) + 1 :]
    fitting = [
        bucket
        for bucket in coarser
        if series * count_points(asked.start, asked.end, bucket, asked.zone) <= MAX_POINTS
    ]
    remedy = f"use bucket={fitting[0]}" if fitting else "ask for a shorter range or fewer series"
    raise _refusal("bucket", f"would give {points:,} points, more than {MAX_POINTS:,}; {remedy}")


def _refusal(field: str, message: str) -> ProblemError:
    return ProblemError(
        "bad_parameter", f"{field} {message}.", errors=[FieldProblem(field, message)]
    )
