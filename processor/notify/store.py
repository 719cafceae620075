"""Cursors, messages on their way and dead letters in PostgreSQL (``queries.sql``)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import class_row

from processor.notify.clock import Reading
from processor.notify.once import Telling
from schemas.database.named_queries import load_queries
from schemas.database.pool import small_pool
from schemas.service.settings import DatabaseSettings
from schemas.webhooks.forms import MAX_WEBHOOKS

POOL_SIZE: Final = 4
WAIT_SECONDS: Final = 10.0
STATEMENT_TIMEOUT_MS: Final = 10_000
#: At once, of one process.
MAX_REPLAYS: Final = 100
DEAD_LETTERS_KEPT_DAYS: Final = 30
#: More than the days of changes that Kafka has, and a timer.
OUTAGES_OF_DAYS: Final = 9
MAX_OUTAGES: Final = 1_000


class Place(NamedTuple):
    """Whose cursor: ``dead_letter`` 0 is that of what is new."""

    webhook: str
    partition: int
    dead_letter: int


@dataclass(frozen=True, slots=True)
class Webhook:
    """One that is not disabled. Secrets are encrypted."""

    id: str
    url: str
    filter: dict[str, Any]
    created_at: datetime
    secret: bytes
    previous_secret: bytes | None


@dataclass(frozen=True, slots=True)
class Message:
    """Fixed: the same at each attempt. Times are Unix seconds; ``oldest_at`` is Kafka's."""

    id: str
    body: bytes
    changes: int
    next_offset: int
    oldest_at: float
    fixed_at: float
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Cursor:
    """``until_offset`` is ``None`` for what is new."""

    next_offset: int
    until_offset: int | None
    message: Message | None


@dataclass(frozen=True, slots=True)
class Memory:
    """What a message changes of whom a live audience has told."""

    window_seconds: int
    told: Sequence[Telling]
    forgotten: Collection[str]


class MovedError(RuntimeError):
    """The cursor is not where this process knew it: another one has the partition."""


