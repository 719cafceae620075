"""``GET /api/v1/health`` over admin ports that are real: of services here, and of a process."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from jsonschema import Draft202012Validator
from prometheus_client import CollectorRegistry

from api.health.calls import DATABASE_SECONDS
from api.health.poll import MOST_BYTES
from api.openapi import document
from deploy.local.ports import free_port
from ingest.metrics import IngestMetrics
from processor.watch.lag import PartitionLag
from processor.watch.metrics import Metrics
from processor.watch.partition_metrics import PartitionMetrics
from schemas.http.admin_port import create_admin_app
from schemas.service.distribution import rollcall_version
from tests.rigs.api_harness import SECRET, Api, Table, api_settings, running_api, wait_until
from tests.suite.forks import Process, start_python

VERSION = rollcall_version()
#: For one that never answers; the others of its test must.
SECONDS = 4.0
PAGE = (Path(__file__).parents[3] / "docs/api.md").read_text("utf-8")
EXAMPLE = json.loads(
    PAGE.partition("\n## Health\n")[2].partition("```json\n")[2].partition("```")[0]
)
SCHEMAS = document("0")["components"]


@pytest.fixture
def table(shared_database_url: str) -> Iterator[Table]:
    opened = Table(shared_database_url)
    opened.clear()
    opened.deployment(3)
    for partition in range(3):
        opened.offsets(partition)
    yield opened
    opened.close()


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """Its address."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"127.0.0.1:{site.port}"
    finally:
        await runner.cleanup()


def admin_app(registry: CollectorRegistry, reason: str | None = None) -> web.Application:
    async def not_ready() -> str | None:
        return reason

    return create_admin_app(registry, not_ready)


def processor(*lags: tuple[int, int]) -> CollectorRegistry:
    """The metrics of one that has these partitions, so many records behind."""
    registry = CollectorRegistry()
    Metrics(registry)
    standings = [PartitionLag(number, None, None, records, 1.5) for number, records in lags]
    registry.register(PartitionMetrics(lambda: standings))
    return registry


@asynccontextmanager
async def asking(url: str, *targets: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(url, admin_targets=",".join(targets))) as api:
        yield api


async def health(api: Api) -> dict[str, Any]:
    answer = await api.call("/api/v1/health")
    assert answer.status == 200
    told: dict[str, Any] = answer.json
    schema = {"$ref": "#/components/schemas/Health", "components": SCHEMAS}
    Draft202012Validator(schema).validate(told)
    return told


def fields(value: Any) -> Any:
    """Names all the way down, in order; of a list those of its first item."""
    if isinstance(value, dict):
        return [(name, fields(each)) for name, each in value.items()]
    return fields(value[0]) if isinstance(value, list) and value else None


def states(told: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(each["state"], each["reason"]) for each in told["processes"]]


async def test_it_tells_of_processes_and_of_what_is_stored(
    table: Table, shared_database_url: str
) -> None:
    table.run(
        "INSERT INTO outages VALUES (0, 'jump', now() - interval '2 h', now() - interval '1 h'),"
        " (1, 'jump', now() - interval '90 min', now() - interval '30 min'),"
        " (1, 'jump', now() - interval '40 d', now() - interval '39 d'),"
        " (2, 'ticks_only', now() - interval '1 min', NULL)"
    )
    table.run("INSERT INTO rollup_progress VALUES ('days', now()), ('quarters', now())")
    table.run("INSERT INTO retention_progress VALUES ('spans', now())")
    ingest = CollectorRegistry()
    metrics = IngestMetrics(ingest)
    metrics.sockets_open.set(3)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        first = await enter(serving(admin_app(ingest)))
        second = await enter(serving(admin_app(processor((0, 12), (1, 0)), "Kafka is away")))
        api = await enter(asking(shared_database_url, first, second))
        told = await health(api)
        assert states(told) == [("ready", None), ("not_ready", "Kafka is away")]
        assert [each["services"] for each in told["processes"]] == [
            [{"service": "ingest", "version": VERSION}],
            [{"service": "processor", "version": VERSION}],
        ]
        assert told["sockets"] == 3
        assert [each["processors"] for each in told["partitions"]] == [[second], [second], []]
        assert [each["lag_records"] for each in told["partitions"]] == [12, 0, None]
        assert told["as_of"] == min(each["as_of"] for each in told["partitions"])
        # Overlapping outages of partitions are one; what is long over is left out.
        kinds = [(each["kind"], each["ended_at"] is None) for each in told["outages"]]
        assert kinds == [("ticks_only", True), ("jump", False)]
        assert [each["rollup"] for each in told["rollups"]] == ["quarters", "days"]
        assert [each["table_name"] for each in told["retention"]["tables"]] == ["spans"]
        assert fields(told) == fields(EXAMPLE)
        # A rate needs two looks; those at once are one, for everybody.
        assert told["heartbeats_per_second"] is None
        again, too = await asyncio.gather(health(api), health(api))
        assert again == too
        metrics.http_events["heartbeat"].inc(500)

        async def has_a_rate() -> bool:
            return bool((await health(api))["heartbeats_per_second"])

        await wait_until(has_a_rate)


