"""Rows of analytics put into PostgreSQL as the processor and maintenance would, and what they were
made of, so that answers can be recounted from that."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql

from schemas.measures.dwell import bucket_of
from schemas.measures.sketches import estimate, sketch_of
from tests.rigs.api_harness import Table

MINUTE = timedelta(minutes=1)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)


class AnalyticsTable(Table):
    """Inserts rows of any table."""

    def __init__(self, database_url: str) -> None:
        super().__init__(database_url)
        self._rows = psycopg.connect(database_url, autocommit=True)

    def close(self) -> None:
        self._rows.close()
        super().close()

    def insert(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        """All rows have the columns of the first."""
        every = list(rows)
        if not every:
            return
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, every[0]))
        )
        with self._rows.cursor() as cursor, cursor.copy(statement) as copy:
            for row in every:
                copy.write_row(list(row.values()))

    def log_time(self, at: datetime, partitions: int = 2) -> None:
        """A deployment that is complete up to ``at``."""
        self.deployment(partitions)
        for partition in range(partitions):
            self.offsets(partition)
        self.run("UPDATE stream_offsets SET log_time = %s", at)

    def visits(self, windows: Iterable[ScreenMinute]) -> None:
        """The changes by which the windows' users began their visits: one each, and of each a
        change that begins none on another screen."""
        every = (
            (window, user, reason)
            for window in windows
            for user in sorted(window.users)
            for reason in ("navigated", "backgrounded")
        )
        self.insert(
            "changes",
            (
                {
                    "at": window.minute + MINUTE / 2,
                    "partition": window.partition,
                    "log_offset": offset,
                    "event_index": 0,
                    "ordinal": 0,
                    "user_id": user,
                    "device": user,
                    "reason": reason,
                    "previous_state": "foreground",
                    "state": "foreground" if reason == "navigated" else "background",
                    "screen": _shown(window.screen, user),
                    "user_state": "foreground",
                }
                for offset, (window, user, reason) in enumerate(every)
            ),
        )

    def progress(self, **through: datetime) -> None:
        self.insert(
            "rollup_progress",
            ({"rollup": rollup, "through": at} for rollup, at in through.items()),
        )

    def zone(self, name: str, since: datetime) -> None:
        self.insert("reporting_zone", [{"time_zone": name, "since": since}])


def _shown(screen: str, user: str) -> str | None:
    """What an app showed that counts as ``screen``."""
    return {"(none)": None, "(other)": f"beyond the cap {user}"}.get(screen, screen)


def floor(moment: datetime, length: timedelta) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return moment - (moment - epoch) % length


@dataclass(frozen=True)
class ScreenMinute:
    """What the processor counted in a minute: ``dwells`` of the visits that ended, in ms, and
    ``users`` who began a visit."""

    minute: datetime
    partition: int
    screen: str
    views: int
    dwells: tuple[int, ...]
    silent_dwell_ms: int
    exits: int
    bounces: int
    users: frozenset[str]


@dataclass
class Sum:
    """Windows added up, without any rollup."""

    views: int = 0
    dwells: list[int] = field(default_factory=list)
    silent_dwell_ms: int = 0
    exits: int = 0
    bounces: int = 0
    users: set[str] = field(default_factory=set)

    def add(self, window: ScreenMinute) -> None:
        self.views += window.views
        self.dwells += window.dwells
        self.silent_dwell_ms += window.silent_dwell_ms
        self.exits += window.exits
        self.bounces += window.bounces
        self.users |= window.users

    def columns(self) -> dict[str, Any]:
        """As windows and rollups store it."""
        counts = Counter(bucket_of(dwell) for dwell in self.dwells)
        return {
            "views": self.views,
            "visits": len(self.dwells),
            "dwell_ms": sum(self.dwells),
            "silent_dwell_ms": self.silent_dwell_ms,
            "dwell_histogram": [counts[n] for n in range(max(counts, default=-1) + 1)],
            "exits": self.exits,
            "bounces": self.bounces,
        }


def random_minutes(
    rng: random.Random, start: datetime, end: datetime, screens: Sequence[str], count: int
) -> list[ScreenMinute]:
    """Windows of two partitions, anywhere between the two; at most one a minute and screen."""
    found = {}
    for _ in range(count):
        minute = start + rng.randrange((end - start) // MINUTE) * MINUTE
        key = minute, rng.randrange(2), rng.choice(screens)
        dwells = tuple(int(10 ** rng.uniform(1.5, 7)) for _ in range(rng.randrange(4)))
        exits = rng.randrange(3)
        found[key] = ScreenMinute(
            *key,
            views=rng.randrange(4),
            dwells=dwells,
            silent_dwell_ms=rng.randint(0, sum(dwells)),
            exits=exits,
            bounces=rng.randint(0, exits),
            users=frozenset(f"u{rng.randrange(40)}" for _ in range(rng.randrange(3))),
        )
    return list(found.values())


def write_screens(
    table: AnalyticsTable,
    minutes: Sequence[ScreenMinute],
    *,
    quarters: datetime,
    days: datetime,
    hours: datetime,
    zone: ZoneInfo,
) -> None:
    """Rollups before those instants, minutes after ``quarters``, and in the place of the minutes
    that are rolled up what nobody may read."""
    spoilt = Sum(views=10**6)
    live = (window for window in minutes if window.minute >= quarters)
    rolled = [window for window in minutes if window.minute < quarters]
    table.insert(
        "screen_minutes",
        (
            {
                "minute": window.minute,
                "partition": window.partition,
                "screen": window.screen,
                **(sums([window]).columns() if window.minute >= quarters else spoilt.columns()),
            }
            for window in [*live, *rolled]
        ),
    )
    table.insert(
        "screen_quarters",
        (
            {"quarter": quarter, "screen": screen, **found.columns()}
            for (quarter, screen), found in grouped(
                rolled, lambda window: floor(window.minute, QUARTER)
            ).items()
        ),
    )
    table.insert(
        "screen_hours",
        (
            {"hour": hour, "screen": screen, **found.columns()}
            for (hour, screen), found in grouped(
                rolled, lambda window: floor(window.minute, HOUR)
            ).items()
        ),
    )
    by_day = grouped(
        (window for window in rolled if window.minute < days),
        lambda window: window.minute.astimezone(zone).date(),
    )
    table.insert(
        "screen_days",
        (
            {
                "day": day,
                "screen": screen,
                **found.columns(),
                "users": len(found.users),
                "sketch_month": day.replace(day=1) if found.users else None,
                "sketch": _sketch(found, day) if found.users else None,
            }
            for (day, screen), found in by_day.items()
        ),
    )
    by_hour = grouped(
        (window for window in minutes if window.minute < hours),
        lambda window: floor(window.minute, HOUR),
    )
    table.insert(
        "screen_hour_users",
        (
            {
                "hour": hour,
                "screen": screen,
                "users": estimate(_sketch(found, hour.date())),
                "sketch_month": hour.date().replace(day=1),
                "sketch": _sketch(found, hour.date()),
            }
            for (hour, screen), found in by_hour.items()
            if found.users
        ),
    )
    table.progress(quarters=quarters, days=days, hours=hours)
    table.zone(zone.key, days)


def _sketch(found: Sum, day: date) -> bytes:
    return sketch_of(sorted(found.users), f"{day:%Y-%m}".encode())


def sums(windows: Iterable[ScreenMinute]) -> Sum:
    found = Sum()
    for window in windows:
        found.add(window)
    return found


def grouped(windows: Iterable[ScreenMinute], key: Any) -> dict[tuple[Any, str], Sum]:
    found: dict[tuple[Any, str], Sum] = defaultdict(Sum)
    for window in windows:
        found[key(window), window.screen].add(window)
    return found


def local_day(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()
