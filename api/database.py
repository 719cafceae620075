"""PostgreSQL as the API needs it: bounded connections, bounded waits, away without harm.

The API starts while PostgreSQL is away, answers 503 in bounded time while it is, and goes on when
it is back. What was asked on a connection that had died is asked again: it is a read, or a write
that may be made twice.

Behind a pooler that gives each transaction another session (``ROLLCALL_DATABASE_SESSION_URL`` says
so), what belongs together is one transaction, which sets up what otherwise the connection is set up
with. Exports have connections of their own there, which are sessions: they last, and keep cursors.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeAlias, TypeVar

import psycopg
from psycopg import AsyncConnection, IsolationLevel
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from api.metrics import ApiMetrics
from api.settings import ApiSettings
from schemas.problems import ProblemError
from schemas.sql_files import load_queries

logger = logging.getLogger(__name__)

Connection: TypeAlias = AsyncConnection[TupleRow]
T = TypeVar("T")

#: After an attempt to connect failed for this long, the next call makes a new one at once.
RECONNECT_SECONDS: Final = 1.0
CONNECT_SECONDS: Final = 3
#: Idle connections are given back: eight of each API process would be many for PostgreSQL.
MAX_IDLE_SECONDS: Final = 60.0
#: Calls that wait for one of ``n`` connections: more than this times ``n`` would wait in vain.
WAITING_PER_CONNECTION: Final = 32
#: An export may take this long, its reader included.
EXPORT_SECONDS: Final = 300.0
#: Beyond PostgreSQL's own time limit: time for its refusal to arrive.
ANSWER_MARGIN_SECONDS: Final = 1.0


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
        queries = load_queries("api", "queries.sql")
        self._configure_query, self._read_only_query = queries["configure"], queries["read_only"]
        self._transaction_query = queries["configure_transaction"]
        self._pool_wait_seconds = settings.api_pool_wait_seconds
        few = max(1, settings.api_pool_size // 4)
        self._exports, self._scans = asyncio.Semaphore(few), asyncio.Semaphore(few)
        self._late: set[asyncio.Task[Any]] = set()
        self._away = False
        self._pooled = settings.pooled
        size = settings.api_pool_size
        self._pool = self._connections(settings.dsn, size, sessions=not settings.pooled)
        self._sessions = self._pool
        if settings.pooled:
            self._sessions = self._connections(settings.session_dsn, few, sessions=True)
        metrics.watch_pool(self._stats)

    def _connections(
        self, dsn: str, size: int, *, sessions: bool
    ) -> AsyncConnectionPool[Connection]:
        return AsyncConnectionPool(
            dsn,
            open=False,
            min_size=0,
            max_size=size,
            timeout=self._pool_wait_seconds,
            max_waiting=size * WAITING_PER_CONNECTION,
            max_idle=MAX_IDLE_SECONDS,
            reconnect_timeout=RECONNECT_SECONDS,
            configure=self._configure if sessions else None,
            name="api" if sessions else "api-pooled",
            kwargs={
                "autocommit": True,
                # Prepared statements are a session's.
                **({} if sessions else {"prepare_threshold": None}),
                "connect_timeout": CONNECT_SECONDS,
                "application_name": "rollcall-api",
                # A network that swallows packets is found out while callers still wait.
                "keepalives_idle": 10,
                "keepalives_interval": 3,
                "keepalives_count": 3,
                "tcp_user_timeout": 10_000,
            },
        )

    @property
    def _pools(self) -> set[AsyncConnectionPool[Connection]]:
        return {self._pool, self._sessions}

    def _stats(self) -> Mapping[str, int]:
        return sum((Counter(pool.get_stats()) for pool in self._pools), Counter())

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
            self._retried(lambda: self._once(query, work)), self._deadline_seconds
        )

    async def export(
        self, query: str, work: Callable[[Connection], Awaitable[T]], has_begun: Callable[[], bool]
    ) -> T:
        """As :meth:`read`, for work that lasts, one of few at a time. Once it ``has_begun`` to
        answer it is not made again."""
        async with self._one_of_few(self._exports, "Too many exports are running."):
            exporting = self._retried(lambda: self._in_session(query, work), has_begun)
            return await self._bounded(exporting, EXPORT_SECONDS)

    async def scan(self, query: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        """As :meth:`read`, for work that reads whole tables, one of few at a time: the rest of the
        pool is for others."""
        async with self._one_of_few(self._scans, "Too many of these queries are running."):
            return await self.read(query, work)

    @asynccontextmanager
    async def _one_of_few(self, few: asyncio.Semaphore, refusal: str) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(few.acquire(), self._pool_wait_seconds)
        except TimeoutError:
            raise self._unavailable("pool_wait", refusal) from None
        try:
            yield
        finally:
            few.release()

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

    async def write(self, query: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        """As :meth:`read`, on a connection that may write, each statement by itself: a process
        that is frozen here holds no lock. ``work`` may be run twice."""

        return await self._bounded(
            self._retried(lambda: self._once(query, work, writes=True)), self._deadline_seconds
        )

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
            except psycopg.errors.QueryCanceled:
                raise
            except psycopg.OperationalError:
                if has_begun():
                    raise
                # PostgreSQL was restarted: the other idle connections are dead as well.
                for pool in self._pools:
                    await pool.drain()
                return await once()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """What goes wrong with PostgreSQL as what the caller is told."""
        try:
            yield
        except (PoolTimeout, TooManyRequests, PoolClosed):
            raise self._unavailable(
                "pool_wait", "The database is busy or cannot be reached."
            ) from None
        except psycopg.errors.QueryCanceled:
            raise self._unavailable(
                "statement_timeout", "The database took too long for this answer."
            ) from None
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise self._unavailable(
                "not_migrated", "The database has not been migrated to this version yet."
            ) from error
        except psycopg.OperationalError as error:
            raise self._unavailable("connection", "The database cannot be reached.") from error

    async def _once(
        self, query: str, work: Callable[[Connection], Awaitable[T]], *, writes: bool = False
    ) -> T:
        if self._pooled:
            return await self._in_transaction(query, work, writes=writes)
        return await self._in_session(query, self._writing(work) if writes else work)

    async def _in_session(self, query: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._connection(query, self._sessions) as connection:
            return await work(connection)

    async def _in_transaction(
        self, query: str, work: Callable[[Connection], Awaitable[T]], *, writes: bool
    ) -> T:
        async with self._connection(query, self._pool) as connection:
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
        with self._metrics.pool_waiting.track_inprogress():
            connection = await pool.getconn()
        try:
            with self._metrics.query_seconds[query].time():
                yield connection
            if self._away:
                self._away = False
                logger.info("The database answers again")
        finally:
            await pool.putconn(connection)

    async def _configure(self, connection: Connection) -> None:
        await connection.execute(self._configure_query, {"statement_timeout_ms": self._timeout_ms})

    def _unavailable(self, cause: str, detail: str) -> ProblemError:
        self._metrics.database_failures[cause].inc()
        if cause != "statement_timeout" and not self._away:
            self._away = True
            logger.warning("Calls get a 503: %s", detail)
        return ProblemError("unavailable", detail)