class NotifyStore:
    """Raises ``psycopg.Error`` and ``psycopg_pool.PoolTimeout``, which is one."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._queries = load_queries("processor.notify", "queries.sql")
        self._pool = small_pool(
            "notify",
            settings.dsn,
            pooled=settings.pooled,
            size=POOL_SIZE,
            wait_seconds=WAIT_SECONDS,
            statement_timeout_ms=STATEMENT_TIMEOUT_MS,
        )

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close(timeout=1.0)

    async def webhooks(self) -> list[Webhook]:
        """All that are not disabled."""
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=class_row(Webhook)) as cursor,
        ):
            await cursor.execute(self._queries["webhooks"], {"most": MAX_WEBHOOKS})
            return await cursor.fetchall()

    async def replays(self, partitions: Collection[int]) -> list[Place]:
        """The oldest of these partitions."""
        values = {"partitions": list(partitions), "most": MAX_REPLAYS}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(self._queries["replays"], values)).fetchall()
        return [Place(*row) for row in rows]

    async def erased(self, hashes: Collection[bytes]) -> dict[bytes, datetime]:
        """Who of these users was erased, by hash, and until which log time."""
        values = {"hashes": list(hashes)}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(self._queries["erased"], values)).fetchall()
        return dict(rows)

    async def readings(self, partitions: Collection[int]) -> list[Reading]:
        """Of those partitions that have log time."""
        values = {
            "partitions": list(partitions),
            "days": OUTAGES_OF_DAYS,
            "most": MAX_OUTAGES,
        }
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(self._queries["readings"], values)).fetchall()
        return [Reading(*row) for row in rows]

    async def dead_letters(self) -> int:
        """How many wait to be replayed."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(self._queries["dead_letters"])).fetchone()
        return int(row[0]) if row is not None else 0

    async def forget_old_dead_letters(self) -> None:
        """And of disabled webhooks whom they told."""
        values = {"days": DEAD_LETTERS_KEPT_DAYS}
        async with self._pool.connection() as connection:
            await connection.execute(self._queries["forget_old_dead_letters"], values)
            await connection.execute(self._queries["forget_old_told"])

    async def cursor(self, place: Place) -> Cursor | None:
        """``None``: there is none yet, or its webhook is gone."""
        async with self._pool.connection() as connection:
            row = await (
                await connection.execute(self._queries["cursor"], place._asdict())
            ).fetchone()
        if row is None:
            return None
        next_offset, until_offset, message_id, body, changes, ends, oldest, fixed, attempts = row
        message = None
        if message_id is not None:
            message = Message(
                message_id, body, changes, ends, oldest.timestamp(), fixed.timestamp(), attempts
            )
        return Cursor(next_offset, until_offset, message)

    async def begin(self, place: Place, next_offset: int) -> None:
        await self._run("begin", place, next_offset=next_offset)

    async def advance(self, place: Place, from_offset: int, next_offset: int) -> None:
        await self._change("advance", place, from_offset=from_offset, next_offset=next_offset)

    async def fix(
        self, place: Place, from_offset: int, message: Message, memory: Memory | None = None
    ) -> None:
        """Before the first attempt; of a live audience with whom it tells, or nothing is stored."""
        values = {
            "from_offset": from_offset,
            "message_id": message.id,
            "body": message.body,
            "changes": message.changes,
            "next_offset": message.next_offset,
            "oldest_at": _instant(message.oldest_at),
            "fixed_at": _instant(message.fixed_at),
        }
        if memory is None:
            await self._change("fix", place, **values)
            return
        remembered = {
            **place._asdict(),
            "users": [each.user_id for each in memory.told],
            "timers": [each.timer for each in memory.told],
            "at": [_instant(each.at_ms / 1000) for each in memory.told],
            "window_seconds": memory.window_seconds,
            "forgotten": list(memory.forgotten),
        }
        connection: AsyncConnection[Any]
        async with self._pool.connection() as connection, connection.transaction():
            placed = {**place._asdict(), **values}
            if not (await connection.execute(self._queries["fix"], placed)).rowcount:
                raise MovedError(f"fix: the cursor of {place} was moved by somebody else")
            await connection.execute(self._queries["forget_told_users"], remembered)
            await connection.execute(self._queries["remember_told"], remembered)

    async def told(self, place: Place, users: Collection[str]) -> dict[str, list[Telling]]:
        """Whom of these users a live audience has told, as far as it is remembered."""
        values = {**place._asdict(), "users": list(users)}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(self._queries["told"], values)).fetchall()
        found: dict[str, list[Telling]] = {}
        for user_id, timer, at_ms in rows:
            found.setdefault(user_id, []).append(Telling(user_id, timer, at_ms))
        return found

    async def forget_told(self, place: Place, log_ms: int) -> None:
        """Those whose window was over by then."""
        await self._run("forget_told", place, until=_instant(log_ms / 1000))

    async def asked_to_forget(self, hashes: Collection[bytes]) -> set[bytes]:
        """Who of these has opted out, or asked for an erasure that is not done yet."""
        values = {"hashes": list(hashes)}
        async with self._pool.connection() as connection:
            rows = await (
                await connection.execute(self._queries["asked_to_forget"], values)
            ).fetchall()
        return {user_hash for (user_hash,) in rows}

    async def hash_key(self) -> str | None:
        """The fingerprint of the deployment's key of hashes; ``None``: nobody can have opted
        out."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(self._queries["hash_key"])).fetchone()
        return None if row is None else str(row[0])

    async def failed(self, place: Place, message_id: str, attempts: int, problem: str) -> None:
        await self._change(
            "failed", place, message_id=message_id, attempts=attempts, problem=problem
        )

    async def delivered(self, place: Place, message_id: str) -> None:
        await self._change("delivered", place, message_id=message_id)

    async def given_up(self, place: Place, message_id: str) -> None:
        """It becomes a dead letter, or a part of one."""
        await self._run("given_up", place, message_id=message_id)

    async def lost(self, place: Place, from_offset: int, to_offset: int) -> None:
        await self._run("lost", place, from_offset=from_offset, to_offset=to_offset)

    async def replayed(self, place: Place) -> None:
        await self._run("replayed", place)

    async def disable(self, webhook: str) -> None:
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(self._queries["hold"], {"webhook": webhook})
            await connection.execute(self._queries["disable"], {"webhook": webhook})

    async def _change(self, query: str, place: Place, **values: Any) -> None:
        """Raises :class:`MovedError` if there was nothing to change."""
        if not await self._run(query, place, **values):
            raise MovedError(f"{query}: the cursor of {place} was moved by somebody else")

    async def _run(self, query: str, place: Place, **values: Any) -> int:
        connection: AsyncConnection[Any]
        async with self._pool.connection() as connection:
            cursor = await connection.execute(self._queries[query], {**place._asdict(), **values})
            return cursor.rowcount


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
