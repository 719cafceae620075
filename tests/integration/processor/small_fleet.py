"""A fleet of a few dozen users whose every session is known, and its rows as a processor has them.

The questions of docs/analytics.md are answered from these sessions by plain Python.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import psycopg

from tests.integration.processor.rollup_oracle import (
    DAY,
    MINUTE,
    QUARTER,
    Source,
    Table,
    add,
    floor,
    histogram,
    ms_of,
)
from tests.rigs.maintenance_rig import PARTITIONS, copy, fill

SAMPLE = timedelta(seconds=10)
VERSIONS = ["1.9.0", "1.10.0", None]


@dataclass
class Visit:
    screen: str
    started: datetime
    ended: datetime
    is_view: bool

    @property
    def dwell_ms(self) -> int:
        return ms_of(self.ended - self.started)


@dataclass
class Session:
    """A user has one device. The background between visits is part of the session."""

    user: str
    version: str | None
    visits: list[Visit]
    ended_by: str
    shown_until: datetime

    @property
    def started(self) -> datetime:
        return self.visits[0].started

    @property
    def ended(self) -> datetime:
        return self.visits[-1].ended

    @property
    def silent(self) -> bool:
        return self.ended_by == "timed_out"

    @property
    def views(self) -> list[Visit]:
        return [visit for visit in self.visits if visit.is_view]

    def is_silent(self, visit: Visit) -> bool:
        return self.silent and visit is self.visits[-1]


@dataclass
class Fleet:
    zone: ZoneInfo
    as_of: datetime
    sessions: list[Session] = field(default_factory=list)

    def day(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def visits(self) -> list[tuple[Session, Visit]]:
        return [(session, visit) for session in self.sessions for visit in session.visits]

    def online(self) -> dict[datetime, int]:
        """Users online at every sampled instant."""
        return {at: f + b for at, (f, b) in _by_instant(self).items()}


def small_fleet(seed: int, zone: str, as_of: datetime, days: int) -> Fleet:
    """Sessions that all ended before ``as_of``; nobody is in two at once."""
    random = Random(seed)
    fleet = Fleet(ZoneInfo(zone), as_of)
    for number in range(25):
        at = as_of - days * DAY + timedelta(milliseconds=random.randrange(86_400_000))
        while True:
            session = _session(random, f"user-{number}", at)
            if session.shown_until >= as_of:
                break
            fleet.sessions.append(session)
            pause = timedelta(milliseconds=random.randrange(1_000, 40 * 3_600_000))
            at = session.shown_until + pause
    return fleet


def _session(random: Random, user: str, at: datetime) -> Session:
    visits: list[Visit] = []
    screen = random.choice(["Home", "Home", "Cart"])
    for _ in range(random.choice([1, 1, 2, 4, 7])):
        is_view = not visits or visits[-1].screen != screen
        seconds = random.choice([3, 20, 70, 300, 900]) * random.uniform(0.6, 1.4)
        ended = at + timedelta(milliseconds=round(seconds * 1000))
        visits.append(Visit(screen, at, ended, is_view))
        at = ended
        if random.random() < 0.2:  # in the background for a while, back on the same screen
            at += timedelta(milliseconds=random.randrange(1_000, 200_000))
        else:
            screen = random.choice([s for s in ("Home", "Cart", "Checkout") if s != screen])
    ended_by = random.choice(["logged_out", "timed_out"])
    shown_until = visits[-1].ended + timedelta(minutes=5) * (ended_by == "timed_out")
    return Session(user, random.choice(VERSIONS), visits, ended_by, shown_until)


def store(url: str, fleet: Fleet) -> None:
    """What a processor would have stored of the fleet by ``as_of``."""
    source = Source(PARTITIONS, fleet.zone.key)
    for session in fleet.sessions:
        partition = int(session.user.partition("-")[2]) % PARTITIONS
        for visit in session.visits:
            dwell, silent = visit.dwell_ms, visit.dwell_ms * session.is_silent(visit)
            started = (int(visit.is_view), 0, 0, 0, (), 0, 0)
            _count(source.minutes, visit.started, partition, visit.screen, started)
            ended = (0, 1, dwell, silent, histogram([dwell]), 0, 0)
            _count(source.minutes, visit.ended, partition, visit.screen, ended)
            reason = "navigated" if visit.is_view else "resumed"
            source.changes.append((visit.started, "foreground", reason, visit.screen, session.user))
            for at in (visit.started, visit.ended):
                source.user_days.setdefault((fleet.day(at), session.user), False)
        names = ["(start)", *(view.screen for view in session.views), "(end)"]
        instants = [*(view.started for view in session.views), session.ended]
        for (before, after), at in zip(pairwise(names), instants, strict=True):
            key = (floor(at, QUARTER), partition, before, after)
            source.transitions[key] = add(source.transitions.get(key), (1,))
        exit_row = (0, 0, 0, 0, (), 1, int(len(session.views) == 1))
        _count(source.minutes, session.ended, partition, session.views[-1].screen, exit_row)
    for user in {user for _, user in source.user_days}:
        first = min(day for day, other in source.user_days if other == user)
        source.user_days[first, user] = True
    for at, (foreground, background) in _by_instant(fleet).items():
        for partition in range(PARTITIONS):
            mine = (foreground, background) if partition == 0 else (0, 0)
            source.samples[at, partition] = mine
    fill(url, source, fleet.as_of)
    with psycopg.connect(url) as db:
        _store_people(db, fleet)


def _count(
    table: Table, at: datetime, partition: int, screen: str, row: tuple[object, ...]
) -> None:
    key = (floor(at, MINUTE), partition, screen)
    table[key] = add(table.get(key), row)


def _by_instant(fleet: Fleet) -> dict[datetime, tuple[int, int]]:
    first = floor(fleet.as_of - 4 * DAY, QUARTER)
    steps = (fleet.as_of - first) // SAMPLE
    counts = [[0, 0] for _ in range(steps + 1)]
    for session in fleet.sessions:
        for visit in session.visits:
            for n in _instants(first, visit.started, visit.ended, steps):
                counts[n][0] += 1
        for n in _instants(first, session.started, session.shown_until, steps):
            counts[n][1] += 1
    return {first + n * SAMPLE: (f, both - f) for n, (f, both) in enumerate(counts)}


def _instants(first: datetime, start: datetime, end: datetime, steps: int) -> range:
    """Of the instants ``first + n · 10 s``, those in [start, end)."""
    begin = -((first - start) // SAMPLE)
    return range(max(0, begin), max(0, min(steps + 1, -((first - end) // SAMPLE))))


def _store_people(db: psycopg.Connection[tuple[object, ...]], fleet: Fleet) -> None:
    db.execute("DELETE FROM sessions")
    copy(
        db,
        'sessions (shown_until, "partition", log_offset, event_index, ordinal, user_id, device,'
        " started_at, ended_at, ended_by, views, visits, foreground_ms, entry_screen, exit_screen,"
        " app_version)",
        [
            (
                *(s.shown_until, 0, n, 0, 0, s.user, "phone"),
                *(s.started, s.ended, s.ended_by, len(s.views)),
                *(len(s.visits), sum(v.dwell_ms for v in s.visits)),
                *(s.views[0].screen, s.views[-1].screen, s.version),
            )
            for n, s in enumerate(fleet.sessions)
        ],
    )
    copy(
        db,
        'spans (shown_until, "partition", log_offset, event_index, ordinal, user_id, device, state,'
        " screen, started_at, changed_at, ended_at, ended_by, is_view, session_start, online_since,"
        " app_version)",
        [
            (
                *(s.shown_until if v is s.visits[-1] else v.ended, 0, n, 0, 0, s.user, "phone"),
                *("foreground", v.screen, v.started, v.started, v.ended),
                *(s.ended_by if v is s.visits[-1] else "navigated", v.is_view),
                *(s.started, s.started, s.version),
            )
            for n, (s, v) in enumerate(fleet.visits())
        ],
    )
