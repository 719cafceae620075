"""P8: services are killed in turn while people are there over sockets and over HTTP, and the count
is exact. In ``make test-long`` with 1,000 of each kind for five minutes, as the table has it.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
import psutil
import pytest

from schemas.log.settings import KafkaSettings
from tests.e2e.driver import FRONT, PROCESSOR, Stack
from tests.rigs.gateway_rig import (
    MISSING,
    Service,
    haproxy,
    running_gateway,
    start_services,
)
from tests.rigs.harness import token
from tests.rigs.rig import ProcessorProcess, processor_environment, wait_for

LOOK_SECONDS = 0.5
#: A client that is cut off comes back after up to so long.
RETRY_SECONDS = 1.0
DEADLINE_SECONDS = 120.0
#: Of kills of every service, in the long test.
ROUNDS = 3


@dataclass(frozen=True)
class Place:
    """Where it happens: an origin, tokens of its users, and what kills a service and has it started
    again, one after the other."""

    url: str
    token: Callable[[str], str]
    kills: Sequence[Callable[[], None]]


@dataclass
class Crowd:
    """People who stay until they log out, whatever happens to the services."""

    place: Place
    beat_seconds: float
    http: aiohttp.ClientSession
    staying: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    arrived: set[str] = field(default_factory=set)

    def enter(self, user: str, *, socket: bool) -> None:
        stay = self._over_socket(user) if socket else self._over_http(user)
        self.staying[user] = asyncio.create_task(stay)

    async def leave(self, user: str) -> None:
        task = self.staying.pop(user)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        while not await self._post("/api/logout-status", user):
            await asyncio.sleep(RETRY_SECONDS * random.random())

    async def _over_http(self, user: str) -> None:
        await asyncio.sleep(self.beat_seconds * random.random() / 4)
        while True:
            if await self._post("/api/update-online-status", user):
                self.arrived.add(user)
                await asyncio.sleep(self.beat_seconds)
            else:
                await asyncio.sleep(RETRY_SECONDS * random.random())

    async def _post(self, path: str, user: str) -> bool:
        """Whether it was accepted."""
        headers = {"Authorization": f"Bearer {self.place.token(user)}"}
        body = {"device_id": f"phone of {user}", "screen": "Home"}
        with suppress(aiohttp.ClientError, TimeoutError):
            url = self.place.url + path
            async with self.http.post(url, json=body, headers=headers) as answer:
                await answer.read()
                return answer.status == 200
        return False

    async def _over_socket(self, user: str) -> None:
        await asyncio.sleep(self.beat_seconds * random.random() / 4)
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self.http.ws_connect(f"{self.place.url}/api/ws") as socket:
                    token = self.place.token(user)
                    auth = {"type": "auth", "token": token, "device_id": f"phone of {user}"}
                    await socket.send_json({**auth, "screen": "Home", "id": "here"})
                    async for message in socket:
                        if message.type == aiohttp.WSMsgType.TEXT and "ack" in message.data:
                            self.arrived.add(user)
            await asyncio.sleep(RETRY_SECONDS * random.random())


async def look(place: Place, http: aiohttp.ClientSession) -> int | None:
    """The count; ``None`` where it does not say that it is good, or nobody answers."""
    with suppress(aiohttp.ClientError, TimeoutError, json.JSONDecodeError):
        async with http.get(f"{place.url}/api/online-users-count") as answer:
            if answer.status == 200:
                found = await answer.json()
                return None if found["stale"] else int(found["count"])
    return None


async def until_count(place: Place, http: aiohttp.ClientSession, wanted: int) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await look(place, http) != wanted:
            await asyncio.sleep(0.1)


async def assert_exact(place: Place, of_each: int, seconds: float, beat_seconds: float) -> None:
    """``seconds`` of kills; none: each service is killed once, and nobody looks meanwhile."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=60, sock_read=60)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        await until_count(place, http, 0)
        crowd = Crowd(place, beat_seconds, http)
        for n in range(of_each):
            crowd.enter(f"socket {n}", socket=True)
            crowd.enter(f"http {n}", socket=False)
        await until_count(place, http, 2 * of_each)
        # They may be counted before they hear that they were.
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(crowd.arrived) < 2 * of_each:
                await asyncio.sleep(0.1)

        looks: list[int] = []
        pause = seconds / ROUNDS / len(place.kills)
        for kill in [*place.kills] * (ROUNDS if seconds else 1):
            await asyncio.to_thread(kill)
            until = time.monotonic() + pause
            while time.monotonic() < until:
                looks += [count for count in [await look(place, http)] if count is not None]
                await asyncio.sleep(LOOK_SECONDS)
        assert set(looks) <= {2 * of_each}, looks
        assert bool(looks) == bool(seconds)

        # And who leaves is gone, and nobody else.
        leaving = random.sample(sorted(crowd.staying), of_each // 3)
        await asyncio.gather(*(crowd.leave(user) for user in leaving))
        await until_count(place, http, 2 * of_each - len(leaving))
        await asyncio.gather(*(crowd.leave(user) for user in list(crowd.staying)))
        await until_count(place, http, 0)


async def test_P8_the_count_is_exact_after_each_service_was_killed(short_stack: Stack) -> None:
    """Ingest and API are one process here."""

    def kill(words: tuple[str, ...]) -> None:
        victim = short_stack.process(words)
        victim.send_signal(signal.SIGKILL)

        def replaced() -> bool:
            with suppress(psutil.Error):
                return short_stack.process(words).pid != victim.pid
            return False

        wait_for(f"{' '.join(words)} is started again", replaced)

    kills = [partial(kill, words) for words in (FRONT, PROCESSOR)]
    place = Place(short_stack.up.url, short_stack.token, kills)
    await assert_exact(place, of_each=30, seconds=0, beat_seconds=2)


@pytest.fixture
def deployment(kafka_settings: KafkaSettings, database_url: str, tmp_path: Path) -> Iterator[Place]:
    """Two of ingest, an API and a processor behind the gateway; intervals as in production."""
    kafka = {
        "ROLLCALL_KAFKA_BOOTSTRAP": kafka_settings.kafka_bootstrap,
        "ROLLCALL_TOPIC_PREFIX": kafka_settings.topic_prefix,
        "ROLLCALL_PARTITIONS": str(kafka_settings.partitions),
        "ROLLCALL_TRUSTED_PROXIES": "127.0.0.0/8",
    }
    count = {"ROLLCALL_COUNT_CALLS_PER_SECOND": "100", "ROLLCALL_TRUSTED_PROXIES": "127.0.0.0/8"}
    services = start_services(kafka, {"ROLLCALL_DATABASE_URL": database_url, **count})
    environment = processor_environment(kafka_settings, database_url)
    processors = [ProcessorProcess(environment, tmp_path / "processor.log")]

    def restart(service: Service) -> None:
        service.end()
        service.start()
        service.until_ready()

    def restart_processor() -> None:
        processors[0].kill()
        processors[0] = ProcessorProcess(environment, tmp_path / "processor.log")

    for service in (*services.ingests, services.api):
        service.until_ready()
    first, second = services.ingests
    kills: list[Callable[[], None]] = [
        partial(restart, first),
        restart_processor,
        partial(restart, services.api),
        partial(restart, second),
    ]
    limits = {"GATEWAY_MAX_CONNECTIONS": "5000"}
    try:
        with running_gateway(services, tmp_path / "gateway", **limits) as gateway:
            yield Place(f"http://127.0.0.1:{gateway.port}", token, kills)
    finally:
        processors[0].kill()
        services.end()


@pytest.mark.long
@pytest.mark.skipif(haproxy() is None, reason=MISSING)
async def test_P8_1000_sockets_and_1000_over_http_are_counted_for_five_minutes_of_kills(
    deployment: Place,
) -> None:
    await assert_exact(deployment, of_each=1000, seconds=300, beat_seconds=90)
