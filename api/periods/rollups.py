"""Which rows answer a range: rollups as far as they are made, what they are made of after. PURE.

Three parts make a range, and every instant of it is in exactly one of them:

1. whole days of the reporting zone: day rollups. For buckets of a day only if the buckets are days
   of that zone, too;
2. what is left before ``quarters``: hours, or quarter-hours where buckets are shorter than an hour.
   An hour is *split* into its quarter-hours if a part or a bucket begins or ends in it, as a zone
   may be half an hour from UTC;
3. the rest: what the processor writes.

Buckets of a minute are what the processor writes, as far back as that is kept.

Unique users come from sketches of the same days, and of whole hours as far as these are rolled up.
A day that begins within an hour, as India's do, shares that hour with its neighbour: whoever is in
both is counted once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from api.periods.instants import rfc3339
from api.periods.ranges import DAY, HOUR, Range, ceiling, day_start, floor, local_date
from schemas.http.problems import FieldProblem, ProblemError

#: Sketches of hours that an answer merges, for each screen: of what no day has.
MOST_HOURS: Final = 31 * DAY
#: And for all of them together, of an answer in one piece: what a second is enough for.
MOST_SKETCHES: Final = 50_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far rollups are: everything before these instants is rolled up; ``None``: nothing is.
    ``zone`` is the reporting zone: the days rolled up are of it. Lists tell no group apart that has
    fewer users than ``min_group_size``; 0: any. Windows of a minute are kept from ``minutes_from``
    on; ``None``: all. A federation has no people to count one by one."""

    zone: ZoneInfo
    quarters: datetime | None = None
    days: datetime | None = None
    hours: datetime | None = None
    min_group_size: int = 0
    minutes_from: datetime | None = None
    is_of_a_federation: bool = False


@dataclass(frozen=True, slots=True)
class Parts:
    """Half-open; a part that is empty starts where it ends. ``days`` are of the reporting zone;
    hours and quarter-hours are two parts, before those days and after them. ``split_hours`` are
    those of which the quarter-hours are read; ``None``: of all."""

    days: tuple[date, date]
    before_days: tuple[datetime, datetime]
    after_days: tuple[datetime, datetime]
    live: tuple[datetime, datetime]
    split_hours: tuple[datetime, ...] | None

    def parameters(self) -> dict[str, Any]:
        """As the queries name them."""
        return {
            "day_from": self.days[0],
            "day_to": self.days[1],
            "quarter_from": self.before_days[0],
            "quarter_to": self.before_days[1],
            "later_quarter_from": self.after_days[0],
            "later_quarter_to": self.after_days[1],
            "live_from": self.live[0],
            "live_to": self.live[1],
            "by_hours": self.split_hours is not None,
            "split_hours": list(self.split_hours or ()),
        }


def parts_of(asked: Range, progress: Progress) -> Parts:
    """What answers the range."""
    start, end = asked.start, asked.end
    rolled = max(start, min(end, progress.quarters or start))
    if asked.bucket == "1m":
        rolled = start
    days, (days_from, days_to) = _whole_days(asked, progress, rolled)
    edges = {start, days_from, days_to, rolled, *asked.starts}
    splits = {floor(edge, HOUR) for edge in edges if edge != floor(edge, HOUR)}
    return Parts(
        days=days,
        before_days=(start, days_from),
        after_days=(days_to, rolled),
        live=(rolled, end),
        split_hours=None if asked.bucket == "15m" else tuple(sorted(splits)),
    )


def check_minutes(asked: Range, progress: Progress) -> None:
    """Raises ``ProblemError`` with code ``bad_parameter`` if minutes of the range have gone."""
    kept = progress.minutes_from
    if asked.bucket == "1m" and kept is not None and asked.start < kept:
        message = f"cannot be 1m before {rfc3339(kept)}, from when minutes are kept; use 15m"
        problem = FieldProblem("bucket", message)
        raise ProblemError("bad_parameter", f"bucket {message}.", errors=[problem])


