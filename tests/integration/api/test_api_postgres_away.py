"""PostgreSQL away, frozen, busy or not migrated: 503 in bounded time, and no restart afterwards."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import psutil
import psycopg
import pytest

from api.postgres.database import STATUS_SECONDS
from api.presence.store import COUNT_SHARED_SECONDS
from deploy.local.child import RunningChild
from deploy.local.ports import free_port
from deploy.local.postgres import LocalPostgres
from schemas.database.migrate import migrate
from tests.rigs.api_harness import (
    DEADLINE_SECONDS,
    SECRET,
    Answer,
    Api,
    api_settings,
    running_api,
    token,
    wait_until,
)
from tests.suite.forks import Process, start_python

ONLINE = "/api/v1/online-users"
COUNT = "/api/online-users-count"
#: What the settings below allow a call: 1 s for a connection, 1 s for the query, 1 s to hear of it.
LONGEST_SECONDS = 3.0
#: On a busy machine an answer may be this late.
SLACK_SECONDS = 60.0
MIGRATED = "migrated"
IS_THERE = "SELECT 1 FROM pg_database WHERE datname = %s"


def quick(database_url: str, **values: Any) -> Any:
    short = {"api_pool_wait_seconds": 1, "api_statement_timeout_seconds": 1, "api_pool_size": 4}
    return api_settings(database_url, **{**short, **values})


@dataclass
class Server:
    """A PostgreSQL of the module's own, to be taken away and given back."""

    local: LocalPostgres
    child: RunningChild | None = None

    @property
    def dsn(self) -> str:
        """Of a database that one test alone uses, and finds empty."""
        return self.local.dsn

    async def start_migrated(self) -> str:
        """Start it; the URL of a migrated database."""
        await self.start()
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            if not connection.execute(IS_THERE, [MIGRATED]).fetchall():
                connection.execute(f"CREATE DATABASE {MIGRATED}")
        url = self.local.dsn_of(MIGRATED)
        migrate(url)
        return url

    async def start(self) -> None:
        self.local.prepare()
        self.child = RunningChild(self.local.child())
        await self.local.wait_ready(DEADLINE_SECONDS * 2, self.child)

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()
            self.child = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """All of its processes stopped: connections open, no answer."""
        assert self.child is not None
        processes = psutil.Process(self.child.pid).children(recursive=True)

        def tell(number: signal.Signals) -> None:
            for process in processes:
                with suppress(psutil.NoSuchProcess):  # a session that has just ended
                    process.send_signal(number)

        tell(signal.SIGSTOP)
        try:
            yield
        finally:
            tell(signal.SIGCONT)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalPostgres]:
    # Not below pytest's directory: another run that starts closes that to PostgreSQL's user.
    with TemporaryDirectory(prefix="rollcall-test-") as directory:
        local = LocalPostgres(Path(directory), durable=False)
        local.prepare()
        yield local


@pytest.fixture
def server(cluster: LocalPostgres) -> Iterator[Server]:
    made = Server(cluster)
    yield made
    made.stop()


async def assert_unavailable(api: Api, path: str) -> Answer:
    started = time.monotonic()
    answer = await api.call(path)
    assert time.monotonic() - started < LONGEST_SECONDS + SLACK_SECONDS
    assert answer.status == 503
    assert answer.json["code"] == "unavailable"
    assert 1 <= int(answer.headers["Retry-After"]) <= 5
    assert answer.headers["Cache-Control"] == "no-store"
    return answer


async def assert_probes_and_the_count_are_answered_soon(api: Api) -> None:
    """A probe waits for a second; whoever asks for the count waits little longer."""

    async def probe() -> None:
        assert await api.store.not_ready()

    async def count() -> None:
        assert (await api.count()).status == 503

    await assert_soon(probe, 1)
    await assert_soon(count, STATUS_SECONDS + 1.5)


