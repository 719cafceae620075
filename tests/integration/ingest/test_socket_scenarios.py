"""Sockets through real processes: two ingests, a processor, Kafka, PostgreSQL (design, section 4).

Short windows; every wait is for a condition with a deadline.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from schemas.log.settings import KafkaSettings
from tests.conftest import fresh_database, fresh_topics
from tests.rigs.harness import token
from tests.rigs.ingest_process import Process
from tests.rigs.rig import (
    DEADLINE_SECONDS,
    ProcessorProcess,
    processor_environment,
    rows,
)

OFFLINE_AFTER_SECONDS = 6
#: Where an ingest ends: time enough to come back on a slow machine.
PATIENT_SECONDS = 15
#: Of an ingest that is killed.
USERS = 60
TIMING = {
    "HEARTBEAT_INTERVAL_SECONDS": "1",
    "DISCONNECT_GRACE_SECONDS": "1",
    "LOGOUT_FENCE_SECONDS": "2",
    "ALLOW_SHORT_TIMING": "true",
}
SOCKETS = {
    "WEBSOCKET_PING_INTERVAL_SECONDS": "0.5",
    "WEBSOCKET_PING_TIMEOUT_SECONDS": "5",
    "WEBSOCKET_FIRST_FRAME_SECONDS": "0.2",
}


class Fleet:
    """Two ingests and a processor, and what is stored of a test's own user."""

    def __init__(self, first: Process, second: Process, database_url: str) -> None:
        self.first = first
        self.second = second
        self.database_url = database_url
        self.ann = f"ann-{uuid.uuid4().hex[:8]}"
        self._stack = AsyncExitStack()

    async def socket(
        self, ingest: Process, user: str = "", *, bearer: str = "", **fields: Any
    ) -> ClientConnection:
        """An authenticated socket of a device that is named by its first frame."""
        client = await connect(
            f"ws://127.0.0.1:{ingest.port}/api/ws",
            ping_interval=None,
            open_timeout=DEADLINE_SECONDS,
        )
        self._stack.push_async_callback(client.close)
        bearer = bearer or token(user or self.ann)
        auth = {"type": "auth", "token": bearer, "device_id": "phone", **fields}
        await client.send(json.dumps(auth))
        assert json.loads(await client.recv())["type"] == "welcome"
        return client

    async def close(self) -> None:
        await self._stack.aclose()

    def user(self) -> tuple[Any, ...] | None:
        """State, screen and reason."""
        query = "SELECT state::text, screen, reason::text FROM presence WHERE user_id = %s"
        found = rows(self.database_url, query, self.ann)
        return found[0] if found else None

    def changes(self) -> list[tuple[Any, ...]]:
        """Device, reason and screen of all changes."""
        query = (
            "SELECT device, reason::text, screen FROM changes WHERE user_id = %s"
            " ORDER BY log_offset, event_index, ordinal"
        )
        return rows(self.database_url, query, self.ann)

    async def until(self, state: str, screen: str | None, reason: str) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while (last := self.user()) != (state, screen, reason):
            assert time.monotonic() < deadline, (last, self.changes())
            await asyncio.sleep(0.1)

    async def log_time_passes(self, seconds: float) -> None:
        """Until the processor has seen so much more of log time: nothing depends on our clock."""
        query = "SELECT extract(epoch FROM min(log_time)) FROM stream_offsets"
        [(start,)] = rows(self.database_url, query)
        async with asyncio.timeout(DEADLINE_SECONDS):
            while rows(self.database_url, query)[0][0] < float(start) + seconds:
                await asyncio.sleep(0.2)


@contextmanager
def running_processes(
    kafka: KafkaSettings,
    database_url: str,
    folder: Path,
    offline_after_seconds: int,
    *,
    ingests: int = 2,
) -> Iterator[list[Process]]:
    """The ingests, ready, before a processor that works."""
    timing = {**TIMING, "OFFLINE_AFTER_SECONDS": str(offline_after_seconds)}
    environment = processor_environment(kafka, database_url, **timing)
    settings = {f"ROLLCALL_{name}": value for name, value in {**timing, **SOCKETS}.items()}
    with ExitStack() as stack:
        processor = ProcessorProcess(environment, folder / "processor.log")
        stack.callback(processor.kill)
        started = []
        for number in range(ingests):
            started.append(Process(kafka, folder / f"ingest-{number}.log", **settings))
            stack.callback(started[-1].end)

        async def all_ready() -> None:
            await asyncio.gather(*(each.until_status("/readyz", 200) for each in started))
            await found_ready(database_url)

        asyncio.run(all_ready())
        yield started


