"""Rows in batches: what a reader who left leaves behind touches nobody else's."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import pytest
from prometheus_client import CollectorRegistry

from api.analytics.unique_users import unique_users
from api.http.documents import select
from api.metrics import ApiMetrics
from api.postgres.database import Connection, Database
from schemas.measures.sketches import sketch_of
from tests.rigs.api_harness import api_settings

Rows: TypeAlias = AsyncIterator[Any]
SKETCH = sketch_of(["ada"], b"key").hex()
SKETCHES = f"""
SELECT n::text AS screen, 1 AS bucket, date '2026-03-01', '\\x{SKETCH}'::bytea, 1, 1
FROM generate_series(1, 2000) AS n
"""


def numbers(connection: Connection) -> Rows:
    return select(connection, b"SELECT n FROM generate_series(1, 2000) AS n", {})


def estimates(connection: Connection) -> Rows:
    return unique_users(connection, SKETCHES.encode(), {})


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """One whose next reader gets the connection of the one before."""
    opened = Database(api_settings(database_url, api_pool_size=1), ApiMetrics(CollectorRegistry()))
    await opened.open()
    yield opened
    await opened.close()


@pytest.mark.parametrize("opened", [numbers, estimates])
async def test_what_a_reader_who_left_leaves_behind_does_not_touch_the_next_ones_rows(
    database: Database, opened: Callable[[Connection], Rows]
) -> None:
    """The connection is somebody else's when Python comes to collect what had been reading."""
    left: list[Rows] = []

    async def leave(connection: Connection) -> None:
        async with connection.transaction():
            left.append(opened(connection))
            await anext(left[0])
            raise ConnectionResetError

    async def read(connection: Connection) -> int:
        async with connection.transaction():
            rows = opened(connection)
            await anext(rows)
            left.clear()
            gc.collect()
            await asyncio.sleep(0)  # the loop's turn to close what was dropped
            await asyncio.sleep(0)
            return 1 + len([row async for row in rows])

    with pytest.raises(ConnectionResetError):
        await database.read("screens", leave)
    assert await database.read("screens", read) >= 4
    assert await database.read("screens", read) >= 4


async def test_rows_that_have_ended_stay_ended(database: Database) -> None:
    async def read(connection: Connection) -> None:
        async with connection.transaction():
            rows = numbers(connection)
            assert len([batch async for batch in rows]) == 4
            assert await anext(rows, None) is None

    await database.read("screens", read)


@pytest.mark.parametrize("pooled", [False, True])
async def test_no_plan_is_compiled(database_url: str, pooled: bool) -> None:
    """By default PostgreSQL compiles what it takes for dear, which takes longer than it saves."""
    pooler = {"database_session_url": database_url} if pooled else {}
    opened = Database(api_settings(database_url, **pooler), ApiMetrics(CollectorRegistry()))
    await opened.open()

    async def shown(connection: Connection) -> str:
        row = await (await connection.execute("SHOW jit")).fetchone()
        assert row is not None
        return str(row[0])

    try:
        assert await opened.read("screens", shown) == "off"
    finally:
        await opened.close()
