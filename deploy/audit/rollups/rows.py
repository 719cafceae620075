"""Which rollups a run compares, and their rows with those that they are made of, copied to files.

A run compares what was made since the last one: quarter-hours of the last six hours before that
too, because what comes late makes them again. What is to be made again still is left for the next
run. Nothing is compared whose sources retention has taken, or an erasure rows of (promise 8).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import psycopg

from deploy.audit.snapshot import Snapshot, copy_rows
from deploy.audit.spans_and_sessions import SpansAndSessions
from schemas.database.named_queries import load_queries

QUERIES: Final = load_queries("deploy.audit.rollups", "rollups.sql")
QUARTER_MS: Final = 900_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
#: How far before the last run's end quarter-hours are looked at again, and days.
AGAIN_MS: Final = 6 * HOUR_MS
DAYS_AGAIN: Final = 2
#: How far back the first run goes: the windows of a minute are kept for as long by default.
FIRST_MS: Final = 3 * DAY_MS

_COPIED: Final = (
    *("minutes", "transitions", "ended_sessions", "samples", "visits", "active"),
    *("visitors_of_hours", "visitors_of_days"),
    *("screen_quarters", "transition_quarters", "session_quarters", "concurrency_quarters"),
    *("screen_hours", "screen_version_hours", "screen_hour_users"),
    *("screen_days", "transition_days", "active_user_days"),
)
#: What quarter-hours are made of, and hours.
_OF_QUARTERS: Final = (
    *("screen_minutes", "screen_transitions", "sessions", "concurrency_samples"),
    *("screen_quarters", "screen_hours"),
)
_OF_HOURS: Final = ("changes", "spans", "sessions", "screen_version_hours", "screen_hour_users")


class RollupState(msgspec.Struct, frozen=True):
    """From where the next run compares what is new to it: quarter-hours and hours in milliseconds,
    days since 1970 of the reporting zone."""

    quarter: int
    hour: int
    day: int
    time_zone: str


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the reporting zone. Its users are compared when it is new, those of screens where
    all changes of the day are there."""

    number: int
    since: int
    until: int
    is_new: bool
    has_changes: bool


@dataclass(slots=True)
class RollupRows:
    """What is to be compared; ``rows`` are of a snapshot that has no other ones of these names."""

    snapshot: Snapshot
    partitions: int
    quarters: range
    hours: range
    days: list[Day]
    next: RollupState
    late_quarters: set[int] = field(default_factory=set)
    late_days: set[int] = field(default_factory=set)
    erased_quarters: set[int] = field(default_factory=set)
    erased_days: set[int] = field(default_factory=set)
    #: From which day on all days on which users were active are there.
    user_days_from: int = 0
    #: Days before it are older than rollups.
    first_active_day: int = 0

    def rows(self, table: str, period: int) -> Iterator[tuple[Any, ...]]:
        """Those of a period, without it; as often as they are asked for."""
        return self.snapshot.rows(f"rollups_{table}", period)


