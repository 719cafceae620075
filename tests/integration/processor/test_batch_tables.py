"""The temporary tables through which batches come: each finds them empty, and they do not grow."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from processor.core.effects import Record
from processor.core.partition import Partition
from processor.store.claim import claim_deployment
from processor.store.store import FenceLostError, RefusedDataError, Store
from processor.work import RawRecord, Work
from schemas.log.events import Heartbeat, encode_batch
from tests.rigs.rig import rows
from tests.unit.processor.fence_reference import POLICY, START_MS

TABLES = ("offsets", "presence", "signs_of_life", "changes", "spans", "sessions", "user_days")
LEFT = " UNION ALL ".join(f"SELECT count(*) FROM batch_{table}" for table in TABLES)
FILES = "SELECT pg_relation_filenode('batch_presence'), pg_relation_size('batch_presence')"
#: As of a batch of thousands.
MANY = "INSERT INTO batch_presence (user_id) SELECT repeat('x', 1000) FROM generate_series(1, 3000)"
ONE_DAY_MS = 86_400_000


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    opened = Store(database_url)
    await claim_deployment(opened, "events", str(uuid.UUID(int=1)), {0: 0})
    yield opened
    await opened.close()


async def ask(store: Store, query: str) -> list[tuple[Any, ...]]:
    """In the session that stores batches: nobody else sees its tables."""
    connection = await store.connected()
    async with connection.transaction():
        return await (await connection.execute(query)).fetchall()


async def write(store: Store, state: Partition, *screens: str, probe: bool = False) -> None:
    """One record, a day after the one before, so that a session ended between them."""
    at_ms = START_MS + ONE_DAY_MS * state.next_offset
    beats = [Heartbeat(user="ada", token="t", device_id="phone", screen=s) for s in screens]
    raw = RawRecord(0, state.next_offset, at_ms, encode_batch(beats))
    work = Work(state, state.next_offset, raw)
    record = raw.decoded({})
    assert isinstance(record, Record)
    state.apply(record, work.effects)
    await store.commit([work.batch()], probe=probe)


async def test_a_batch_finds_nothing_of_one_that_was_stored_tried_refused_or_fenced_off(
    store: Store, database_url: str
) -> None:
    state = Partition(0, 1, POLICY, next_offset=0)
    await write(store, state, "Home")
    for probed in ("Cart", "Paid"):
        tried = Partition(0, 1, POLICY, next_offset=1)
        await write(store, tried, probed, probe=True)
    with psycopg.connect(database_url) as db:
        db.execute("ALTER TABLE spans ADD CHECK (screen <> 'Refused')")
    refused = Partition(0, 1, POLICY, next_offset=1)
    with pytest.raises(RefusedDataError):
        await write(store, refused, "Refused", "Home")
    with pytest.raises(FenceLostError):
        await write(store, Partition(0, 1, POLICY, next_offset=7), "Elsewhere")
    await write(store, state, "Shop")
    assert await ask(store, LEFT) == [(0,)] * len(TABLES)
    shown = "SELECT user_screen FROM changes WHERE state <> 'offline' ORDER BY at"
    assert rows(database_url, shown) == [("Home",), ("Shop",)]
    assert rows(database_url, "SELECT count(*) FROM sessions") == [(1,)]


async def test_pages_of_batches_are_let_go_when_they_are_many_and_not_each_time(
    store: Store,
) -> None:
    state = Partition(0, 1, POLICY, next_offset=0)
    await write(store, state, "Home")
    [(first, size)] = await ask(store, FILES)
    assert size > 0
    await write(store, state, "Cart")
    assert await ask(store, FILES) == [(first, size)]

    connection = await store.connected()
    await connection.execute(MANY)
    await connection.rollback()
    await write(store, state, "Home")
    [(second, size)] = await ask(store, FILES)
    assert (second == first, size) == (False, 0)

    # One that the database never takes comes again and again.
    await connection.execute(MANY)
    with pytest.raises(FenceLostError):
        await write(store, Partition(0, 1, POLICY, next_offset=0), "Elsewhere")
    [(third, size)] = await ask(store, FILES)
    assert (third == second, size) == (False, 0)


async def test_a_session_that_ended_takes_its_tables_along(store: Store) -> None:
    state = Partition(0, 1, POLICY, next_offset=0)
    await write(store, state, "Home")
    await ask(store, "SELECT 1")
    connection = await store.connected()
    pid = connection.info.backend_pid
    with psycopg.connect(store.dsn) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    with pytest.raises(psycopg.OperationalError):
        await ask(store, "SELECT 1")
    await write(store, state, "Cart")
    assert await ask(store, LEFT) == [(0,)] * len(TABLES)
