"""What the rollups must hold, recounted in plain Python from what they are made of.

Shares nothing with maintenance: own clock arithmetic, own buckets, sets instead of sketches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = tuple[Any, ...]
Table = dict[Any, Row]


def floor(at: datetime, step: timedelta) -> datetime:
    return at - (at - EPOCH) % step


def ms_of(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def bucket(ms: int) -> int:
    """By its definition, in whole numbers: the largest n with 250 · 2^((n-1)/4) <= ms."""
    return max((n for n in range(1, 77) if ms**4 >= 250**4 * 2 ** (n - 1)), default=0)


def histogram(durations_ms: Iterable[int]) -> tuple[int, ...]:
    counts: defaultdict[int, int] = defaultdict(int)
    for ms in durations_ms:
        counts[bucket(ms)] += 1
    return tuple(counts[n] for n in range(max(counts, default=-1) + 1))


def add_histograms(one: Iterable[int], other: Iterable[int]) -> tuple[int, ...]:
    first, second = list(one), list(other)
    length = max(len(first), len(second))
    first += [0] * (length - len(first))
    second += [0] * (length - len(second))
    return tuple(a + b for a, b in zip(first, second, strict=True))


def add(one: Row | None, other: Row) -> Row:
    """Sum of two rows of counts and histograms."""
    if one is None:
        return other
    return tuple(
        add_histograms(a, b) if isinstance(a, tuple) else a + b
        for a, b in zip(one, other, strict=True)
    )


@dataclass
class Source:
    """Rows of what the processor writes. Times are aware; histograms are tuples."""

    partitions: int
    zone: str
    #: (minute, partition, screen) -> views, visits, dwell, silent dwell, histogram, exits, bounces
    minutes: Table = field(default_factory=dict)
    #: (quarter, partition, from, to) -> (n,)
    transitions: Table = field(default_factory=dict)
    #: started_at, ended_at, ended_by, views, foreground_ms
    sessions: list[tuple[datetime, datetime, str, int, int]] = field(default_factory=list)
    #: (at, partition) -> foreground, background
    samples: Table = field(default_factory=dict)
    #: at, state, reason, screen, user
    changes: list[tuple[datetime, str, str, str | None, str]] = field(default_factory=list)
    #: (day, user) -> is_new
    user_days: dict[tuple[date, str], bool] = field(default_factory=dict)


def recount(source: Source, as_of: datetime) -> dict[str, Table]:
    """Every rollup by table, complete up to ``as_of``."""
    ready = floor(as_of - 30 * MINUTE, QUARTER)
    begin = floor(
        min(
            [at for at, *_ in source.minutes]
            + [at for at, *_ in source.transitions]
            + [ended for _, ended, *_ in source.sessions]
            + [at for at, _ in source.samples]
            + [as_of]
        ),
        QUARTER,
    )
    zone = ZoneInfo(source.zone)

    def day_of(at: datetime) -> date:
        return at.astimezone(zone).date()

    last_day = day_of(ready) - DAY
    found: dict[str, Table] = {
        "screen_quarters": _screens(source, ready, lambda at: floor(at, QUARTER)),
        "screen_hours": _screens(source, ready, lambda at: floor(at, HOUR)),
        "transition_quarters": _transitions(source, ready, lambda at: at),
        "session_quarters": _sessions(source, ready),
        "concurrency_quarters": _concurrency(source, ready),
        "screen_hour_users": _visitors(
            source,
            floor(ready, HOUR),
            lambda at: floor(at, HOUR),
        ),
    }

    # Days: whole days only. Who began visits is taken by day from the changes themselves.
    def complete(rows: Table) -> Table:
        return {key: row for key, row in rows.items() if key[0] <= last_day}

    screens = complete(_screens(source, ready, day_of))
    users = {
        key: row
        for key, row in complete(_visitors(source, ready, day_of)).items()
        if key[0] >= day_of(begin)
    }
    nothing = (0, 0, 0, 0, (), 0, 0)
    found["screen_days"] = {
        key: (*screens.get(key, nothing), *users.get(key, (0,)))
        for key in screens.keys() | users.keys()
    }
    found["transition_days"] = complete(_transitions(source, ready, day_of))
    found["active_user_days"] = {
        (day,): _active(source, day) for day in _days(day_of(begin), last_day)
    }
    return found


def _days(first: date, last: date) -> Iterable[date]:
    while first <= last:
        yield first
        first += DAY


def _screens(source: Source, ready: datetime, key_of: Any) -> Table:
    found: Table = {}
    for (minute, _, screen), row in source.minutes.items():
        if floor(minute, QUARTER) < ready:
            key = (key_of(floor(minute, QUARTER)), screen)
            found[key] = add(found.get(key), row)
    return found


def _transitions(source: Source, ready: datetime, key_of: Any) -> Table:
    found: Table = {}
    for (quarter, _, *ends), row in source.transitions.items():
        if quarter < ready:
            key = (key_of(quarter), *ends)
            found[key] = add(found.get(key), row)
    return found


def _sessions(source: Source, ready: datetime) -> Table:
    found: Table = {}
    for started, ended, ended_by, views, foreground_ms in source.sessions:
        if floor(ended, QUARTER) < ready:
            ms = ms_of(ended - started)
            silent = ended_by in {"timed_out", "disconnected"}
            row = (1, ms, histogram([ms]), foreground_ms, views, int(views == 1), int(silent))
            key = (floor(ended, QUARTER),)
            found[key] = add(found.get(key), row)
    return found


def _concurrency(source: Source, ready: datetime) -> Table:
    instants: defaultdict[datetime, list[Row]] = defaultdict(list)
    for (at, _), row in source.samples.items():
        instants[at].append(row)
    quarters: defaultdict[datetime, list[tuple[datetime, int, int]]] = defaultdict(list)
    for at, rows in sorted(instants.items()):
        if len(rows) == source.partitions and floor(at, QUARTER) < ready:
            foreground, background = (sum(column) for column in zip(*rows, strict=True))
            quarters[floor(at, QUARTER)].append((at, foreground, background))
    return {
        (quarter,): (
            len(seen),
            sum(f for _, f, _ in seen),
            sum(b for _, _, b in seen),
            # max gives the first of those that are equal.
            *max(((f + b, at) for at, f, b in seen), key=itemgetter(0)),
            *max(((f, at) for at, f, _ in seen), key=itemgetter(0)),
        )
        for quarter, seen in quarters.items()
    }


def _visitors(source: Source, ready: datetime, key_of: Any) -> Table:
    found: defaultdict[Any, set[str]] = defaultdict(set)
    for at, state, reason, screen, user in source.changes:
        began = state == "foreground" and reason in {"started", "resumed", "navigated"}
        if began and at < ready:
            # Names beyond the cap are a matter of the hour: see test_maintenance.
            found[(key_of(at), screen or "(none)")].add(user)
    return {key: (len(users),) for key, users in found.items()}


def _active(source: Source, day: date) -> Row:
    def users(days: int) -> set[str]:
        return {user for (d, user) in source.user_days if day - days * DAY < d <= day}

    new = [user for user in users(1) if source.user_days[day, user]]
    return len(users(1)), len(new), len(users(7)), len(users(30))
