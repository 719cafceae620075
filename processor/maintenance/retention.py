"""Partitions for the days to come, and the end of what is past its retention.

Days are counted back from that of the clock that is furthest behind (query today), so that nothing
is removed before it is rolled up. A table at a time, each in a transaction of its own: a partition
needs its whole table for a moment, and whoever holds one table and waits for another could
deadlock with the processor.

Users who were not seen for their days are removed a thousand at a time. A step never waits for a
row that the processor has, and the processor waits for one step at most. One who comes back in that
moment is written again whole, as the processor read them; one who comes back later is new.

With the last changes of a month goes the key of its sketches of users; with changes go the sketches
that have no key, because the release before made them.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from psycopg.errors import LockNotAvailable, SerializationFailure

from processor.maintenance.database_session import Session
from processor.settings import ProcessorSettings
from schemas.deliveries.forms import RESUMABLE_HOURS, RESUMABLE_IN_ALL_HOURS
from schemas.measures.sketches import NOBODY

log = logging.getLogger(__name__)

#: Rows deleted from a table in one transaction; the next run goes on.
MOST_ROWS: Final = 20_000
#: Users removed in one transaction, and such transactions in a run.
USERS_A_STEP: Final = 1_000
USER_STEPS: Final = MOST_ROWS // USERS_A_STEP

_ROLLUPS: Final = {
    "screen_quarters": "quarter",
    "screen_hours": "hour",
    "screen_days": "day",
    "transition_quarters": "quarter",
    "transition_days": "day",
    "screen_hour_users": "hour",
    "session_quarters": "quarter",
    "concurrency_quarters": "quarter",
    "active_user_days": "day",
    # What readers write goes with what they wrote it about.
    "annotations": "at",
    "saved_views": "used_at",
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
        "reads_audit": settings.reads_audit_retention_days,
    }


def _privacy_tables(settings: ProcessorSettings) -> list[tuple[str, str, int]]:
    """Which quarter-hours and days lost rows matters while they could be rolled up again."""
    sources = max(settings.changes_retention_days, settings.spans_retention_days) + 1
    return [
        ("erased_quarters", "quarter", sources),
        ("erased_days", "day", settings.user_days_retention_days + 31),
    ]


class Retention:
    """One run. ``removed`` counts rows by table, those of large partitions as PostgreSQL estimates
    them; ``skipped`` names the tables that were in use, which the next run has to see to."""

    def __init__(self, session: Session, settings: ProcessorSettings) -> None:
        self._session = session
        self._settings = settings
        self.removed: Counter[str] = Counter()
        self.skipped: list[str] = []

    def steps(self) -> Iterator[None]:
        """One transaction for each step of the iterator."""
        session = self._session
        with session.transaction():
            # None: there is nothing that could go.
            ((today,),) = session.all("today") or [(None,)]
        for table, days in partitioned_tables(self._settings).items():
            self._keep_partitions(table, days, today)
            yield
        if today is not None:
            yield from self._forget_people_in_sketches()
            yield from self._remove_rows(today)
            yield from self._remove_users(today - timedelta(self._settings.users_kept_days))
        with session.transaction():
            session.do("delete_names")
        yield

    def _keep_partitions(self, table: str, days: int, today: date | None) -> None:
        session = self._session
        try:
            with session.transaction():
                session.one("make_partitions", (table,))
                if today is not None:
                    first_kept = today - timedelta(days)
                    (dropped,) = session.one("drop_partitions", (table, first_kept, MOST_ROWS))
                    session.do("note_kept", (table, first_kept))
                    self._count(table, dropped)
        except LockNotAvailable:
            self.skipped.append(table)
            log.info("%s is in use: its partitions are kept in order by the next run", table)

    def _forget_people_in_sketches(self) -> Iterator[None]:
        session = self._session
        with session.transaction():
            self._count("sketch_keys", len(session.all("destroy_sketch_keys")))
        yield
        more = True
        while more:
            with session.transaction():
                step = session.all("unkeyed_step")
                for since, until in step:
                    span = {"from": since, "to": until}
                    session.do("drop_unkeyed_hours", {**span, "nobody": NOBODY})
                    session.do("drop_unkeyed_days", span)
                    session.do("note_unkeyed_dropped", span)
            more = bool(step)
            yield

    def _remove_rows(self, today: date) -> Iterator[None]:
        session, settings = self._session, self._settings
        rollups = [(*each, settings.rollups_retention_days) for each in _ROLLUPS.items()]
        by_version = ("screen_version_hours", "hour", settings.screen_versions_retention_days)
        for table, column, days in (*rollups, by_version):
            with session.transaction():
                first_kept = today - timedelta(days)
                (deleted,) = session.one("delete_before", (table, column, first_kept, MOST_ROWS))
                session.do("note_kept", (table, first_kept))
                self._count(table, deleted)
            yield
        with session.transaction():
            first_kept = today - timedelta(settings.audience_exports_retention_days)
            audit = ("audience_exports", "started_at", first_kept, MOST_ROWS)
            (deleted,) = session.one("delete_before", audit)
            self._count("audience_exports", deleted)
        yield
        with session.transaction():
            first_kept = today - timedelta(settings.reads_audit_retention_days)
            managed = ("managed_audit", "at", first_kept, MOST_ROWS)
            (deleted,) = session.one("delete_before", managed)
            self._count("managed_audit", deleted)
        yield
        with session.transaction():
            first_kept = today - timedelta(settings.erasures_retention_days)
            asked = ("erasures", "requested_at", first_kept, MOST_ROWS)
            (deleted,) = session.one("delete_before", asked)
            session.do("note_kept", ("erasures", first_kept))
            self._count("erasures", deleted)
        yield
        with session.transaction():
            first_kept = today - timedelta(settings.api_keys_retention_days)
            deleted = len(session.all("delete_unused_keys", (first_kept, MOST_ROWS)))
            self._count("api_keys", deleted)
        yield
        with session.transaction():
            self._count("share_links", len(session.all("delete_ended_links", (MOST_ROWS,))))
        yield
        with session.transaction():
            pages = session.all(
                "delete_ended_pages", (RESUMABLE_HOURS, RESUMABLE_IN_ALL_HOURS, MOST_ROWS)
            )
            self._count("audience_pages", len(pages))
        yield
        for table, column, days in _privacy_tables(settings):
            with session.transaction():
                first_kept = today - timedelta(days)
                (deleted,) = session.one("delete_before", (table, column, first_kept, MOST_ROWS))
                self._count(table, deleted)
            yield

    def _remove_users(self, first_kept: date) -> Iterator[None]:
        session = self._session
        with session.transaction():
            session.do("note_kept", ("presence", first_kept))
        for _ in range(USER_STEPS):
            try:
                with session.transaction():
                    (removed,) = session.one(
                        "remove_users", {"before": first_kept, "most": USERS_A_STEP}
                    )
            except SerializationFailure:
                # One of them came back at this moment.
                log.info("a user came back while they were to be removed: the next run goes on")
                return
            self._count("presence", removed)
            yield
            if removed < USERS_A_STEP:
                return

    def _count(self, table: str, removed: int) -> None:
        self._session.rows += removed
        self.removed[table] += removed
