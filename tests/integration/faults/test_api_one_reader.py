"""One reader must not take the API from the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import aiohttp
import pytest

from tests.rigs.api_harness import (
    Answer,
    Api,
    Table,
    api_settings,
    running_api,
    token,
    wait_until,
)

ONLINE = "/api/v1/online-users"
FEED = "/api/v1/feed"
#: A table that a scan of presence does not need.
AUDIT = "/api/v1/audiences/exports"
#: For a place. Much longer than a call takes on a busy machine.
WAIT_SECONDS = 8
OTHER = token("other", scope="presence:read presence:export")


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    settings = api_settings(
        database_url, api_pool_wait_seconds=WAIT_SECONDS, api_statement_timeout_seconds=60
    )
    async with running_api(settings) as running:
        yield running


class Lock:
    """Whoever reads presence waits, until it is given back: as slow as a query can be."""

    def __init__(self, table: Table) -> None:
        self._table = table
        table.run("BEGIN")
        table.run("LOCK TABLE presence IN ACCESS EXCLUSIVE MODE")

    def give_back(self) -> None:
        self._table.run("ROLLBACK")


@pytest.fixture
def locked(database_url: str) -> Iterator[Lock]:
    table = Table(database_url)
    table.deployment(1)
    table.offsets(0, foreground=1)
    yield Lock(table)
    table.close()


@pytest.mark.parametrize(
    "query",
    [
        "sort=-last_active",
        "device=pixel",
        *(
            pytest.param(query, marks=pytest.mark.long)
            for query in ("app_version=1.0", "state=background", "sort=user_id")
        ),
    ],
)
async def test_reads_without_an_index_of_one_reader_leave_the_rest_to_others(
    api: Api, locked: Lock, query: str
) -> None:
    # Another question each: the same one would be asked once for all.
    paths = [f"{ONLINE}?{query}&limit={number}" for number in range(461, 501)]
    calls = [asyncio.create_task(api.call(path)) for path in paths]

    async def have_come() -> bool:
        return api.metric("rollcall_api_pool_connections", state="in_use") >= 1

    await wait_until(have_come)
    # Who waited for a place would be refused: nobody gives one back.
    assert (await api.count()).status == 200
    assert (await api.call(AUDIT, bearer=OTHER)).status == 200
    # Two places for scans of eight connections: one reader has one of them.
    assert api.metric("rollcall_api_pool_connections", state="in_use") == 1
    refused: list[Answer] = []
    for call in asyncio.as_completed(calls):
        refused.append(await call)
        if len(refused) == 39:
            break
    assert {(answer.status, answer.json["code"]) for answer in refused} == {(429, "rate_limited")}
    assert {answer.headers["Retry-After"] for answer in refused} == {str(WAIT_SECONDS)}
    assert "You have too many" in refused[0].json["detail"]
    # PostgreSQL and the lane are as well as before: no alert counts it.
    assert api.metric("rollcall_api_database_failures_total", cause="lane_full") == 0
    locked.give_back()
    assert sorted([(await call).status for call in calls]) == [200, *[429] * 39]


async def test_scans_of_many_readers_fill_the_lane_and_that_is_nobodys_fault(
    api: Api, locked: Lock
) -> None:
    readers = [token(f"reader {number}") for number in range(4)]
    path = f"{ONLINE}?device=pixel"
    scans = [asyncio.create_task(api.call(path, bearer=reader)) for reader in readers]
    refused: list[Answer] = []
    for scan in asyncio.as_completed(scans):
        refused.append(await scan)
        if len(refused) == 2:
            break
    assert {answer.status for answer in refused} == {503}
    assert all("Too many of these queries" in answer.json["detail"] for answer in refused)
    assert api.metric("rollcall_api_database_failures_total", cause="lane_full") == 2
    locked.give_back()
    assert sorted([(await scan).status for scan in scans]) == [200, 200, 503, 503]


async def test_the_count_answers_while_every_connection_is_taken(
    database_url: str, locked: Lock
) -> None:
    # A busy machine takes its time to open eight connections.
    settings = api_settings(
        database_url, api_pool_wait_seconds=30, api_statement_timeout_seconds=30
    )
    async with running_api(settings) as api:
        readers = [token(f"reader {number}") for number in range(8)]
        calls = [asyncio.create_task(api.call(ONLINE, bearer=reader)) for reader in readers]

        async def all_are_taken() -> bool:
            return api.metric("rollcall_api_pool_connections", state="in_use") == 8

        await wait_until(all_are_taken)
        assert (await api.count()).json["count"] == 1
        assert await api.store.not_ready() is None
        locked.give_back()
        await asyncio.gather(*calls)


async def test_one_reader_cannot_take_every_place_of_the_feed(database_url: str) -> None:
    settings = api_settings(database_url, feed_viewers=5, feed_viewers_per_reader=2)
    async with running_api(settings) as api, AsyncExitStack() as followed:

        async def follow(user: str) -> aiohttp.ClientResponse:
            headers = {"Authorization": f"Bearer {token(user)}"}
            return await followed.enter_async_context(
                api.http.get(api.origin + FEED, headers=headers)
            )

        assert [(await follow("greedy")).status for _ in range(4)] == [200, 200, 429, 429]
        assert (await follow("other")).status == 200
        refused = await api.call(FEED, bearer=token("greedy"))
        assert refused.json["code"] == "rate_limited"
        assert "ROLLCALL_FEED_VIEWERS_PER_READER" in refused.json["detail"]
        assert int(refused.headers["Retry-After"]) >= 1
        assert [(await follow(f"reader-{number}")).status for number in range(3)] == [200, 200, 503]