async def assert_soon(ask: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Once of several times: a machine may be slow, and what waits by design does so each time."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        took = seconds
        while took >= seconds:
            await asyncio.sleep(COUNT_SHARED_SECONDS)
            started = time.monotonic()
            await ask()
            took = time.monotonic() - started


async def until_it_answers(api: Api) -> None:
    async def answers() -> bool:
        both = [await api.call(COUNT), await api.call(ONLINE)]
        return [answer.status for answer in both] == [200, 200]

    await wait_until(answers)


async def test_it_starts_before_postgres_and_its_tables_and_recovers_from_a_restart(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "api")
    async with running_api(quick(server.dsn), is_patient=False) as api:
        for path in (COUNT, ONLINE, "/api/v1/users/u1"):
            await assert_unavailable(api, path)
        await assert_probes_and_the_count_are_answered_soon(api)
        await server.start()
        await wait_until(lambda: says_not_migrated(api))
        migrate(server.dsn)
        await until_it_answers(api)

        # Fill the pool, so that a restart leaves several dead connections behind.
        await asyncio.gather(*(api.call(ONLINE) for _ in range(20)))
        server.stop()
        await assert_unavailable(api, ONLINE)
        # Longer than a count is shared; and other pages must be able to read the error, too.
        assert (await assert_unavailable(api, COUNT)).headers["Access-Control-Allow-Origin"] == "*"
        assert (await api.call("/login", bearer=None)).status == 200
        await server.start()
        await until_it_answers(api)
    told = [record.message for record in caplog.records if record.name == "api.postgres.database"]
    # Once each time, however many calls there were; in between, tables or connections come back.
    assert len([line for line in told if "503" in line]) in (2, 3)
    assert told[-1] == "The database answers again"


async def says_not_migrated(api: Api) -> bool:
    return "migrated" in (await api.call(ONLINE)).json["detail"]


async def test_connections_that_died_while_nobody_looked_cost_no_call(server: Server) -> None:
    url = await server.start_migrated()
    async with running_api(api_settings(url, api_pool_size=4)) as api:
        await asyncio.gather(*(api.call(ONLINE) for _ in range(20)))
        server.stop()
        await server.start()
        for _ in range(8):
            assert (await api.call(ONLINE)).status == 200


async def test_a_frozen_postgres_is_a_503_in_time_and_forgotten_when_it_thaws(
    server: Server,
) -> None:
    url = await server.start_migrated()
    async with running_api(quick(url), is_patient=False) as api:
        await until_it_answers(api)
        with server.frozen():
            started = time.monotonic()
            answers = await asyncio.gather(*(api.call(ONLINE) for _ in range(10)))
            assert {answer.status for answer in answers} == {503}
            assert time.monotonic() - started < LONGEST_SECONDS + SLACK_SECONDS
            await assert_probes_and_the_count_are_answered_soon(api)
        await until_it_answers(api)


async def test_a_query_that_takes_too_long_is_cancelled(database_url: str) -> None:
    with psycopg.connect(database_url) as locker:
        locker.execute("LOCK TABLE presence IN ACCESS EXCLUSIVE MODE")
        async with running_api(quick(database_url)) as api:
            assert "too long" in (await assert_unavailable(api, ONLINE)).json["detail"]
            name = "rollcall_api_database_failures_total"
            assert api.metric(name, cause="statement_timeout") == 1
            assert (await api.count()).status == 200  # it needs no row of a user
            locker.rollback()
            assert (await api.call(ONLINE)).status == 200


async def test_more_calls_than_connections_wait_and_then_are_told(database_url: str) -> None:
    settings = quick(database_url, api_pool_size=2, api_statement_timeout_seconds=30)
    async with running_api(settings) as api:
        await until_it_answers(api)
        # Both connections are made before the calls that must not wait for them.
        await asyncio.gather(*(api.call(ONLINE) for _ in range(20)))
        with psycopg.connect(database_url) as locker:
            locker.execute("LOCK TABLE presence IN ACCESS EXCLUSIVE MODE")
            have_one = [asyncio.create_task(api.call(ONLINE)) for _ in range(2)]
            await wait_until(lambda: both_wait_for_the_lock(database_url))
            # Told at once, or after the wait for a connection.
            refused = await asyncio.gather(*(api.call(ONLINE) for _ in range(98)))
            assert {answer.status for answer in refused} == {503}
            assert not any(call.done() for call in have_one)
            locker.rollback()
            assert [(await call).status for call in have_one] == [200, 200]


async def both_wait_for_the_lock(database_url: str) -> bool:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        found = await connection.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return await found.fetchone() == (2,)


@contextmanager
def started(database_url: str, port: int, admin_port: int) -> Iterator[Process]:
    """``python -m api``."""
    environment = {
        **os.environ,
        "ROLLCALL_DATABASE_URL": database_url,
        "ROLLCALL_JWT_SECRET": SECRET,
        "ROLLCALL_API_PORT": str(port),
        "ROLLCALL_API_ADMIN_PORT": str(admin_port),
        "ROLLCALL_DRAIN_SECONDS": "0",
    }
    running = start_python(["-m", "api"], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


async def test_the_process_tells_its_health_and_ends_clean(database_url: str) -> None:
    port, admin_port = free_port(), free_port()
    admin = f"http://127.0.0.1:{admin_port}"
    with started(database_url, port, admin_port) as running:
        async with aiohttp.ClientSession() as http:

            async def get(url: str, **headers: str) -> tuple[int, str]:
                async with http.get(url, headers=headers) as answer:
                    return answer.status, await answer.text()

            async def is_ready() -> bool:
                try:
                    return (await get(f"{admin}/readyz"))[0] == 200
                except aiohttp.ClientError:
                    assert running.poll() is None
                    return False

            await wait_until(is_ready)
            assert (await get(f"{admin}/healthz"))[0] == 200
            url = f"http://127.0.0.1:{port}{ONLINE}"
            assert (await get(url, Authorization=f"Bearer {token()}"))[0] == 200
            _, metrics = await get(f"{admin}/metrics")
        assert 'rollcall_api_requests_total{outcome="answered",route="online_users"} 1.0' in metrics
        running.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(running.wait, DEADLINE_SECONDS) == 0


async def test_a_process_without_postgres_lives_and_is_not_ready(server: Server) -> None:
    port, admin_port = free_port(), free_port()
    with started(server.dsn, port, admin_port) as running:
        async with aiohttp.ClientSession() as http:

            async def status(path: str) -> int:
                try:
                    async with http.get(f"http://127.0.0.1:{admin_port}{path}") as answer:
                        return answer.status
                except aiohttp.ClientError:
                    assert running.poll() is None
                    return 0

            async def is_alive() -> bool:
                return await status("/healthz") == 200

            async def is_not_ready() -> None:
                assert await status("/readyz") == 503

            await wait_until(is_alive)
            for _ in range(3):
                await assert_soon(is_not_ready, 1)
