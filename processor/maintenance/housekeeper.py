"""The thread that keeps house: every few seconds whatever there is to do, one runner at a time.

It has a connection of its own and stays off the event loop, which serves presence. Killed
anywhere, or run twice, it leaves the same rows: each transaction replaces what it makes and moves
its progress with it.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable

import psycopg

from processor.maintenance import rollups
from processor.maintenance.database_session import Connection, Session, connect
from processor.maintenance.retention import Retention
from processor.settings import ProcessorSettings
from processor.watch.metrics import ROLLUPS, Metrics
from schemas.database.sqlstates import Meaning, meaning_of, told

log = logging.getLogger(__name__)

EVERY_SECONDS = 15.0
STOP_SECONDS = 5.0
#: It looks at the sessions that began in an hour.
COUNT_SHARED_SECONDS = 3600.0

#: One transaction each, repeated while it finds work. In this order: later ones build on earlier.
_ROLLUPS: dict[str, Callable[[Session], bool]] = {
    "zone": rollups.roll_up_zone,
    "quarters": rollups.roll_up_quarters,
    "late_quarters": rollups.roll_up_late_quarter,
    "hours": rollups.roll_up_hour,
    "days": rollups.roll_up_day,
}


class Housekeeper:
    """Runs from :meth:`start` to :meth:`stop`. ``open_connection`` takes the DSN."""

    def __init__(
        self,
        settings: ProcessorSettings,
        metrics: Metrics,
        open_connection: Callable[[str], Connection] = connect,
        *,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._open_connection = open_connection
        self._every_seconds = every_seconds
        self._connection: Connection | None = None
        self._count_shared_at = 0.0
        self._stopping = threading.Event()
        # A daemon: a database that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="maintenance", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Cut the present transaction short; blocks for a few seconds at most."""
        self._stopping.set()
        connection = self._connection
        if connection is not None and not connection.closed:
            with contextlib.suppress(psycopg.Error):
                connection.cancel_safe(timeout=STOP_SECONDS)
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        said = ""
        while not self._stopping.is_set():
            try:
                self.run_once()
            except Exception as error:
                if self._stopping.is_set():
                    return
                self._metrics.maintenance_failures.inc()
                if not isinstance(error, psycopg.Error) or meaning_of(error) is Meaning.BUG:
                    log.exception("maintenance failed")
                elif told(error) != said:
                    said = told(error)
                    log.warning("maintenance: %s; trying every %g s", said, self._every_seconds)
            else:
                said = ""
            self._stopping.wait(self._every_seconds)

    def run_once(self) -> bool:
        """Everything that there is to do; false if somebody else is at it.

        Raises ``psycopg.Error``; what was committed before is done.
        """
        with self._open_connection(self._settings.session_dsn) as connection:
            self._connection = connection
            session = Session(connection)
            if not session.become_only_runner():
                self._metrics.rollup_lag.clear()
                self._metrics.shared_installations.set(math.nan)
                return False
            self._metrics.maintenance_runs.inc()
            with session.transaction():
                session.do("note_min_group_size", (self._settings.min_group_size,))
            self._keep_no_longer(session)
            for work, roll_up in _ROLLUPS.items():
                self._repeat(work, session, roll_up)
            self._show_lag(session)
            self._count_shared_installations(session)
        return True

    def _keep_no_longer(self, session: Session) -> None:
        retention = Retention(session, self._settings)
        steps = retention.steps()
        try:
            self._repeat("retention", session, lambda _: next(steps, False) is None)
        finally:
            for table, removed in retention.removed.items():
                self._metrics.retention_removed[table].inc(removed)
        if not retention.skipped and not self._stopping.is_set():
            self._metrics.retention_runs.inc()
            self._metrics.retention_last_run.set_to_current_time()

    def _repeat(self, work: str, session: Session, step: Callable[[Session], bool]) -> None:
        more = True
        while more and not self._stopping.is_set():
            started, session.rows = time.perf_counter(), 0
            more = step(session)
            self._metrics.maintenance_seconds[work].observe(time.perf_counter() - started)
            self._metrics.maintenance_rows[work].inc(session.rows)

    def _count_shared_installations(self, session: Session) -> None:
        if time.monotonic() < self._count_shared_at:
            return
        self._count_shared_at = time.monotonic() + COUNT_SHARED_SECONDS
        with session.transaction():
            (shared,) = session.one("shared_installations")
        self._metrics.shared_installations.set(shared)

    def _show_lag(self, session: Session) -> None:
        with session.transaction():
            as_of, *rollups_through = session.position()
        for rollup, through in zip(ROLLUPS, rollups_through, strict=True):
            if as_of is not None and through is not None:
                lag = (as_of - through).total_seconds()
                self._metrics.rollup_lag.labels(rollup).set(lag)
