"""Deliveries and their pages in PostgreSQL (``queries.sql``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from psycopg.rows import class_row

from processor.targeting.page import Page
from schemas.database.named_queries import load_queries
from schemas.database.pool import small_pool
from schemas.service.settings import DatabaseSettings

POOL_SIZE: Final = 2
WAIT_SECONDS: Final = 30.0
STATEMENT_TIMEOUT_MS: Final = 20_000
#: Destinations that one process sends to at a time.
AT_ONCE: Final = 8
#: After so long without a sign a delivery is another process's.
LEASE_SECONDS: Final = 10.0


class NotOursError(RuntimeError):
    """Another process holds the delivery, or it has ended."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process holds from now on."""

    id: UUID
    destination: str
    calls_per_second: float


@dataclass(frozen=True, slots=True)
class Receiver:
    """A webhook that takes audiences. Secrets are encrypted."""

    id: str
    url: str
    secret: bytes
    previous_secret: bytes | None


class TargetingStore:
    """Raises ``psycopg.Error`` and ``psycopg_pool.PoolTimeout``, which is one."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._queries = load_queries("processor.targeting", "queries.sql")
        self._holder = uuid4()
        self._pool = small_pool(
            "targeting",
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

    async def claim(self, most: int) -> list[Claimed]:
        """Deliveries that wait to be sent."""
        values = {**self._ours, "most": most}
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=class_row(Claimed)) as cursor,
        ):
            await cursor.execute(self._queries["claim"], values)
            return await cursor.fetchall()

    async def keep(self, deliveries: Collection[UUID]) -> None:
        """Say that these go on."""
        await self._run("keep", {"ids": list(deliveries)})

    async def release(self, deliveries: Collection[UUID]) -> None:
        """They need not be waited for."""
        await self._run("release", {"ids": list(deliveries)})

    async def page(self, delivery: UUID) -> Page:
        """The next one. Raises :class:`NotOursError`."""
        values = {**self._ours, "delivery": delivery}
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=class_row(Page)) as cursor,
        ):
            await cursor.execute(self._queries["page"], values)
            page = await cursor.fetchone()
        if page is None:
            raise NotOursError
        return page

    async def receiver(self, webhook: str) -> Receiver | None:
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=class_row(Receiver)) as cursor,
        ):
            await cursor.execute(self._queries["webhook"], {"webhook": webhook})
            return await cursor.fetchone()

    async def leave_out(self, page: Page, user_ids: list[str]) -> None:
        """``user_ids`` are those who stay. Raises :class:`NotOursError`."""
        many = len(page.user_ids) - len(user_ids)
        await self._change("leave_out", page, many=many, user_ids=user_ids)

    async def sent(self, page: Page) -> None:
        """Raises :class:`NotOursError`."""
        await self._change("sent", page, many=len(page.user_ids))

    async def failed(self, page: Page, problem: str, pause_seconds: float) -> None:
        await self._change("failed", page, problem=problem, pause_seconds=pause_seconds)

    async def end(self, page: Page, outcome: str, problem: str | None) -> None:
        await self._change("end", page, outcome=outcome, problem=problem)

    async def waiting(self) -> tuple[int, int, float]:
        """How many are on their way, how many of them fail, and the age of the oldest."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(self._queries["waiting"])).fetchone()
        return row or (0, 0, 0.0)

    @property
    def _ours(self) -> dict[str, Any]:
        return {"holder": self._holder, "lease_seconds": LEASE_SECONDS}

    async def _change(self, query: str, page: Page, **values: Any) -> None:
        place = {"delivery": page.delivery, "number": page.number}
        if not await self._run(query, {**place, **values}):
            raise NotOursError

    async def _run(self, query: str, values: Mapping[str, Any]) -> int:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(self._queries[query], {**self._ours, **values})
            return cursor.rowcount
