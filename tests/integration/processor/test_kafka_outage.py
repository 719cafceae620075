"""Kafka killed under load and started again: what was acknowledged is in the log, the memory of
ingest is bounded and its process the same, sockets stay open, and nobody is shown offline.

Real processes all through. The windows are shorter than the outage, so that without promise 3
everybody would go offline.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from deploy.local.child import RunningChild
from deploy.local.kafka import LocalKafka
from schemas.log.events import Connect, Heartbeat
from schemas.log.settings import KafkaSettings
from schemas.log.topics import create_topics
from tests.rigs.harness import read_log, token
from tests.rigs.ingest_process import Process
from tests.rigs.rig import (
    DEADLINE_SECONDS,
    ProcessorProcess,
    processor_environment,
    rows,
)

HTTP_USERS = [f"http-{n}" for n in range(20)]
SOCKET_USERS = [f"socket-{n}" for n in range(40)]
#: Between two heartbeats of a user.
PAUSE_SECONDS = 0.4
BUFFER_BYTES = 131_072
#: What buffers, connections and answers of so small a load may take beside it.
OTHER_BYTES = 16_000_000
TIMING = {
    "OFFLINE_AFTER_SECONDS": "6",
    "HEARTBEAT_INTERVAL_SECONDS": "1",
    "DISCONNECT_GRACE_SECONDS": "1",
    "OUTAGE_GAP_SECONDS": "3",
    "ALLOW_SHORT_TIMING": "true",
}
INGEST = {
    "ACCEPT_TIMEOUT_SECONDS": "2",
    "TOTAL_BUFFER_BYTES": str(BUFFER_BYTES),
    "USER_EVENTS_BURST": "100000",
    "WEBSOCKET_PING_INTERVAL_SECONDS": "1",
    # The phones live in this process, which may stand still for a moment.
    "WEBSOCKET_PING_TIMEOUT_SECONDS": "30",
}
#: Close codes.
RESTART, TRY_AGAIN_LATER = 1012, 1013


class Broker:
    """A Kafka of this test's own, which comes back with the data that it had."""

    def __init__(self, directory: Path) -> None:
        self._kafka = LocalKafka(directory)
        self._kafka.prepare()
        self._running = RunningChild(self._kafka.child())

    async def ready(self) -> None:
        await self._kafka.wait_ready(DEADLINE_SECONDS, self._running)

    async def topics(self) -> KafkaSettings:
        settings = KafkaSettings(
            kafka_bootstrap=self._kafka.bootstrap, partitions=4, replication_factor=1
        )
        await create_topics(settings)
        return settings

    async def kill(self) -> None:
        """SIGKILL, as when its machine is lost."""
        for process in psutil.Process(self._running.pid).children(recursive=True):
            process.kill()
        await self._running.wait()

    def start(self) -> None:
        self._running = RunningChild(self._kafka.child())

    def stop(self) -> None:
        self._running.stop()


class Load:
    """Phones that send heartbeats, each on a screen of its own, and what they were told."""

    def __init__(self, ingest: Process) -> None:
        self._ingest = ingest
        self.acknowledged: set[str] = set()
        self.refused = 0
        self._going = True

    def stop(self) -> None:
        self._going = False

    async def over_http(self, user: str) -> None:
        async for screen in self._screens(user):
            answer = await self._ingest.heartbeat(screen, user)
            if answer.status == 200:
                self.acknowledged.add(screen)
            else:
                assert (answer.status, answer.json["code"]) == (503, "unavailable")
                assert int(answer.headers["retry-after"]) >= 1
                self.refused += 1

    async def over_socket(self, user: str, stack: AsyncExitStack, client: ClientConnection) -> None:
        async for screen in self._screens(user):
            try:
                await client.send(json.dumps({"id": screen, "screen": screen}))
                answer = json.loads(await client.recv())
            except ConnectionClosed as closed:
                if code_of(closed) != RESTART:
                    raise
                answer = {"type": "restart"}
            # An ingest to which Kafka says nothing for long sends its sockets to another one.
            if answer["type"] == "restart":
                client = await opened_again(stack, self._ingest, user)
                continue
            assert answer["id"] == screen
            if answer["type"] == "ack":
                self.acknowledged.add(screen)
            else:
                assert answer["code"] == "unavailable"
                self.refused += 1

    async def _screens(self, user: str) -> AsyncIterator[str]:
        number = 0
        while self._going:
            yield f"{user}-{number}"
            number += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def until_everybody_is_acknowledged_again(self) -> None:
        """A heartbeat of every user, sent from now on."""
        before = set(self.acknowledged)
        users = {*HTTP_USERS, *SOCKET_USERS}
        async with asyncio.timeout(DEADLINE_SECONDS):
            while users != {name.rpartition("-")[0] for name in self.acknowledged - before}:
                await asyncio.sleep(0.1)