def copy_rollups(
    connection: psycopg.Connection[Any], snapshot: Snapshot, state: RollupState | None
) -> RollupRows | None:
    """In the snapshot's transaction; ``None`` where nothing was rolled up so far."""
    through = dict(connection.execute(QUERIES["progress"]).fetchall())
    zone = connection.execute(QUERIES["zone"]).fetchone()
    partitions = connection.execute(QUERIES["partitions"]).fetchone()
    if zone is None or partitions is None or through.keys() != {"quarters", "hours", "days"}:
        return None
    (time_zone,) = zone
    late = {quarter for (quarter,) in connection.execute(QUERIES["late_quarters"])}
    found = _periods(snapshot, partitions[0], through, time_zone, late, state)
    first_active_day = connection.execute(QUERIES["first_active_day"]).fetchone()
    if first_active_day is not None:
        found.first_active_day = first_active_day[0] or 0
    found.late_quarters = late
    found.late_days = {day for (day,) in connection.execute(QUERIES["late_days"])}
    found.late_days |= {SpansAndSessions.day(quarter, time_zone) for quarter in late}
    waiting = [day.number for day in found.days if day.number in found.late_days]
    if waiting:
        found.next = msgspec.structs.replace(found.next, day=min(found.next.day, *waiting))
    since = min([found.quarters.start, found.hours.start, *(day.since for day in found.days)])
    new_days = [day for day in found.days if day.is_new]
    asked = [day for day in new_days if day.has_changes]
    parameters: dict[str, int | Sequence[int]] = {
        "since": since,
        "day": min((day.number for day in found.days), default=0),
        "quarter": found.quarters.start,
        "quarters_to": found.quarters.stop,
        "hour": found.hours.start,
        "hours_to": found.hours.stop,
        "days_from": [day.since for day in asked],
        "days_to": [day.until for day in asked],
        "days": [day.number for day in found.days],
        "new_days": [day.number for day in new_days],
    }
    found.erased_quarters = {
        quarter for (quarter,) in connection.execute(QUERIES["erased_quarters"], parameters)
    }
    found.erased_days = {day for (day,) in connection.execute(QUERIES["erased_days"], parameters)}
    for table in _COPIED:
        copy_rows(connection, f"rollups_{table}", QUERIES[table], parameters, snapshot)
    return found


def _periods(
    snapshot: Snapshot,
    partitions: int,
    through: dict[str, int],
    time_zone: str,
    late: set[int],
    state: RollupState | None,
) -> RollupRows:
    kept = snapshot.kept_from
    quarters_to, hours_to = through["quarters"], through["hours"]
    days_to = SpansAndSessions.day(through["days"], time_zone)
    if state is not None and state.time_zone != time_zone:
        state = msgspec.structs.replace(state, day=0)
    if state is None:
        first = quarters_to - FIRST_MS
        state = RollupState(first, first, SpansAndSessions.day(first, time_zone), time_zone)
    quarter = min(state.quarter, quarters_to) - AGAIN_MS
    quarter = max(quarter, 0, *(kept.get(table, 0) for table in _OF_QUARTERS))
    quarter = quarter // HOUR_MS * HOUR_MS
    hour = max(min(state.hour, hours_to), 0, *(kept.get(table, 0) for table in _OF_HOURS))
    hour = hour // HOUR_MS * HOUR_MS
    # Days are made of quarter-hours, which are kept for long: no more of them than a first run has.
    oldest = SpansAndSessions.day(max(0, quarters_to - 10 * FIRST_MS), time_zone)
    day_from = max(min(state.day, days_to), oldest)
    days = [
        Day(number, since, until, number >= day_from, since >= kept.get("changes", 0))
        for number, since, until in days_between(day_from - DAYS_AGAIN, days_to, time_zone)
        if since >= max(kept.get("screen_quarters", 0), kept.get("transition_quarters", 0))
    ]
    waiting = [one for one in late if one < quarters_to]
    of_hours = [one // HOUR_MS * HOUR_MS for one in waiting if one < hours_to]
    return RollupRows(
        snapshot,
        partitions,
        range(quarter, max(quarter, quarters_to), QUARTER_MS),
        range(hour, max(hour, hours_to), HOUR_MS),
        days,
        RollupState(min([quarters_to, *waiting]), min([hours_to, *of_hours]), days_to, time_zone),
        user_days_from=-(-kept.get("user_days", 0) // DAY_MS),
    )


def days_between(first: int, end: int, time_zone: str) -> Iterator[tuple[int, int, int]]:
    """Days of the zone from ``first`` to before ``end``, each with its first quarter-hour and that
    of the day after. Not by its midnight: there are days with two, and days with none."""
    if first >= end:
        return
    at = first * DAY_MS - DAY_MS
    while SpansAndSessions.day(at, time_zone) < first:
        at += QUARTER_MS
    while (number := SpansAndSessions.day(at, time_zone)) < end:
        since = at
        while SpansAndSessions.day(at, time_zone) == number:
            at += QUARTER_MS
        yield number, since, at