@pytest.fixture(scope="module")
def shared_processes(
    kafka_bootstrap: str, shared_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Process]]:
    """Those of all tests that end none of them."""
    folder = tmp_path_factory.mktemp("fleet")
    kafka = fresh_topics(kafka_bootstrap)
    with running_processes(kafka, shared_database_url, folder, OFFLINE_AFTER_SECONDS) as running:
        yield running


@pytest.fixture
async def fleet(shared_processes: list[Process], shared_database_url: str) -> AsyncIterator[Fleet]:
    first, second = shared_processes
    found = Fleet(first, second, shared_database_url)
    yield found
    await found.close()


@pytest.fixture(scope="module")
def patient_url(postgres_url: str, template_database: str) -> Iterator[str]:
    with fresh_database(postgres_url, template_database) as url:
        yield url


@pytest.fixture(scope="module")
def patient_processes(
    kafka_bootstrap: str, patient_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Process]]:
    """Those of tests that end the first one and the second one; the third one stays."""
    folder, kafka = tmp_path_factory.mktemp("patient"), fresh_topics(kafka_bootstrap)
    with running_processes(kafka, patient_url, folder, PATIENT_SECONDS, ingests=3) as running:
        yield running


@pytest.fixture
async def ends_first(patient_processes: list[Process], patient_url: str) -> AsyncIterator[Fleet]:
    first, _, third = patient_processes
    found = Fleet(first, third, patient_url)
    yield found
    await found.close()


@pytest.fixture
async def ends_second(patient_processes: list[Process], patient_url: str) -> AsyncIterator[Fleet]:
    _, second, third = patient_processes
    found = Fleet(second, third, patient_url)
    yield found
    await found.close()


async def found_ready(database_url: str) -> None:
    """Every partition has a log time: the processor runs."""
    query = "SELECT count(*) FROM stream_offsets WHERE log_time IS NOT NULL"
    async with asyncio.timeout(DEADLINE_SECONDS):
        while rows(database_url, query) != [(4,)]:
            await asyncio.sleep(0.1)


async def say(client: ClientConnection, **fields: Any) -> None:
    """A frame, and its acknowledgement."""
    await client.send(json.dumps({"id": 1, **fields}))
    assert json.loads(await client.recv())["type"] == "ack"


async def closed_with(client: ClientConnection) -> int | None:
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                await client.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd is not None else None


async def test_from_wifi_to_lte_nobody_goes_offline(fleet: Fleet) -> None:
    """The new socket is there, on another ingest process, before the old one is gone."""
    wifi = await fleet.socket(fleet.first, screen="Home")
    await fleet.until("foreground", "Home", "started")
    lte = await fleet.socket(fleet.second)
    await say(lte, screen="Cart")
    await wifi.close()
    await fleet.log_time_passes(3)  # three times the grace
    assert fleet.user() == ("foreground", "Cart", "navigated")
    assert [reason for _, reason, _ in fleet.changes()] == ["started", "navigated"]


async def test_of_two_sockets_on_a_device_the_last_one_counts(fleet: Fleet) -> None:
    one = await fleet.socket(fleet.first, screen="Home")
    other = await fleet.socket(fleet.first)
    await say(other, screen="Cart")
    await other.close()
    await fleet.log_time_passes(3)
    assert fleet.user() == ("foreground", "Cart", "navigated")
    await one.close()
    await fleet.until("offline", None, "disconnected")


async def test_http_heartbeats_beside_a_socket_outlive_it(fleet: Fleet) -> None:
    socket = await fleet.socket(fleet.first, device_id="default", screen="Home")
    await fleet.until("foreground", "Home", "started")
    assert (await fleet.second.heartbeat("Cart", fleet.ann)).status == 200
    await fleet.until("foreground", "Cart", "navigated")
    # The last one, just before the socket ends, however far behind the processor was above.
    assert (await fleet.second.heartbeat("Cart", fleet.ann)).status == 200
    await socket.close()
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (fleet.user() or ("",))[0] != "offline":
            await asyncio.sleep(0.1)
    # The end of the socket's grace came before, and nobody went offline by it. Where the
    # socket answered one more ping after the heartbeat, its loss is what is said of the end.
    assert [reason for _, reason, _ in fleet.changes()] in (
        ["started", "navigated", "timed_out"],
        ["started", "navigated", "disconnected"],
    )
    query = (
        "SELECT extract(epoch FROM max(at) - max(at) FILTER (WHERE reason = 'navigated'))"
        " FROM changes WHERE user_id = %s"
    )
    [(seconds,)] = rows(fleet.database_url, query, fleet.ann)
    assert seconds >= OFFLINE_AFTER_SECONDS