class Memory:
    """What ingest holds while it cannot write."""

    def __init__(self, ingest: Process) -> None:
        self._ingest = ingest
        self._process = psutil.Process(ingest.popen.pid)
        self.resident_before = self._process.memory_info().rss
        self.resident_bytes = 0
        self.buffer_bytes = 0.0

    async def watch(self) -> None:
        while True:
            buffered = await self._ingest.metric("rollcall_ingest_buffer_bytes")
            self.buffer_bytes = max(self.buffer_bytes, buffered)
            self.resident_bytes = max(self.resident_bytes, self._process.memory_info().rss)
            await asyncio.sleep(PAUSE_SECONDS)


class SupervisedProcessor:
    """A processor that is started again when it gives up, as its supervisor does."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._arguments = environment, log
        self._process = ProcessorProcess(*self._arguments)

    async def supervise(self) -> None:
        while True:
            if self._process.exit_status is not None:
                self._process = ProcessorProcess(*self._arguments)
            await asyncio.sleep(0.5)

    def end(self) -> None:
        if self._process.exit_status is None:
            self._process.kill()


@pytest.mark.parametrize("outage_seconds", [8, pytest.param(60, marks=pytest.mark.long)])
async def test_kafka_is_killed_under_load_and_comes_back(
    outage_seconds: float, database_url: str, tmp_path: Path, processes: list[Process]
) -> None:
    async with AsyncExitStack() as stack:
        broker = Broker(tmp_path / "kafka")
        stack.callback(broker.stop)
        await broker.ready()
        kafka = await broker.topics()
        processor = SupervisedProcessor(
            processor_environment(kafka, database_url, **TIMING), tmp_path / "processor.log"
        )
        stack.callback(processor.end)
        variables = {f"ROLLCALL_{name}": value for name, value in {**TIMING, **INGEST}.items()}
        ingest = Process(kafka, tmp_path / "ingest.log", **variables)
        processes.append(ingest)
        await ingest.until_status("/readyz", 200)

        clients = [await opened(stack, ingest, user) for user in SOCKET_USERS]
        load, memory = Load(ingest), Memory(ingest)
        async with asyncio.TaskGroup() as group:
            watchers = [group.create_task(task) for task in (memory.watch(), processor.supervise())]
            for user in HTTP_USERS:
                group.create_task(load.over_http(user))
            for user, client in zip(SOCKET_USERS, clients, strict=True):
                group.create_task(load.over_socket(user, stack, client))
            await load.until_everybody_is_acknowledged_again()
            await until_online(database_url)

            await broker.kill()
            await asyncio.sleep(outage_seconds)
            refused = load.refused
            broker.start()
            await load.until_everybody_is_acknowledged_again()
            load.stop()
            await until_stored(database_url, load.acknowledged)
            for watcher in watchers:
                watcher.cancel()

        assert refused
        assert memory.buffer_bytes <= BUFFER_BYTES
        assert memory.resident_bytes - memory.resident_before <= BUFFER_BYTES + OTHER_BYTES
        assert ingest.popen.poll() is None
        assert (await ingest.until_status("/readyz", 200)).status == 200
        logged = {
            event.screen
            for record in await read_log(kafka)
            for event in record.events
            if isinstance(event, Heartbeat | Connect)
        }
        assert load.acknowledged <= logged
        assert rows(database_url, "SELECT user_id FROM changes WHERE state = 'offline'") == []
        assert rows(database_url, "SELECT count(*) > 0 FROM outages") == [(True,)]


async def opened(stack: AsyncExitStack, ingest: Process, user: str) -> ClientConnection:
    """A socket that stays open until it is told to come back."""
    headers = {"Authorization": f"Bearer {token(user)}"}
    url = f"ws://127.0.0.1:{ingest.port}/api/ws"
    client = await stack.enter_async_context(
        connect(url, additional_headers=headers, ping_interval=None)
    )
    assert json.loads(await client.recv())["type"] == "welcome"
    return client


async def opened_again(stack: AsyncExitStack, ingest: Process, user: str) -> ClientConnection:
    """As a phone that was told to come back does, until it is let in."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                return await opened(stack, ingest, user)
            except InvalidStatus as refused:
                if refused.response.status_code != 503:
                    raise
            except ConnectionClosed as closed:
                if code_of(closed) not in {RESTART, TRY_AGAIN_LATER}:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)


def code_of(closed: ConnectionClosed) -> int | None:
    return None if closed.rcvd is None else closed.rcvd.code


async def until_online(database_url: str) -> None:
    """Everybody is stored as online."""
    everybody = len(HTTP_USERS) + len(SOCKET_USERS)
    async with asyncio.timeout(DEADLINE_SECONDS):
        while rows(database_url, "SELECT count(*) FROM presence") != [(everybody,)]:
            await asyncio.sleep(0.1)


async def until_stored(database_url: str, acknowledged: set[str]) -> None:
    """The last acknowledged screen of every user is the one that is stored."""
    last: dict[str, int] = {}
    for screen in acknowledged:
        user, _, number = screen.rpartition("-")
        last[user] = max(last.get(user, 0), int(number))
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            stored = dict(rows(database_url, "SELECT user_id, screen FROM presence"))
            behind = [
                user
                for user, number in last.items()
                if int((stored.get(user) or "-0").rpartition("-")[2]) < number
            ]
            if not behind:
                return
            await asyncio.sleep(0.2)
