"""Everyone online of a partition is read some rows at a time, all of one moment."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio

from processor.store.online import ROWS_AT_ONCE
from processor.store.store import Store

USERS = 2 * ROWS_AT_ONCE + 7
NEW_USERS = """
INSERT INTO presence (
    user_id, "partition", state, reason, screen, changed_at, online_since, last_active,
    device_count, device, expires_at, signed_out, log_offset
)
SELECT %(prefix)s || n, 0, %(state)s::presence_state, 'started', 'Home', from_ms(n), from_ms(n),
       from_ms(1700000000000 + n), 1, 'phone', from_ms(253402300799000 + n), false, n
FROM generate_series(1, %(users)s) AS n
"""


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO stream_offsets VALUES (0, 7, now(), 7)")
        for prefix, state, users in (("on-", "foreground", USERS), ("off-", "offline", 50)):
            given = {"prefix": prefix, "state": state, "users": users}
            connection.execute(NEW_USERS, given)
    opened = Store(database_url)
    yield opened
    await opened.close()


async def test_all_who_are_online_are_read_as_of_one_moment(
    store: Store, database_url: str
) -> None:
    async with store.load(0) as stored:
        assert stored.next_offset == 7
        with psycopg.connect(database_url) as another:
            another.execute("DELETE FROM presence")
        chunks = [chunk async for chunk in stored.online]
    assert [len(chunk) for chunk in chunks] == [ROWS_AT_ONCE, ROWS_AT_ONCE, 7]
    read = {user.user_id: (user, offset) for chunk in chunks for user, offset in chunk}
    assert read.keys() == {f"on-{n}" for n in range(1, USERS + 1)}
    for n in (1, 999, 1_000, USERS):
        user, offset = read[f"on-{n}"]
        [device] = user.devices
        times = (user.changed_ms, device.last_active_ms, device.expires_ms, offset)
        assert times == (n, 1_700_000_000_000 + n, 253_402_300_799_000 + n, n)


async def test_who_stops_in_the_middle_leaves_the_connection_as_it_was(store: Store) -> None:
    async def stop_in_the_middle() -> None:
        async with store.load(0) as stored:
            async for _ in stored.online:
                raise RuntimeError("enough")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="enough"):
            await stop_in_the_middle()
        assert len(await store.load_users(["on-1", "off-1", "nobody"])) == 2


async def test_postgres_that_goes_away_in_the_middle_is_an_error_and_no_short_list(
    store: Store, database_url: str
) -> None:
    connection = await store.connected()
    pid = connection.info.backend_pid
    read = 0

    async def lose_postgres_in_the_middle() -> None:
        nonlocal read
        async with store.load(0) as stored:
            async for chunk in stored.online:
                read += len(chunk)
                with psycopg.connect(database_url, autocommit=True) as another:
                    another.execute("SELECT pg_terminate_backend(%s, 30000)", (pid,))

    with pytest.raises(psycopg.OperationalError):
        await lose_postgres_in_the_middle()
    assert read < USERS
    async with store.load(0) as stored:
        assert sum([len(chunk) async for chunk in stored.online]) == USERS
