"""Every service is replaced under load, one process after the other, and nobody notices.

This is how an orchestrator does it: a new process is started, and once it is ready an old one gets
SIGTERM. A gateway stands before them that only looks at ``/readyz``, five times a second, and never
repeats a call. It takes a while, because a real restart is the point.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deploy.local.ports import free_port
from schemas.log.settings import KafkaSettings
from tests.rigs.harness import SECRET, token, wait_until
from tests.rigs.rig import rows
from tests.suite.forks import start_python

PHONES = 20
SOCKETS = 8
BEAT_SECONDS = 1.0
LOOK_SECONDS = 0.2
#: Much longer than a look, because this machine may be busy.
DRAIN_SECONDS = 8.0
READY_SECONDS = 180.0
#: Whoever is not heard of for so long would be shown offline.
OFFLINE_AFTER_SECONDS = 20.0
#: What a count is refused with on a machine that stands still, whoever restarts.
SLOW = "The database does not answer."
DONE = b'{"success": true}'


class Service:
    """A process of a service."""

    def __init__(self, name: str, environment: dict[str, str], log: Path) -> None:
        self.name, self.log = name, log
        self.port, self.admin_port = free_port(), free_port()
        self.ready = self.is_stopping = False
        ports = {"PORT": self.port, "ADMIN_PORT": self.admin_port}
        ours = {f"ROLLCALL_{name.upper()}_{kind}": str(port) for kind, port in ports.items()}
        with log.open("wb") as output:
            self.popen = start_python(
                ["-P", "-m", name],
                env={**os.environ, **environment, **ours},
                stdout=output,
                stderr=output,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Gateway:
    """Knows which processes are ready; sends each call to one of them."""

    def __init__(
        self, http: aiohttp.ClientSession, environment: dict[str, str], directory: Path
    ) -> None:
        self._http = http
        self._looking: list[asyncio.Task[None]] = []
        self._environment = environment
        self._directory = directory
        self.services: list[Service] = []
        self.reasons: dict[int, set[str]] = {}

    def start(self, name: str) -> Service:
        log = self._directory / f"{name}-{len(list(self._directory.iterdir()))}.log"
        service = Service(name, self._environment, log)
        self.services.append(service)
        self._looking.append(asyncio.create_task(self.look(self._http, service)))
        return service

    async def until_ready(self, services: Iterable[Service]) -> None:
        for service in services:
            await wait_until(lambda each=service: each.ready, READY_SECONDS)

    async def replace(self, services: Sequence[Service]) -> None:
        """One after the other; the next new process starts while an old one ends."""
        names = [service.name for service in services]
        new = self.start(names[0])
        for old, after in zip(services, [*names[1:], None], strict=True):
            await self.until_ready([new])
            if after is not None:
                new = self.start(after)
            old.is_stopping = True
            old.popen.send_signal(signal.SIGTERM)
            await wait_until(lambda each=old: each.popen.poll() is not None, READY_SECONDS)
            self.services.remove(old)
            assert old.popen.returncode == 0, old.log.read_text()
            if old.name != "processor":  # that one has nobody to wait for
                assert "stopping" in self.reasons[old.popen.pid]

    def one(self, name: str) -> Service:
        """A ready one. Where none is, because the machine stood still, gateways take any."""
        there = [s for s in self.services if s.name == name and not s.is_stopping]
        return random.choice([s for s in there if s.ready] or there)

    async def look(self, http: aiohttp.ClientSession, service: Service) -> None:
        """Ask a process whether it is ready, again and again."""
        while service in self.services:
            await self._ask(http, service)
            await asyncio.sleep(LOOK_SECONDS)

    async def _ask(self, http: aiohttp.ClientSession, service: Service) -> None:
        try:
            async with http.get(f"http://127.0.0.1:{service.admin_port}/readyz") as answer:
                service.ready = answer.status == 200
                if not service.ready:
                    reason = (await answer.json())["reason"]
                    self.reasons.setdefault(service.popen.pid, set()).add(reason)
        except (aiohttp.ClientError, TimeoutError):
            service.ready = False

    async def end(self) -> None:
        for looking in self._looking:
            looking.cancel()
        await asyncio.gather(*self._looking, return_exceptions=True)
        for service in self.services:
            service.popen.kill()
            service.popen.wait()


class Load:
    """Phones that beat over kept-alive connections, phones with a socket, readers of the count."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._stop = False
        self.outcomes: Counter[Any] = Counter()
        self.closed: Counter[int | None] = Counter()

    async def run_until(self, end: asyncio.Event) -> None:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as all_:
            for number in range(PHONES):
                all_.create_task(self._phone(http, f"phone-{number}"))
            for number in range(SOCKETS):
                all_.create_task(self._socket(http, f"socket-{number}"))
            all_.create_task(self._reader(http))
            await end.wait()
            self._stop = True

    async def _phone(self, http: aiohttp.ClientSession, user: str) -> None:
        headers = {"Authorization": f"Bearer {token(user)}"}
        await asyncio.sleep(random.uniform(0, BEAT_SECONDS))
        while not self._stop:
            url = self._gateway.one("ingest").url + "/api/update-online-status"
            try:
                async with http.post(url, json={"screen": "Home"}, headers=headers) as answer:
                    body = await answer.read()
                    self.outcomes["beat", answer.status if body == DONE else body] += 1
            except aiohttp.ClientError as error:
                self.outcomes["beat", repr(error)] += 1
            await asyncio.sleep(random.uniform(0.5, 1.5) * BEAT_SECONDS)

    async def _reader(self, http: aiohttp.ClientSession) -> None:
        while not self._stop:
            url = self._gateway.one("api").url + "/api/online-users-count"
            try:
                async with http.get(url) as answer:
                    said = await answer.text()
                    outcome = SLOW if SLOW in said else answer.status
                    self.outcomes["count", outcome] += 1
            except aiohttp.ClientError as error:
                self.outcomes["count", repr(error)] += 1
            await asyncio.sleep(0.1)

    async def _socket(self, http: aiohttp.ClientSession, user: str) -> None:
        headers = {"Authorization": f"Bearer {token(user)}"}
        await asyncio.sleep(random.uniform(0, BEAT_SECONDS))
        while not self._stop:
            url = self._gateway.one("ingest").url + "/api/ws"
            try:
                async with http.ws_connect(url, headers=headers) as socket:
                    pause = await self._talk(socket)
            except aiohttp.ClientError as error:
                self.outcomes["handshake", repr(error)] += 1
                return
            await asyncio.sleep(pause)

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse) -> float:
        """Beat until the server says to come back, and after how long, or the test ends."""
        pause, number = 0.0, 0
        while True:
            number += 1
            await socket.send_str(json.dumps({"id": str(number), "screen": "Home"}))
            beat_at = time.monotonic() + BEAT_SECONDS
            while (left := beat_at - time.monotonic()) > 0:
                try:
                    message = await socket.receive(left)
                except TimeoutError:
                    break
                if message.type is not aiohttp.WSMsgType.TEXT:
                    self.closed[socket.close_code] += 1
                    return pause
                said = json.loads(message.data)
                self.outcomes["frame", said["type"]] += 1
                if said["type"] == "restart":
                    pause = said["reconnect_after_ms"] / 1000
            if self._stop:
                return 0.0