@pytest.fixture
def process(shared_database_url: str) -> Iterator[tuple[Process, str]]:
    """``python -m api``, and where its admin port is."""
    port = free_port()
    values = {
        "DATABASE_URL": shared_database_url,
        "JWT_SECRET": SECRET,
        "API_PORT": str(free_port()),
        "API_ADMIN_PORT": str(port),
    }
    started = start_python(
        ["-m", "api"], env={**os.environ, **{f"ROLLCALL_{k}": v for k, v in values.items()}}
    )
    yield started, f"127.0.0.1:{port}"
    started.kill()
    started.wait()


async def test_one_that_is_killed_is_missing_and_known_by_what_it_said(
    table: Table, shared_database_url: str, process: tuple[Process, str]
) -> None:
    running, address = process
    async with asking(shared_database_url, address) as api:

        async def is_ready() -> bool:
            return states(await health(api)) == [("ready", None)]

        async def refuses() -> bool:
            return states(await health(api)) == [("no_answer", "refuses connections")]

        await wait_until(is_ready)
        before = (await health(api))["processes"][0]
        assert before["services"] == [{"service": "api", "version": VERSION}]
        assert before["started_at"] is not None
        running.kill()
        await wait_until(refuses)
        [missing] = (await health(api))["processes"]
        assert missing["services"] == before["services"]
        assert missing["answered_at"] == before["answered_at"]


async def test_nothing_that_answers_is_believed_blindly(
    table: Table, shared_database_url: str
) -> None:
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({})

    async def redirect(_request: web.Request) -> web.Response:
        raise web.HTTPFound("/elsewhere")

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(2 * MOST_BYTES // 100_000):
            await response.write(b"x" * 100_000)
        return response

    async def never(_request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async def other(_request: web.Request) -> web.Response:
        return web.Response(text="up 1\n")

    def app(handler: Any) -> web.Application:
        made = web.Application()
        made.router.add_get("/metrics", handler)
        made.router.add_get("/readyz", handler)
        made.router.add_get("/elsewhere", elsewhere)
        return made

    async with AsyncExitStack() as stack:
        found = [
            await stack.enter_async_context(serving(app(handler)))
            for handler in (redirect, endless, never, other)
        ]
        targets = (*found, "nowhere.localhost.invalid:9081")
        hosts = "nowhere.localhost.invalid"
        settings = api_settings(
            shared_database_url, admin_targets=",".join(targets), plain_http_hosts=hosts
        )
        async with running_api(settings) as api:
            with pytest.MonkeyPatch.context() as brief:
                brief.setattr("api.health.poll.TIMEOUT_SECONDS", SECONDS)
                told = await health(api)
            assert states(told) == [
                ("no_answer", "is no process of Rollcall"),
                ("no_answer", "answers /metrics with what no process of Rollcall says"),
                ("no_answer", f"does not answer /metrics within {SECONDS:g} s"),
                ("no_answer", "is no process of Rollcall"),
                ("no_answer", "DNS knows no such name"),
            ]
            assert told["versions"] == []
    assert asked == []


async def test_a_name_stands_for_all_its_addresses(table: Table, shared_database_url: str) -> None:
    """``localhost`` has one or two; a process that two names lead to is told once."""
    async with serving(admin_app(processor((0, 0)))) as address:
        port = address.rpartition(":")[2]
        async with asking(shared_database_url, f"localhost:{port}", address) as api:
            told = await health(api)
            assert [each["address"] for each in told["processes"]].count(address) == 1
            assert told["partitions"][0]["processors"] == [address]
            assert told["processes"][0]["target"] == f"localhost:{port}"


async def test_without_targets_and_without_postgresql_it_says_so(table: Table) -> None:
    nowhere = f"postgresql://rollcall@127.0.0.1:{free_port()}/rollcall"
    assert DATABASE_SECONDS < 8  # how long the page waits
    async with running_api(api_settings(nowhere, api_pool_wait_seconds=0.2)) as api:
        told = await health(api)
    assert told["targets"] == told["processes"] == told["partitions"] == []
    assert told["database_problem"] == "The database cannot be reached."
    assert (told["as_of"], told["stale"]) == (None, True)
