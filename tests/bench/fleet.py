"""Thirty days of a fleet, straight into the tables: minutes of SQL instead of a month of phones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from schemas.database.named_queries import filled, load_queries
from schemas.measures.sketches import estimate, sketch_of

DAY = timedelta(days=1)
#: Days for which each partitioned table is kept: the settings' defaults, and the month.
KEPT_DAYS = {
    "changes": 14,
    "spans": 14,
    "sessions": 14,
    "screen_minutes": 3,
    "screen_transitions": 3,
    "concurrency_samples": 14,
    "screen_samples": 14,
    "user_days": 31,
}
#: What fills the tables but those of single people, in order.
_STEPS = (
    "presence",
    "user_days",
    "screen_minutes",
    "screen_rollups",
    "transitions",
    "samples",
    "session_rollups",
)
_SKETCHES = 24


@dataclass(frozen=True)
class Fleet:
    """Its size. ``sessions`` of a day have six spans each; a fleet of that many users would have
    several times as many, which nothing that reads rollups would notice."""

    users: int = 100_000
    days: int = 30
    partitions: int = 4
    screens: int = 40
    sessions: int = 25_000

    def kept_days(self, table: str) -> int:
        return min(self.days, KEPT_DAYS[table])


def fill(database_url: str, fleet: Fleet, as_of: datetime, progress: Any) -> None:
    """Fill a migrated, empty database; ``as_of`` is the log time that it ends with."""
    queries = load_queries("tests.bench", "fleet.sql")
    parameters = {**asdict(fleet), "as_of": as_of, "kept_days": fleet.kept_days("screen_samples")}
    with psycopg.connect(
        database_url, autocommit=True, cursor_factory=psycopg.ClientCursor
    ) as connection:
        connection.execute("SET synchronous_commit = off; SET timezone = 'UTC'")
        connection.execute(queries["seed"])
        connection.execute(queries["shape"], parameters)
        _fill_sketches(connection, queries["copy_sketches"], fleet)
        for parent in KEPT_DAYS:
            named = filled(queries["daily_partitions"], parent=parent.encode())
            for (create,) in connection.execute(
                named, {"kept_days": fleet.kept_days(parent)}
            ).fetchall():
                connection.execute(create)
        connection.execute(queries["deployment"], parameters)
        for step in _STEPS:
            progress(step)
            connection.execute(queries[step], parameters)
        midnight = as_of.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        days_of_people = fleet.kept_days("spans")
        for back in range(days_of_people, -1, -1):
            progress(f"people, day {days_of_people - back}")
            with connection.transaction():
                connection.execute(queries["people"], {**parameters, "day": midnight - back * DAY})
        progress("vacuum")
        connection.execute("VACUUM ANALYZE")


def _fill_sketches(connection: psycopg.Connection[Any], query: bytes, fleet: Fleet) -> None:
    """Sketches of an hour's visitors, few to many; the last one's are a day's."""
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for n in range(_SKETCHES):
            users = max(1, fleet.users * (n + 1) // (2 * _SKETCHES))
            sketch = sketch_of((f"user-{m:07d}" for m in range(users)), b"bench")
            copy.write_row((n, estimate(sketch), sketch))
