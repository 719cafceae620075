"""PostgreSQL as the API needs it: bounded connections, bounded waits, away without harm.

The API starts while PostgreSQL is away, answers 503 in bounded time while it is, and goes on when
it is back. What was asked on a connection that had died is asked again: it is a read, or a write
that may be made twice.

A pooler may give each transaction another session (``ROLLCALL_DATABASE_SESSION_URL`` says so). What
belongs together is one transaction then, and it sets up for itself what a connection has otherwise.
Exports have connections of their own there. These are sessions: they last, and keep cursors.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final, TypeVar

import psycopg
from psycopg import IsolationLevel
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from api.metrics import ApiMetrics
from api.postgres.lanes import Lane, LaneFullError
from api.postgres.pool import Connection, connection_pool
from api.postgres.sqlstates import AWAY, NOT_FEDERATED, failure_of
from api.settings import ApiSettings
from schemas.database.named_queries import load_queries
from schemas.http.problems import ProblemError, rate_limited
from schemas.tokens.identity import Identity

logger = logging.getLogger(__name__)

__all__ = ["Connection", "Database"]

T = TypeVar("T")

#: An export may take this long, its reader included.
EXPORT_SECONDS: Final = 300.0
#: Beyond PostgreSQL's own time limit: time for its refusal to arrive.
ANSWER_MARGIN_SECONDS: Final = 1.0
#: Of those, one for the count, readiness and metrics: whatever others do, these are answered.
STATUS_CONNECTIONS: Final = 1
STATUS_SECONDS: Final = 1.5
#: What is told as the database's being away, until it answers again.
AWAY_CAUSES: Final = ("no_answer", "connection", "read_only", "not_migrated", "not_granted")


class Database:
    """A pool of connections that only read, unless told otherwise."""

    def __init__(self, settings: ApiSettings, metrics: ApiMetrics) -> None:
        self._metrics = metrics
        self._timeout_ms = str(round(settings.api_statement_timeout_seconds * 1000))
        self._deadline_seconds = (
            settings.api_pool_wait_seconds
            + settings.api_statement_timeout_seconds
            + ANSWER_MARGIN_SECONDS
        )
        queries = load_queries("api.presence", "queries.sql")
        self._configure_query, self._read_only_query = queries["configure"], queries["read_only"]
        self._transaction_query = queries["configure_transaction"]
        self._pool_wait_seconds = settings.api_pool_wait_seconds
        few, wait = max(1, settings.api_pool_size // 4), settings.api_pool_wait_seconds
        self._exports = Lane(few, wait, "exports")
        self._scans = Lane(few, wait, "of these queries")
        self._late: set[asyncio.Task[Any]] = set()
        self._handed_out: Counter[str] = Counter()
        self._away = False
        self._pooled = settings.pooled
        self._pool = self._connections("api", settings.dsn, settings.api_pool_size)
        self._status = self._connections("api-status", settings.dsn, STATUS_CONNECTIONS)
        self._sessions = self._pool
        if settings.pooled:
            self._sessions = self._connections("api-sessions", settings.session_dsn, few)
        #: Awaited where a connection was lost, before what was asked is asked again.
        self.on_lost: Callable[[], Awaitable[None]] | None = None
        self.keeps_plans = True
        metrics.watch_pool(self._stats)

    def _connections(self, name: str, dsn: str, size: int) -> AsyncConnectionPool[Connection]:
        are_sessions = name == "api-sessions" or not self._pooled
        configure = self._configure if are_sessions else None
        return connection_pool(name, dsn, size, self._pool_wait_seconds, configure)

    @property
    def _pools(self) -> set[AsyncConnectionPool[Connection]]:
        return {self._pool, self._sessions, self._status}

    def _stats(self) -> Mapping[str, int]:
        """The count's connection is no part of what calls wait for."""
        pools = {self._pool, self._sessions}
        return sum((Counter(pool.get_stats()) for pool in pools), Counter())

    async def open(self) -> None:
        """Get ready; does not wait for PostgreSQL."""
        for pool in self._pools:
            await pool.open(wait=False)

    async def close(self) -> None:
        for task in self._late:
            task.cancel()
        for pool in self._pools:
            await pool.close(timeout=ANSWER_MARGIN_SECONDS)

    async def read(self, query: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        """What ``work`` gives on a connection of its own; ``query`` is its name in metrics.

        Raises ``ProblemError`` with code ``unavailable`` if there was no answer in time.
        """
        return await self._bounded(
            self._retried(lambda: self._once(query, work, self._pool)), self._deadline_seconds
        )

    async def status(self, query: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        """As :meth:`read`, for the little that everybody asks for: on a connection that nobody else
        has, and refused soon."""
        reading = self._retried(lambda: self._once(query, work, self._status))
        return await self._bounded(reading, STATUS_SECONDS)

    async def export(
        self,
        reader: Identity,
        query: str,
        work: Callable[[Connection], Awaitable[T]],
        has_begun: Callable[[], bool],
    ) -> T:
        """As :meth:`read`, for work that lasts, one of few at a time. Once it ``has_begun`` to
        answer it is not made again."""
        async with self._place(self._exports, reader):
            exporting = self._retried(lambda: self._in_session(query, work), has_begun)
            return await self._bounded(exporting, EXPORT_SECONDS)

    async def scan(
        self, reader: Identity, query: str, work: Callable[[Connection], Awaitable[T]]
    ) -> T:
        """As :meth:`read`, for work that reads whole tables, one of few at a time: the rest of the
        pool is for others."""
        async with self._place(self._scans, reader):
            return await self.read(query, work)

    @asynccontextmanager
    async def _place(self, lane: Lane, reader: Identity) -> AsyncIterator[None]:
        try:
            async with lane.place(reader):
                yield
        except LaneFullError as error:
            # PostgreSQL is as well as before.
            if error.retry_seconds is not None:
                raise rate_limited(str(error), error.retry_seconds) from None
            self._metrics.database_failures["lane_full"].inc()
            raise ProblemError("unavailable", str(error)) from None

    async def _bounded(self, reading: Coroutine[Any, Any, T], deadline_seconds: float) -> T:
        task = asyncio.create_task(reading, name="read")
        try:
            done, _ = await asyncio.wait({task}, timeout=deadline_seconds)
        except asyncio.CancelledError:
            self._abandon(task)
            raise
        if not done:
            # A frozen server answers a cancel request as little as the query: don't wait for that.
            self._abandon(task)
            raise self._unavailable("no_answer", "The database does not answer.")
        return task.result()

    async def write(
        self, query: str, work: Callable[[Connection], Awaitable[T]], *, times: int = 2
    ) -> T:
        """As :meth:`read`, on a connection that may write, each statement by itself: a process
        that is frozen here holds no lock. ``work`` may be run twice, or as often as ``times``."""
        once = partial(self._once, query, work, self._pool, writes=True)
        writing = self._retried(once, lambda: times == 1)
        return await self._bounded(writing, self._deadline_seconds)

    def _abandon(self, task: asyncio.Task[T]) -> None:
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        task.add_done_callback(lambda late: late.cancelled() or late.exception())
        task.cancel()

    async def _retried(
        self, once: Callable[[], Awaitable[T]], has_begun: Callable[[], bool] = lambda: False
    ) -> T:
        with self._refusals():
            try:
                return await once()
            except psycopg.Error as error:
                failure = failure_of(error)
                if failure is None or not failure.is_asked_again or has_begun():
                    raise
                # PostgreSQL was restarted: the other idle connections are dead as well.
                for pool in self._pools:
                    await pool.drain()
                if self.on_lost is not None:
                    await self.on_lost()
                return await once()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """What goes wrong with PostgreSQL as what the caller is told."""
        try:
            yield
        except psycopg.Error as error:
            if (failure := failure_of(error)) is None:
                raise
            if failure is NOT_FEDERATED:
                raise ProblemError("not_federated", failure.detail) from error
            raise self._unavailable(failure.cause, failure.detail) from error

    async def _once(
        self,
        query: str,
        work: Callable[[Connection], Awaitable[T]],
        pool: AsyncConnectionPool[Connection],
        *,
        writes: bool = False,
    ) -> T:
        if self._pooled:
            return await self._in_transaction(query, work, pool, writes=writes)
        async with self._connection(query, pool) as connection:
            return await (self._writing(work) if writes else work)(connection)

    async def _in_session(self, query: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._connection(query, self._sessions) as connection:
            return await work(connection)

    async def _in_transaction(
        self,
        query: str,
        work: Callable[[Connection], Awaitable[T]],
        pool: AsyncConnectionPool[Connection],
        *,
        writes: bool,
    ) -> T:
        async with self._connection(query, pool) as connection:
            await connection.set_read_only(not writes)
            # What asks for one moment in a transaction of its own finds itself in one already.
            await connection.set_isolation_level(None if writes else IsolationLevel.REPEATABLE_READ)
            async with connection.transaction():
                parameters = {"statement_timeout_ms": self._timeout_ms}
                await connection.execute(self._transaction_query, parameters)
                return await work(connection)

    def _writing(
        self, work: Callable[[Connection], Awaitable[T]]
    ) -> Callable[[Connection], Awaitable[T]]:
        async def writing(connection: Connection) -> T:
            try:
                await connection.execute(self._read_only_query, {"read_only": "off"})
                result = await work(connection)
                await connection.execute(self._read_only_query, {"read_only": "on"})
            except BaseException:
                await connection.close()  # nobody gets one of which it is not known what it may
                raise
            return result

        return writing

    @asynccontextmanager
    async def _connection(
        self, query: str, pool: AsyncConnectionPool[Connection]
    ) -> AsyncIterator[Connection]:
        connection = await self._connected(pool)
        self._handed_out[pool.name] += 1
        if not self.keeps_plans:
            connection.prepare_threshold = None
        try:
            with self._metrics.query_seconds[query].time():
                yield connection
            if self._away:
                self._away = False
                logger.info("The database answers again")
        finally:
            self._handed_out[pool.name] -= 1
            await pool.putconn(connection)

    async def _connected(self, pool: AsyncConnectionPool[Connection]) -> Connection:
        """Raises ``ProblemError`` with code ``unavailable``."""
        try:
            with self._metrics.pool_waiting.track_inprogress():
                return await pool.getconn()
        except (PoolTimeout, TooManyRequests, PoolClosed):
            # Where others have connections, there is a database to connect to.
            if self._handed_out[pool.name] >= pool.max_size:
                raise self._unavailable("pool_wait", "The database is busy.") from None
            raise self._unavailable(AWAY.cause, AWAY.detail) from None

    async def _configure(self, connection: Connection) -> None:
        await connection.execute(self._configure_query, {"statement_timeout_ms": self._timeout_ms})

    def _unavailable(self, cause: str, detail: str) -> ProblemError:
        self._metrics.database_failures[cause].inc()
        if cause in AWAY_CAUSES and not self._away:
            self._away = True
            logger.warning("Calls get a 503: %s", detail)
        return ProblemError("unavailable", detail)