async def test_a_logout_over_http_closes_the_socket_in_another_process(fleet: Fleet) -> None:
    bearer = token(fleet.ann)
    socket = await fleet.socket(fleet.first, bearer=bearer, screen="Home")
    # In one record the two would start at once, and the smaller name would be shown.
    await fleet.until("foreground", "Home", "started")
    stays = await fleet.socket(fleet.first, device_id="tablet", screen="Film")
    await fleet.until("foreground", "Film", "started")
    loop = asyncio.get_running_loop()
    answer = await fleet.second.logout(bearer, b'{"device_id": "phone"}')
    assert answer.status == 200
    answered_at = loop.time()
    assert await closed_with(socket) == 4409
    assert loop.time() - answered_at < 2 + 30  # two seconds by the design, and a slow machine
    await say(stays, screen="Film 2")
    await fleet.until("foreground", "Film 2", "navigated")


async def test_a_killed_ingest_leaves_its_sockets_to_expire_or_return(ends_second: Fleet) -> None:
    """Nothing is written for sockets that die with their process: half of the phones come back
    elsewhere and are never shown offline, the others go when their time is over."""
    fleet = ends_second
    users = [f"user-{n:04d}" for n in range(USERS)]
    await asyncio.gather(*(fleet.socket(fleet.first, user, screen="Home") for user in users))
    online = (
        "SELECT count(*) FROM presence WHERE state = 'foreground' AND starts_with(user_id, 'user-')"
    )

    async def until_online(count: int) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while rows(fleet.database_url, online) != [(count,)]:
                await asyncio.sleep(0.2)

    await until_online(USERS)
    fleet.first.popen.send_signal(signal.SIGKILL)
    back, gone = users[: USERS // 2], users[USERS // 2 :]
    await asyncio.gather(*(fleet.socket(fleet.second, user) for user in back))
    await until_online(len(back))
    ended = (
        "SELECT reason::text, count(*), min(user_id) FROM changes"
        " WHERE state = 'offline' AND starts_with(user_id, 'user-') GROUP BY reason"
    )
    assert rows(fleet.database_url, ended) == [("timed_out", len(gone), gone[0])]


async def test_an_app_in_the_background_goes_offline_although_its_socket_answers(
    fleet: Fleet,
) -> None:
    socket = await fleet.socket(fleet.first, screen="Home")
    await say(socket, app_state="paused")
    await fleet.until("background", "Home", "backgrounded")
    await fleet.until("offline", None, "timed_out")
    await say(socket, app_state="resumed", screen="Home")  # and is back with a frame
    await fleet.until("foreground", "Home", "started")


async def test_a_socket_that_answers_keeps_the_phone_online_without_heartbeats(
    fleet: Fleet,
) -> None:
    await fleet.socket(fleet.first, screen="Film")
    await fleet.until("foreground", "Film", "started")
    await fleet.log_time_passes(2 * OFFLINE_AFTER_SECONDS)
    assert fleet.user() == ("foreground", "Film", "started")
    assert len(fleet.changes()) == 1


async def test_a_token_is_refreshed_in_place(fleet: Fleet) -> None:
    """After it the socket is signed out by its new token, as its device is found by that one."""
    newer = token(fleet.ann, jti="newer")
    socket = await fleet.socket(fleet.first, screen="Home")
    await socket.send(json.dumps({"type": "auth", "token": newer, "id": 1}))
    assert json.loads(await socket.recv())["type"] == "ack"
    await fleet.log_time_passes(2)
    assert fleet.user() == ("foreground", "Home", "started")
    assert (await fleet.second.logout(newer)).status == 200
    assert await closed_with(socket) == 4409
    await fleet.until("offline", None, "logged_out")


# Daily, of all services at once: tests/integration/test_rolling_restart.py.
@pytest.mark.long
async def test_a_rolling_restart_puts_nobody_offline(ends_first: Fleet) -> None:
    fleet = ends_first
    socket = await fleet.socket(fleet.first, screen="Home")
    await fleet.until("foreground", "Home", "started")
    fleet.first.popen.send_signal(signal.SIGTERM)
    assert await closed_with(socket) == 1012
    await fleet.log_time_passes(3)  # longer than the grace
    assert fleet.user() == ("foreground", "Home", "started")
    await fleet.socket(fleet.second)
    # With what passed before: its first socket alone would not have lasted.
    await fleet.log_time_passes(PATIENT_SECONDS - 2)
    assert fleet.user() == ("foreground", "Home", "started")
