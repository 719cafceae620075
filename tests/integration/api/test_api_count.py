"""The public count: what it says, how good it says that it is, and what it costs."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

import psycopg
import pytest

from api.presence.store import COUNT_SHARED_SECONDS, METRICS_SECONDS
from schemas.database.named_queries import filled, load_queries
from tests.rigs.api_harness import (
    DEADLINE_SECONDS,
    Answer,
    Api,
    Table,
    api_settings,
    running_api,
    wait_until,
)

BADGE = "/api/v1/count/badge.svg"


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(database_url, stale_after_seconds=600)) as running:
        yield running


@pytest.fixture
def database_url(cleared_database_url: str) -> str:
    return cleared_database_url


@pytest.fixture
def table(database_url: str) -> Iterator[Table]:
    opened = Table(database_url)
    yield opened
    opened.close()


async def test_without_a_deployment_nobody_is_online_and_it_is_stale(api: Api) -> None:
    answer = await api.count()
    assert answer.status == 200
    assert answer.json == {
        "count": 0,
        "by_state": {"foreground": 0, "background": 0},
        "as_of": None,
        "window_seconds": 300,
        "stale": True,
    }


async def test_the_count_is_the_sum_over_partitions_as_of_the_oldest(
    api: Api, table: Table
) -> None:
    table.deployment(3)
    table.offsets(0, age_seconds=0, foreground=5, background=1)
    table.offsets(1, age_seconds=4, foreground=7)
    table.offsets(2, age_seconds=1, background=2, policy={"offline_after_ms": 240_000})
    answer = (await api.count()).json
    assert answer["count"] == 15
    assert answer["by_state"] == {"foreground": 12, "background": 3}
    assert answer["window_seconds"] == 240
    assert answer["stale"] is False
    assert answer["as_of"].endswith("Z")
    [[oldest]] = table.run("SELECT min(log_time) FROM stream_offsets")
    said = datetime.fromisoformat(answer["as_of"])
    assert said == oldest.replace(microsecond=oldest.microsecond // 1000 * 1000)


async def test_the_window_is_the_longest_of_the_policies_in_force(api: Api, table: Table) -> None:
    table.deployment(2)
    table.offsets(0, policy={"offline_after_ms": 2_500})
    table.offsets(1, policy={"offline_after_ms": 1_000})
    assert (await api.count()).json["window_seconds"] == 2.5


@pytest.mark.parametrize(
    ("ages", "as_of_is_known", "stale"),
    [
        ([0.0, 500.0], True, False),
        ([0.0, 601.0], True, True),
        ([0.0, None], False, True),  # a partition that has read nothing yet
        ([0.0], False, True),  # a partition without a row
        ([0.0, -0.5], True, False),  # two clocks
        ([-60.0, -60.0], True, True),  # the future
        ([0.0, 0.0, 86_400.0], True, False),  # of a partition that the deployment has not
    ],
)
async def test_as_of_and_stale(
    api: Api, table: Table, ages: list[float | None], as_of_is_known: bool, stale: bool
) -> None:
    table.deployment(2)
    for partition, age_seconds in enumerate(ages):
        table.offsets(partition, age_seconds=age_seconds, foreground=1)
    answer = (await api.count()).json
    assert (answer["as_of"] is not None) is as_of_is_known
    assert answer["stale"] is stale
    assert answer["count"] == min(len(ages), 2)  # what is known is counted, as lists show it


async def test_caches_and_other_pages_may_use_it(api: Api) -> None:
    for method in ("GET", "HEAD"):
        answer = await api.call("/api/online-users-count", method, bearer=None)
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "public, max-age=1"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Request-ID"]
        assert int(answer.headers["Content-Length"]) > 0


async def test_the_count_is_a_picture_for_any_page(api: Api, table: Table) -> None:
    table.deployment(1)
    table.offsets(0, foreground=1283)
    answer = await api.call(f"{BADGE}?label=%3Cb%3E%20here&at=7", bearer=None)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "image/svg+xml; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=1"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert b"&lt;b&gt; here: 1,283 (as of " in answer.body
    table.offsets(0, foreground=1283, age_seconds=3_600)

    async def says_stale() -> bool:
        return b"1,283, stale" in (await api.call(BADGE, bearer=None)).body

    await wait_until(says_stale)
    refused = await api.call(f"{BADGE}?label={'x' * 33}", bearer=None)
    assert (refused.status, refused.json["code"]) == (400, "bad_parameter")


async def test_no_token_is_looked_at(api: Api) -> None:
    assert (await api.call("/api/online-users-count", bearer="nonsense")).status == 200


async def test_a_stampede_is_one_read(api: Api, table: Table) -> None:
    table.deployment(1)
    table.offsets(0, foreground=3)
    started = time.monotonic()
    answers = await asyncio.gather(*(api.count() for _ in range(100)))
    assert {answer.json["count"] for answer in answers} == {3}
    reads = api.metric("rollcall_api_query_seconds_count", query="freshness")
    # On a slow machine they do not come in one half second.
    assert reads <= 2 + (time.monotonic() - started) / COUNT_SHARED_SECONDS


async def test_a_new_count_is_seen_soon(api: Api, table: Table) -> None:
    table.deployment(1)
    table.offsets(0, foreground=1)
    assert (await api.count()).json["count"] == 1
    table.offsets(0, foreground=2)

    async def is_seen() -> bool:
        seen: Any = (await api.count()).json
        return bool(seen["count"] == 2)

    await wait_until(is_seen)


async def test_prometheus_is_told_of_the_fleet_and_of_the_pool(
    api: Api, table: Table, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.deployment(1)
    table.offsets(0, foreground=3, background=2)
    await api.store.refresh_metrics()
    assert api.metric("rollcall_online_users", state="foreground") == 3
    assert api.metric("rollcall_online_users", state="background") == 2
    assert 0 <= api.metric("rollcall_api_as_of_age_seconds") < 60
    assert (await api.call("/api/v1/users")).status == 200
    assert api.metric("rollcall_api_pool_connections", state="idle") >= 1
    assert api.metric("rollcall_api_pool_connections", state="in_use") == 0
    assert api.metric("rollcall_api_pool_limit") == 8
    with psycopg.connect(database_url) as locker:
        locker.execute("LOCK TABLE stream_offsets IN ACCESS EXCLUSIVE MODE")
        # Prometheus waits for no lock, and gets no old figure for a new one.
        with monkeypatch.context() as in_life:
            in_life.setattr("api.presence.store.METRICS_SECONDS", METRICS_SECONDS)
            async with asyncio.timeout(DEADLINE_SECONDS / 2):
                await api.store.refresh_metrics()
        assert math.isnan(api.metric("rollcall_online_users", state="foreground"))
        assert math.isnan(api.metric("rollcall_api_as_of_age_seconds"))
    await api.store.refresh_metrics()
    assert api.metric("rollcall_online_users", state="foreground") == 3


async def test_its_cost_does_not_grow_with_the_fleet(api: Api, table: Table) -> None:
    table.deployment(1)
    table.offsets(0, foreground=1)
    for number in range(20):
        table.user(f"u{number}")
    assert (await api.count()).json["count"] == 1  # the processor's live count, not the rows
    queries = load_queries("api.presence", "queries.sql")
    [[plan]] = table.run(
        "EXPLAIN (FORMAT JSON) " + filled(queries["freshness"], away=queries["no_members"]).decode()
    )
    tables = set(re.findall(r"'Relation Name': '(\w+)'", str(plan)))
    assert tables == {"deployment", "stream_offsets", "clock_steps", "audits"}


async def test_an_address_that_asks_too_often_is_told_when_to_come_back(database_url: str) -> None:
    settings = api_settings(
        database_url,
        count_calls_per_second=0.02,
        count_calls_burst=3,
        trusted_proxies="127.0.0.1",
    )
    async with running_api(settings) as api:

        async def ask(client: str) -> Answer:
            return await api.call(
                "/api/online-users-count", bearer=None, headers={"X-Forwarded-For": client}
            )

        answers = [await ask("198.51.100.1") for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        refused = answers[-1]
        assert refused.json["code"] == "rate_limited"
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.headers["Cache-Control"] == "no-store"
        assert refused.headers["Access-Control-Allow-Origin"] == "*"
        assert 30 < int(refused.headers["Retry-After"]) <= 50
        assert api.metric("rollcall_api_rate_limited_total", route="count") == 1
        # The picture is the same count.
        badge = await api.call(BADGE, bearer=None, headers={"X-Forwarded-For": "198.51.100.1"})
        assert badge.status == 429
        assert (await ask("198.51.100.2")).status == 200
        # Staff are no strangers: their calls have no limit of this kind.
        assert (await api.get("/api/v1/online-users")).status == 200