@pytest.fixture
async def gateway(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> AsyncIterator[Gateway]:
    settings = {
        "KAFKA_BOOTSTRAP": kafka_settings.kafka_bootstrap,
        "TOPIC_PREFIX": kafka_settings.topic_prefix,
        "PARTITIONS": str(kafka_settings.partitions),
        "DATABASE_URL": database_url,
        "JWT_SECRET": SECRET,
        "ALLOW_SHORT_TIMING": "true",
        "OFFLINE_AFTER_SECONDS": f"{OFFLINE_AFTER_SECONDS:g}",
        "HEARTBEAT_INTERVAL_SECONDS": "2",
        "DISCONNECT_GRACE_SECONDS": "10",
        # The phones live in this process, which may stand still for a moment.
        "WEBSOCKET_PING_TIMEOUT_SECONDS": "10",
        "ACCEPT_TIMEOUT_SECONDS": "30",
        "WEBSOCKET_DRAIN_SECONDS": "0.5",
        "WEBSOCKET_RECONNECT_SECONDS": "0.5",
        "DRAIN_SECONDS": f"{DRAIN_SECONDS:g}",
        "USER_EVENTS_BURST": "1000",
        "AUTH_FAILURES_BURST": "100000",
        "AUTH_FAILURES_PER_SECOND": "100000",
    }
    environment = {f"ROLLCALL_{name}": value for name, value in settings.items()}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        gateway = Gateway(http, environment, tmp_path)
        try:
            yield gateway
        finally:
            await gateway.end()


@asynccontextmanager
async def loaded(gateway: Gateway) -> AsyncIterator[Load]:
    load, end = Load(gateway), asyncio.Event()
    running = asyncio.create_task(load.run_until(end))
    try:
        yield load
    finally:
        end.set()
        await running


async def test_a_rolling_restart_of_everything_fails_no_call_and_shows_nobody_offline(
    gateway: Gateway, database_url: str
) -> None:
    old = [gateway.start(name) for name in ("ingest", "processor", "api")]
    await gateway.until_ready(old)
    everyone = PHONES + SOCKETS

    async def online() -> int:
        count = "SELECT count(*) FROM presence WHERE state = 'foreground'"
        return int((await asyncio.to_thread(rows, database_url, count))[0][0])

    async def until_everyone_is_online() -> None:
        async with asyncio.timeout(READY_SECONDS):
            while await online() != everyone:
                await asyncio.sleep(0.1)

    async with loaded(gateway) as load:
        await until_everyone_is_online()
        await gateway.replace(old)
        await until_everyone_is_online()
    good: set[Any] = {("beat", 200), ("count", 200), ("count", SLOW)}
    good |= {("frame", kind) for kind in ("welcome", "ack", "restart", "token_expiring")}
    assert {what: n for what, n in load.outcomes.items() if what not in good} == {}
    # Each socket was on an ingest that was replaced, and none was lost.
    assert set(load.closed) == {1012}
    assert load.closed[1012] >= SOCKETS
    reasons = dict(
        await asyncio.to_thread(
            rows, database_url, "SELECT reason::text, count(*) FROM changes GROUP BY 1"
        )
    )
    assert reasons == {"started": everyone}
