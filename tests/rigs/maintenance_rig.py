"""What the tests of maintenance share: tables filled at random, runs, and what they left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg
from prometheus_client import CollectorRegistry
from psycopg import ServerCursor

from processor.maintenance.database_session import Connection, connect
from processor.maintenance.housekeeper import Housekeeper
from processor.settings import ProcessorSettings
from processor.watch.metrics import Metrics
from tests.integration.processor.rollup_oracle import (
    DAY,
    MINUTE,
    QUARTER,
    Source,
    Table,
    add,
    floor,
    histogram,
    recount,
)
from tests.rigs.rig import wait_for

PARTITIONS = 3
SCREENS = ["Home", "Cart", "Checkout", "(none)", "Löwe 🦁"]
USERS = [f"user-{n}" for n in range(40)]

_ENGAGEMENT = ["views", "visits", "dwell_ms", "silent_dwell_ms", "dwell_histogram"]
_ENDS = ["exits", "bounces"]
_SESSIONS = ["sessions", "duration_ms", "duration_histogram", "foreground_ms", "views", "bounces"]
_SUMS = ["samples", "foreground_sum", "background_sum"]
_PEAKS = ["peak_online", "peak_online_at", "peak_foreground", "peak_foreground_at"]

#: Rollup -> its key columns and the columns compared (never the sketch: its estimate is).
ROLLUPS: dict[str, tuple[list[str], list[str]]] = {
    "screen_quarters": (["quarter", "screen"], _ENGAGEMENT + _ENDS),
    "screen_hours": (["hour", "screen"], _ENGAGEMENT + _ENDS),
    "transition_quarters": (["quarter", "from_screen", "to_screen"], ["transitions"]),
    "session_quarters": (["quarter"], [*_SESSIONS, "timed_out"]),
    "concurrency_quarters": (["quarter"], _SUMS + _PEAKS),
    "screen_hour_users": (["hour", "screen"], ["users"]),
    "screen_days": (["day", "screen"], [*_ENGAGEMENT, *_ENDS, "users"]),
    "transition_days": (["day", "from_screen", "to_screen"], ["transitions"]),
    "active_user_days": (["day"], ["active", "new", "weekly_active", "monthly_active"]),
}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def random_source(
    seed: int,
    start: datetime,
    hours: int,
    zone: str,
    *,
    per_hour: int = 12,
    samples_seconds: int = 50,
) -> Source:
    """Some of everything, spread over the hours from ``start``."""
    random = Random(seed)
    source = Source(PARTITIONS, zone)
    seconds = hours * 3600

    def instant() -> datetime:
        return start + timedelta(milliseconds=random.randrange(seconds * 1000))

    for _ in range(hours * per_hour):
        add_visit(source, random, instant())
        quarter = floor(instant(), QUARTER)
        ends = random.choice([("(start)", "Home"), ("Home", "Cart"), ("Cart", "(end)")])
        key = (quarter, random.randrange(PARTITIONS), *ends)
        source.transitions[key] = add(source.transitions.get(key), (random.randint(1, 9),))
        source.changes.append(
            (
                instant(),
                random.choice(["foreground", "foreground", "background", "offline"]),
                random.choice(["started", "resumed", "navigated", "timed_out", "logged_out"]),
                random.choice([None, *SCREENS[:3]]),
                f"user-{random.randrange(5_000)}",
            )
        )
    for _ in range(hours * 3):
        ended = instant()
        source.sessions.append(
            (
                ended - timedelta(milliseconds=random.choice([0, 100, 60_000, 90_000_000])),
                ended,
                random.choice(["timed_out", "disconnected", "logged_out"]),
                random.choice([0, 1, 1, 5]),
                random.randrange(60_000),
            )
        )
    for n in range(0, seconds, samples_seconds):
        for partition in range(PARTITIONS):
            # Now and then a partition has no sample.
            if random.random() < 0.9:
                row = (random.randrange(5), random.randrange(5))
                source.samples[start + timedelta(seconds=n), partition] = row
    first = (start - 40 * DAY).date()
    for user in USERS:
        days = sorted({first + timedelta(random.randrange(45)) for _ in range(random.randrange(9))})
        for day in days:
            source.user_days[day, user] = day == days[0]
    return source


def add_visit(source: Source, random: Random, at: datetime) -> None:
    durations = [random.choice([10, 249, 250, 5_000, 90_000, 200_000_000]) for _ in range(2)]
    key = (floor(at, MINUTE), random.randrange(PARTITIONS), random.choice(SCREENS))
    row = (1, 2, sum(durations), durations[0], histogram(durations), 1, random.randint(0, 1))
    source.minutes[key] = add(source.minutes.get(key), row)


def fill(url: str, source: Source, as_of: datetime) -> None:
    """Store a source in tables that have none of it yet, or replace it."""
    with psycopg.connect(url) as db:
        for table in ["screen_minutes", "screen_transitions", "sessions", "changes", "user_days"]:
            db.execute(f"DELETE FROM {table}".encode())
        db.execute("DELETE FROM concurrency_samples")
        db.execute("DELETE FROM stream_offsets")
        db.execute(
            "INSERT INTO deployment (topic, topic_id, partitions)"
            " VALUES ('t', gen_random_uuid(), %s) ON CONFLICT DO NOTHING",
            (source.partitions,),
        )
        set_as_of(db, source, as_of)
        copy(
            db,
            "screen_minutes",
            [(*key, *row[:4], list(row[4]), *row[5:]) for key, row in source.minutes.items()],
        )
        copy(db, "screen_transitions", [(*k, *row) for k, row in source.transitions.items()])
        copy(db, "concurrency_samples", [(*key, *row) for key, row in source.samples.items()])
        copy(
            db,
            'sessions (shown_until, "partition", log_offset, event_index, ordinal, user_id, device,'
            " visits, started_at, ended_at, ended_by, views, foreground_ms)",
            [
                (
                    *(ended + timedelta(minutes=5 * (by == "timed_out")), 0, n, 0, 0, "u", "d", 1),
                    *(started, ended, by, *rest),
                )
                for n, (started, ended, by, *rest) in enumerate(source.sessions)
            ],
        )
        copy(
            db,
            'changes (at, "partition", log_offset, event_index, ordinal, user_id, device, reason,'
            " previous_state, state, screen, user_state)",
            [
                (at, 0, n, 0, 0, user, "d", reason, "offline", state, screen, "offline")
                for n, (at, state, reason, screen, user) in enumerate(source.changes)
            ],
        )
        copy(
            db,
            'user_days (day, user_id, is_new, "partition")',
            [(*key, is_new, 0) for key, is_new in source.user_days.items()],
        )


def copy(db: psycopg.Connection[Any], into: str, rows: Iterable[Sequence[object]]) -> None:
    """Store rows by one statement: there are a hundred thousand samples in some fleets."""
    with db.cursor().copy(f"COPY {into} FROM STDIN".encode()) as copying:
        for row in rows:
            copying.write_row(row)


def set_as_of(db: psycopg.Connection[Any], source: Source, as_of: datetime) -> None:
    """One partition is at ``as_of``, the others are ahead of it."""
    db.cursor().executemany(
        'INSERT INTO stream_offsets ("partition", next_offset, published_through, log_time, policy)'
        " VALUES (%s, 1, 1, %s, jsonb_build_object('reporting_time_zone', %s::text))"
        ' ON CONFLICT ("partition") DO UPDATE SET log_time = EXCLUDED.log_time,'
        " policy = EXCLUDED.policy",
        [(p, as_of + p * MINUTE, source.zone) for p in range(source.partitions)],
    )


def housekeeper(
    url: str,
    open_connection: Callable[[str], Connection] = connect,
    registry: CollectorRegistry | None = None,
    every_seconds: float = 15.0,
    **settings: Any,
) -> Housekeeper:
    return Housekeeper(
        ProcessorSettings(database_url=url, **settings),
        Metrics(registry or CollectorRegistry()),
        open_connection,
        every_seconds=every_seconds,
    )


def run(url: str, **settings: Any) -> None:
    """One run. PostgreSQL lets go of the lock of the run before a moment after that has ended."""
    wait_for("nobody else is at it", housekeeper(url, **settings).run_once)


def rollups(url: str) -> dict[str, Table]:
    """What the tables of rollups hold."""
    found: dict[str, Table] = {}
    with psycopg.connect(url, options="-c timezone=UTC") as db:
        for table, (keys, values) in ROLLUPS.items():
            rows = db.execute(f"SELECT {', '.join(keys + values)} FROM {table}".encode()).fetchall()
            found[table] = {
                row[: len(keys)]: tuple(map(_hashable, row[len(keys) :])) for row in rows
            }
    return found


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def assert_equals_recount(url: str, source: Source, as_of: datetime) -> None:
    found, wanted = rollups(url), recount(source, as_of)
    for table in ROLLUPS:
        assert found[table] == wanted[table], table


def everything(url: str) -> dict[str, list[str]]:
    """All that maintenance writes, sketches' bytes included, to be compared as a whole."""
    tables = [
        *ROLLUPS,
        *("rollup_progress", "late_quarters", "late_days", "reporting_zone"),
        *("retention_progress", "screen_names", "changes", "screen_minutes"),
    ]
    with psycopg.connect(url, options="-c timezone=UTC") as db:
        return {
            table: sorted(map(str, db.execute(f"SELECT * FROM {table}".encode()).fetchall()))
            for table in tables
        }


