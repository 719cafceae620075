"""Alerts in PostgreSQL, by one connection (``queries.sql`` and ``schemas/alerts/queries.sql``)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import class_row

from schemas.alerts.evaluate import Notice, State
from schemas.alerts.forms import MAX_ALERTS, queries
from schemas.alerts.message import Target, body, note_text, notice_id
from schemas.alerts.reading import Asked, Known, instant
from schemas.alerts.rule import AlertRule
from schemas.database.named_queries import load_queries
from schemas.database.pool import small_pool
from schemas.service.settings import DatabaseSettings

WAIT_SECONDS: Final = 30.0
STATEMENT_TIMEOUT_MS: Final = 20_000
NOTICES_KEPT_DAYS: Final = 30
AT_ONCE: Final = 10
#: As api/annotations has them: alerts leave room for what readers write.
MOST_NOTES, MOST_NOTES_OF_A_DAY = 1_000, 25
#: Of the advisory lock: only one process looks.
LOCK_KEY: Final = 0x616C6572


@dataclass(frozen=True, slots=True)
class Stored:
    """An alert as it is stored; ``state`` is ``None`` until it was first looked at."""

    id: str
    rule: dict[str, Any]
    target: Target
    state: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notice that is this process's to deliver, for a while."""

    id: str
    alert: str
    body: bytes
    attempts: int
    target: Target
    address: str
    secret: bytes
    previous_secret: bytes | None
    age_seconds: float


class AlertStore:
    """Raises ``psycopg.Error`` and ``psycopg_pool.PoolTimeout``, which is one."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._queries = {**queries(), **load_queries("processor.alerts", "queries.sql")}
        self._pool = small_pool(
            "alerts",
            settings.dsn,
            pooled=settings.pooled,
            size=1,
            wait_seconds=WAIT_SECONDS,
            statement_timeout_ms=STATEMENT_TIMEOUT_MS,
        )

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close(timeout=1.0)

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[Looking]:
        """A transaction: what it finds is stored with how far it looked, or nothing is."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(self._queries["begin"])
            yield Looking(connection, self._queries)

    async def claim(self, lease_seconds: float, mail_lease_seconds: float) -> list[Claimed]:
        """Notices to deliver now, the oldest of each alert."""
        values = {
            "most": AT_ONCE,
            "lease_seconds": lease_seconds,
            "mail_lease_seconds": mail_lease_seconds,
        }
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=class_row(Claimed)) as cursor,
        ):
            await cursor.execute(self._queries["claim"], values)
            return await cursor.fetchall()

    async def delivered(self, notice: str) -> None:
        await self._run("delivered", {"id": notice})

    async def failed(self, notice: str, problem: str, pause_seconds: float) -> None:
        values = {"id": notice, "problem": problem, "pause_seconds": pause_seconds}
        await self._run("failed", values)

    async def given_up(self, notice: str, problem: str) -> None:
        await self._run("given_up", {"id": notice, "problem": problem})

    async def forget(self) -> None:
        """What was told a month ago."""
        await self._run("forget", {"days": NOTICES_KEPT_DAYS})

    async def _run(self, query: str, values: Mapping[str, Any]) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(self._queries[query], values)


class Looking:
    """Reads and writes of one transaction."""

    def __init__(self, connection: AsyncConnection[Any], queries: dict[str, bytes]) -> None:
        self._connection = connection
        self._queries = queries

    async def is_ours(self) -> bool:
        """Whether no other process looks now."""
        row = await self._one("own", {"key": LOCK_KEY})
        return row == (True,)

    async def as_of(self) -> datetime | None:
        """Log time up to which everything is stored; ``None``: nothing can be said now."""
        row = await self._one("now", {})
        at: datetime | None = row[0] if row is not None else None
        return at

    async def alerts(self) -> list[Stored]:
        async with self._connection.cursor(row_factory=class_row(Stored)) as cursor:
            await cursor.execute(self._queries["alerts"], {"most": MAX_ALERTS})
            return await cursor.fetchall()

    async def peak(self, before: int) -> tuple[float | None, datetime | None]:
        """The highest before, and since when there is history."""
        row = await self._one("peak", {"before": instant(before)})
        return (None, None) if row is None else (row[0], row[1])

    async def known(self, asked: Asked) -> Known:
        """What rules are held against: one query for all of them."""
        asked_range = asked.range
        if asked_range is None:
            return Known((), ())
        outages = await self._connection.execute(self._queries["outages"], asked_range)
        found = await outages.fetchall()
        points = await self._connection.execute(self._queries["points"], asked.values)
        return Known(await points.fetchall(), found)

    async def advance(self, alert: str, state: State) -> None:
        said = json.dumps(msgspec.to_builtins(state))
        await self._connection.execute(self._queries["advance"], {"id": alert, "state": said})

    async def tell(self, alert: str, target: Target, rule: AlertRule, notice: Notice) -> None:
        """To be delivered once this transaction is there."""
        values = {
            "id": notice_id(alert, notice),
            "alert": alert,
            "kind": notice.kind,
            "at": instant(notice.at),
            "body": body(target, alert, rule, notice),
        }
        await self._connection.execute(self._queries["notice"], values)

    async def mark(self, alert: str, rule: AlertRule, notice: Notice) -> None:
        """On charts."""
        digest = hashlib.sha256(f"{alert}:{notice.at}".encode()).hexdigest()
        values = {
            "id": digest[:32],
            "at": instant(notice.at),
            "text": note_text(rule, notice),
            "alert": alert,
            "most": MOST_NOTES,
            "most_of_day": MOST_NOTES_OF_A_DAY,
        }
        await self._connection.execute(self._queries["note"], values)

    async def _one(self, query: str, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        cursor = await self._connection.execute(self._queries[query], values)
        return await cursor.fetchone()
