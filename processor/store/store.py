"""Presence in PostgreSQL: loading a partition, and committing a batch exactly once.

One connection, one transaction at a time. A batch is copied into temporary tables; then one round
trip advances ``stream_offsets`` from where this process believes it to be, applies the batch and
commits. So the lock of the fence lives for that round trip, and a process that was frozen holds
nothing that its successor waits for.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import psycopg
from psycopg import AsyncConnection, IsolationLevel

from processor.core.changes import published_change
from processor.core.log.last_read import LastRead
from processor.core.model import User
from processor.store.batch import RARE, Batch, copies, window_rows
from processor.store.presence_row import PRESENCE_PARTS, user_of_row
from processor.store.stored import Stored, read_stored
from schemas.database.named_queries import load_queries
from schemas.database.sqlstates import Meaning, meaning_of
from schemas.log.changes import Change
from schemas.log.privacy_flags import Flag
from schemas.service.user_hash import UserHash, UserHashKeyError

FENCE_LOST_SQLSTATE = "RC001"
CONNECT_TIMEOUT_SECONDS = 5

_last_read = msgspec.json.Decoder(LastRead)


class FenceLostError(RuntimeError):
    """Another processor has advanced a partition of the batch: nothing of it was applied."""


class RefusedDataError(RuntimeError):
    """The database cannot hold a value of the batch: nothing of it was applied."""


class Store:
    """Raises ``psycopg.Error``; ``schemas.database.sqlstates`` has what each means. While
    PostgreSQL is away the next call connects anew, and so it does after :meth:`close`."""

    def __init__(self, dsn: str, user_hash: UserHash | None = None) -> None:
        self.dsn = dsn
        self.user_hash = user_hash
        #: Of the topic that is read (``processor/core/log/positions.py``).
        self.log_base = 0
        self.queries = {
            **load_queries("processor.store", "queries.sql", PRESENCE_PARTS),
            **load_queries("processor.store", "analytics.sql"),
            **load_queries("processor.store", "privacy.sql"),
        }
        self._connection: AsyncConnection[tuple[Any, ...]] | None = None

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def next_offsets(self) -> dict[int, int]:
        """Where each partition of the deployment goes on."""
        connection = await self.connected()
        async with connection.transaction():
            cursor = await connection.execute(self.queries["next_offsets"])
            return dict(await cursor.fetchall())

    async def last_reads(self) -> dict[int, LastRead]:
        """The record before the next one, of the partitions of which it is known."""
        connection = await self.connected()
        async with connection.transaction():
            cursor = await connection.execute(self.queries["last_reads"])
            return {p: _last_read.decode(stored) for p, stored in await cursor.fetchall()}

    @asynccontextmanager
    async def load(self, partition: int) -> AsyncIterator[Stored]:
        """A partition and everyone online in it, as of one instant, which lasts as long as the
        context does. Raises ``UnusableDeploymentError``, too."""
        connection = await self.connected()
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        try:
            async with connection.transaction():
                found = read_stored(
                    connection, self.queries, partition, self.log_base, self._hashed
                )
                async with found as stored:
                    yield stored
        finally:
            if not connection.closed:
                await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)

    def _hashed(self, user_id: str) -> bytes:
        """Raises ``UserHashKeyError``: a log with privacy events is of a deployment with a key."""
        if self.user_hash is None:
            raise UserHashKeyError(
                "the log has an opt-out or an erasure, and this processor has no key to know users "
                "by: set ROLLCALL_USER_HASH_KEY to the deployment's"
            )
        return self.user_hash(user_id)

    async def flags(self, user_hashes: Iterable[bytes]) -> list[tuple[bytes, Flag]]:
        """What is stored of these users, as it is to be on ``presence.privacy``."""
        if self.user_hash is None:
            return []
        fingerprint = self.user_hash.fingerprint
        connection = await self.connected()
        async with connection.transaction():
            cursor = await connection.execute(self.queries["flags"], (list(user_hashes),))
            return [
                (user_hash, Flag(opted_out, partition, offset, fingerprint, erased_ms))
                for user_hash, partition, opted_out, offset, erased_ms in await cursor.fetchall()
            ]

    async def unpublished_flags(self, partition: int, through: int, below: int) -> list[bytes]:
        """The users whose last privacy event is of a record in ``[through, below)``."""
        connection = await self.connected()
        async with connection.transaction():
            cursor = await connection.execute(
                self.queries["unpublished_flags"], (partition, through, below)
            )
            return [user_hash for (user_hash,) in await cursor.fetchall()]

    async def load_users(self, user_ids: Iterable[str]) -> list[tuple[User, int]]:
        """Those of the users who are stored, as :class:`Stored` has those online."""
        connection = await self.connected()
        async with connection.transaction():
            cursor = await connection.execute(self.queries["load_users"], (list(user_ids),))
            return [user_of_row(row) for row in await cursor.fetchall()]

    async def shown_elsewhere(self, partition: int, day: int) -> dict[str, int]:
        """How many users of the other partitions showed each screen on ``day``, as far as they have
        come; five of each partition at most."""
        connection = await self.connected()
        async with connection.transaction():
            cursor = await connection.execute(
                self.queries["load_shown_elsewhere"], {"partition": partition, "day": day}
            )
            return dict(await cursor.fetchall())

    async def unpublished(self, partition: int, through: int, below: int) -> list[Change]:
        """Changes of records in ``[through, below)``, in the order of the log."""
        connection = await self.connected()
        async with connection.transaction():
            cursor = await connection.execute(
                self.queries["unpublished_changes"], (partition, through, below)
            )
            return [published_change(partition, row) for row in await cursor.fetchall()]

    async def commit(self, batches: Sequence[Batch], *, probe: bool = False) -> float:
        """Apply batches of different partitions together, once or not at all. With ``probe``
        only try whether the database would take them. Gives the seconds that copying the rows took,
        before the round trip that applies them.

        Raises :class:`FenceLostError`, :class:`RefusedDataError` where the database cannot hold a
        value, or another ``psycopg.Error`` (then it is not known whether the batch was applied;
        what is stored tells).
        """
        started = time.perf_counter()
        connection = await self.connected()
        queries = self.queries
        try:
            brought = [copied for copied in copies(batches) if copied[2]]
            has_rare = any(query in RARE for query, _, _ in brought)
            if has_rare:
                await connection.execute(queries["create_rare_tables"])
                await connection.execute(queries["create_privacy_tables"])
            for query, types, rows in brought:
                await self._copy(connection, query, types, rows)
            windows = window_rows(batches)
            copied = time.perf_counter()
            async with connection.pipeline():
                await connection.execute(queries["apply_batch"], (has_rare,))
                await connection.execute(
                    queries["apply_analytics"], (msgspec.json.encode(windows).decode(),)
                )
                if probe:
                    await connection.rollback()
                else:
                    await connection.commit()
        except psycopg.Error as error:
            await self._reset(connection)
            if error.sqlstate == FENCE_LOST_SQLSTATE:
                raise FenceLostError(str(error)) from error
            if meaning_of(error) is Meaning.DATA:
                cause = f"SQLSTATE {error.sqlstate}" if error.sqlstate else type(error).__name__
                raise RefusedDataError(f"PostgreSQL refuses it: {cause}") from error
            raise
        except BaseException:
            # A cancelled transaction's connection is in an unknown state.
            await self.close()
            raise
        return copied - started

    async def _copy(
        self,
        connection: AsyncConnection[tuple[Any, ...]],
        query: str,
        types: Sequence[str],
        rows: Iterable[tuple[Any, ...]],
    ) -> None:
        async with connection.cursor() as cursor, cursor.copy(self.queries[query]) as copy:
            copy.set_types(types)
            for row in rows:
                await copy.write_row(row)

    async def _reset(self, connection: AsyncConnection[tuple[Any, ...]]) -> None:
        try:
            await connection.rollback()
            await connection.execute(self.queries["empty_batch"])
            await connection.commit()
        except psycopg.Error:
            await self.close()

    async def connected(self) -> AsyncConnection[tuple[Any, ...]]:
        """The one connection, with the temporary tables of batches."""
        if self._connection is not None and not self._connection.closed:
            return self._connection
        connection = await AsyncConnection.connect(
            self.dsn,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name="rollcall-processor",
        )
        try:
            await connection.execute(self.queries["create_batch_tables"])
            await connection.execute(self.queries["create_empty_batch"])
            await connection.execute(self.queries["create_apply_privacy"])
            await connection.execute(self.queries["create_apply_signs_of_life"])
            await connection.execute(self.queries["create_apply_batch"])
            await connection.execute(self.queries["create_analytics_tables"])
            await connection.execute(self.queries["create_apply_analytics"])
            await connection.commit()
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        return connection
