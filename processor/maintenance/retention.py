"""Partitions for the days to come, and the end of what is past its retention.

Days are counted back from that of the clock that is furthest behind (query today), so that nothing
is removed before it is rolled up. A table at a time, each in a transaction of its own: a partition
needs its whole table for a moment, and whoever holds one table and waits for another could
deadlock with the processor.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta

from psycopg.errors import LockNotAvailable

from processor.maintenance.database_session import Session
from processor.settings import ProcessorSettings

log = logging.getLogger(__name__)

#: Rows deleted from a table in one transaction; the next run goes on.
MOST_ROWS = 20_000

_ROLLUPS = {
    "screen_quarters": "quarter",
    "screen_hours": "hour",
    "screen_days": "day",
    "transition_quarters": "quarter",
    "transition_days": "day",
    "screen_hour_users": "hour",
    "session_quarters": "quarter",
    "concurrency_quarters": "quarter",
    "active_user_days": "day",
}


def partitioned_tables(settings: ProcessorSettings) -> dict[str, int]:
    """Days for which each table that is partitioned by day is kept."""
    return {
        "changes": settings.changes_retention_days,
        "spans": settings.spans_retention_days,
        "sessions": settings.spans_retention_days,
        "screen_minutes": settings.minutes_retention_days,
        "screen_transitions": settings.minutes_retention_days,
        "concurrency_samples": settings.samples_retention_days,
        "screen_samples": settings.samples_retention_days,
        "user_days": settings.user_days_retention_days,
    }


def _privacy_tables(settings: ProcessorSettings) -> list[tuple[str, str, int]]:
    """Which quarter-hours and days lost rows matters while they could be rolled up again."""
    sources = max(settings.changes_retention_days, settings.spans_retention_days) + 1
    return [
        ("erased_quarters", "quarter", sources),
        ("erased_days", "day", settings.user_days_retention_days + 31),
    ]


def keep_days(session: Session, settings: ProcessorSettings) -> Iterator[None]:
    """One transaction for each step of the iterator."""
    with session.transaction():
        # None: there is nothing that could go.
        ((today,),) = session.all("today") or [(None,)]
    for table, days in partitioned_tables(settings).items():
        try:
            with session.transaction():
                session.one("make_partitions", (table,))
                if today is not None:
                    first_kept = today - timedelta(days)
                    (dropped,) = session.one("drop_partitions", (table, first_kept, MOST_ROWS))
                    session.do("note_kept", (table, first_kept))
                    session.rows += dropped
        except LockNotAvailable:
            log.info("%s is in use: its partitions are kept in order by the next run", table)
        yield
    for table, column in _ROLLUPS.items():
        if today is not None:
            with session.transaction():
                first_kept = today - timedelta(settings.rollups_retention_days)
                (deleted,) = session.one("delete_before", (table, column, first_kept, MOST_ROWS))
                session.do("note_kept", (table, first_kept))
                session.rows += deleted
            yield
    if today is not None:
        with session.transaction():
            first_kept = today - timedelta(settings.audience_exports_retention_days)
            audit = ("audience_exports", "started_at", first_kept, MOST_ROWS)
            (deleted,) = session.one("delete_before", audit)
            session.rows += deleted
        yield
    for table, column, days in _privacy_tables(settings):
        if today is not None:
            with session.transaction():
                first_kept = today - timedelta(days)
                (deleted,) = session.one("delete_before", (table, column, first_kept, MOST_ROWS))
                session.rows += deleted
            yield
    with session.transaction():
        session.do("delete_names")
    yield