@dataclass(frozen=True, slots=True)
class UniqueParts:
    """Where the users of a range are found: sketches of days, and of hours before and after them,
    which may reach into those days. ``hours`` is up to where hours are rolled up."""

    days: tuple[date, date]
    before_days: tuple[datetime, datetime]
    after_days: tuple[datetime, datetime]
    hours: datetime | None

    def parameters(self) -> dict[str, Any]:
        """As the queries name them."""
        return {
            "day_from": self.days[0],
            "day_to": self.days[1],
            "hour_from": self.before_days[0],
            "hour_to": self.before_days[1],
            "later_hour_from": self.after_days[0],
            "later_hour_to": self.after_days[1],
        }

    def within(self, start: datetime, end: datetime) -> UniqueParts:
        """Of a part of the range only as many hours."""
        before, after = self.before_days, self.after_days
        return replace(
            self,
            before_days=(max(start, before[0]), min(end, before[1])),
            after_days=(max(start, after[0]), min(end, after[1])),
        )

    def problem(self, start: datetime, end: datetime) -> str | None:
        """Why the users of ``start`` to ``end``, which are within the range, cannot be told."""
        before = start, min(end, self.before_days[1])
        after = max(start, self.after_days[0]), end
        parts = [part for part in (before, after) if part[0] < part[1]]
        if any(edge != floor(edge, HOUR) for part in parts for edge in part):
            return "unique users are kept by the hour: let from and to be whole hours (UTC)"
        if any(self.hours is None or part[1] > self.hours for part in parts):
            return "unique users are not known yet up to its end: let to be earlier"
        if sum((until - since for since, until in parts), timedelta()) > MOST_HOURS:
            return (
                f"unique users of more than {MOST_HOURS.days} days are told for whole days of the "
                "reporting zone"
            )
        return None

    def told(self, edges: Sequence[tuple[datetime, datetime]], screens: int) -> set[int]:
        """The numbers, from 1, of the buckets whose users can be told, for so many screens at
        once."""
        in_hours = edges[-1][1] - edges[0][0] - (self.after_days[0] - self.before_days[1])
        if in_hours > MOST_HOURS or screens * (in_hours // HOUR) > MOST_SKETCHES:
            return set()
        return {n for n, edge in enumerate(edges, 1) if self.problem(*edge) is None}


def unique_parts_of(asked: Range, progress: Progress) -> UniqueParts:
    """Which sketches tell the range's users."""
    days, (days_from, days_to) = _whole_days(asked, progress, asked.end)
    # Where all is one bucket, whole hours tell the same as what is left of them beside the days.
    if asked.bucket is None and asked.start < days_from:
        days_from = min(ceiling(days_from, HOUR), asked.end)
    if asked.bucket is None and days_to < asked.end:
        days_to = max(floor(days_to, HOUR), asked.start)
    return UniqueParts(days, (asked.start, days_from), (days_to, asked.end), progress.hours)


def bucket_parameters(asked: Range) -> dict[str, Any]:
    """Where buckets start, for ``width_bucket``: instants, and the dates they are on."""
    return {"buckets": asked.starts, "bucket_days": asked.dates}


def _whole_days(
    asked: Range, progress: Progress, until: datetime
) -> tuple[tuple[date, date], tuple[datetime, datetime]]:
    """The days of the range that day rollups tell, and from when to when they are."""
    first = local_date(asked.start, progress.zone)
    nothing = (first, first), (asked.start, asked.start)
    is_by_days = asked.bucket is None or (
        asked.bucket == "1d" and asked.zone.key == progress.zone.key
    )
    if not is_by_days or progress.days is None:
        return nothing
    if day_start(first, progress.zone) < asked.start:
        first += DAY
    last = local_date(min(until, progress.days), progress.zone)
    if last <= first:
        return nothing
    return (first, last), (day_start(first, progress.zone), day_start(last, progress.zone))