class HookedConnection:
    """Makes connections that call ``before`` and ``after`` around every statement, by its text."""

    def __init__(
        self,
        before: Callable[[Connection, str], None] = lambda *_: None,
        after: Callable[[Connection, str], None] = lambda *_: None,
    ) -> None:
        self.before, self.after = before, after

    def __call__(self, dsn: str) -> Connection:
        hooks = self
        connection = connect(dsn)

        class Cursor(psycopg.Cursor[Any]):
            def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
                hooks.before(connection, query.decode())
                super().execute(query, *args, **kwargs)
                hooks.after(connection, query.decode())
                return self

            def executemany(self, query: Any, *args: Any, **kwargs: Any) -> None:
                hooks.before(connection, query.decode())
                super().executemany(query, *args, **kwargs)
                hooks.after(connection, query.decode())

        class Streamed(ServerCursor[Any]):
            def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
                hooks.before(connection, query.decode())
                super().execute(query, *args, **kwargs)
                hooks.after(connection, query.decode())
                return self

        connection.cursor_factory = Cursor
        connection.server_cursor_factory = Streamed
        return connection


def late_visit(url: str, source: Source, at: datetime, *, offset: int, random: Random) -> None:
    """A visit of a quarter-hour that may be rolled up already, as a processor stores it."""
    before = dict(source.minutes)
    add_visit(source, random, at)
    ((key, row),) = [(k, r) for k, r in source.minutes.items() if before.get(k) != r]
    with psycopg.connect(url) as db:
        db.execute(
            "INSERT INTO screen_minutes VALUES (%s, %s, %s, %s, %s, %s, %s, %s::int[], %s, %s)"
            ' ON CONFLICT (minute, "partition", screen) DO UPDATE SET views = EXCLUDED.views,'
            " visits = EXCLUDED.visits, dwell_ms = EXCLUDED.dwell_ms,"
            " silent_dwell_ms = EXCLUDED.silent_dwell_ms,"
            " dwell_histogram = EXCLUDED.dwell_histogram, exits = EXCLUDED.exits,"
            " bounces = EXCLUDED.bounces",
            (*key, *row[:4], list(row[4]), *row[5:]),
        )
        db.execute(
            "INSERT INTO late_quarters VALUES (%s, %s, %s)", (floor(at, QUARTER), key[1], offset)
        )


def late_visitor(url: str, source: Source, at: datetime, *, offset: int) -> None:
    """A visit that begins where log time passes an hour again."""
    user = f"late-{offset}"
    source.changes.append((at, "foreground", "started", "Home", user))
    with psycopg.connect(url) as db:
        db.execute(
            'INSERT INTO changes (at, "partition", log_offset, event_index, ordinal, user_id,'
            " device, reason, previous_state, state, screen, user_state)"
            " VALUES (%s, 0, %s, 0, 0, %s, 'a', 'started', 'offline', 'foreground', 'Home',"
            " 'foreground')",
            (at, 1_000_000 + offset, user),
        )
