"""Sockets through real processes: two ingests, a processor, Kafka, PostgreSQL (design, section 4).

Short windows; every wait is for a condition with a deadline.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from schemas.settings import KafkaSettings
from tests.contract.harness import token
from tests.integration.ingest_process import Process
from tests.integration.rig import (
    DEADLINE_SECONDS,
    ProcessorProcess,
    processor_environment,
    rows,
)

OFFLINE_AFTER_SECONDS = 6
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
    """What runs, and what is stored of ``ann``."""

    def __init__(self, first: Process, second: Process, database_url: str) -> None:
        self.first = first
        self.second = second
        self.database_url = database_url
        self._stack = AsyncExitStack()

    async def socket(
        self, ingest: Process, user: str = "ann", *, bearer: str = "", **fields: Any
    ) -> ClientConnection:
        """An authenticated socket of a device that is named by its first frame."""
        client = await connect(f"ws://127.0.0.1:{ingest.port}/api/ws", ping_interval=None)
        self._stack.push_async_callback(client.close)
        auth = {"type": "auth", "token": bearer or token(user), "device_id": "phone", **fields}
        await client.send(json.dumps(auth))
        assert json.loads(await client.recv())["type"] == "welcome"
        return client

    async def close(self) -> None:
        await self._stack.aclose()

    def user(self, user: str = "ann") -> tuple[Any, ...] | None:
        """State, screen and reason."""
        query = "SELECT state::text, screen, reason::text FROM presence WHERE user_id = %s"
        found = rows(self.database_url, query, user)
        return found[0] if found else None

    def changes(self, user: str = "ann") -> list[tuple[Any, ...]]:
        """Device, reason and screen of all changes."""
        query = (
            "SELECT device, reason::text, screen FROM changes WHERE user_id = %s"
            " ORDER BY log_offset, event_index, ordinal"
        )
        return rows(self.database_url, query, user)

    async def until(self, state: str, screen: str | None, reason: str, user: str = "ann") -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while self.user(user) != (state, screen, reason):
                await asyncio.sleep(0.05)

    async def log_time_passes(self, seconds: float) -> None:
        """Until the processor has seen so much more of log time: nothing depends on our clock."""
        query = "SELECT extract(epoch FROM min(log_time)) FROM stream_offsets"
        [(start,)] = rows(self.database_url, query)
        async with asyncio.timeout(DEADLINE_SECONDS):
            while rows(self.database_url, query)[0][0] < float(start) + seconds:
                await asyncio.sleep(0.1)


@pytest.fixture
async def fleet(
    request: pytest.FixtureRequest,
    kafka_settings: KafkaSettings,
    database_url: str,
    tmp_path: Path,
    processes: list[Process],
) -> AsyncIterator[Fleet]:
    """Its parameter is another time after which devices are offline, in seconds."""
    timing = {
        **TIMING,
        "OFFLINE_AFTER_SECONDS": str(getattr(request, "param", OFFLINE_AFTER_SECONDS)),
    }
    environment = processor_environment(kafka_settings, database_url, **timing)
    processor = ProcessorProcess(environment, tmp_path / "processor.log")
    settings = {f"ROLLCALL_{name}": value for name, value in {**timing, **SOCKETS}.items()}
    for n in (1, 2):
        processes.append(Process(kafka_settings, tmp_path / f"ingest{n}.log", **settings))
    try:
        for process in processes:
            await process.until_status("/readyz", 200)
        found = Fleet(processes[0], processes[1], database_url)
        await found_ready(found)
        yield found
        await found.close()
    finally:
        processor.kill()


async def found_ready(fleet: Fleet) -> None:
    """Every partition has a log time: the processor runs."""
    query = "SELECT count(*) FROM stream_offsets WHERE log_time IS NOT NULL"
    async with asyncio.timeout(DEADLINE_SECONDS):
        while rows(fleet.database_url, query) != [(4,)]:
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
    assert (await fleet.second.heartbeat("Cart", "ann")).status == 200
    await fleet.until("foreground", "Cart", "navigated")
    await socket.close()
    await fleet.log_time_passes(3)  # the grace is over, the heartbeat still counts
    assert fleet.user() == ("foreground", "Cart", "navigated")
    await fleet.until("offline", None, "timed_out")


async def test_a_logout_over_http_closes_the_socket_in_another_process(fleet: Fleet) -> None:
    bearer = token("ann")
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
    assert loop.time() - answered_at < 2 + 3  # two seconds by the design, and a slow machine
    await say(stays, screen="Film 2")
    await fleet.until("foreground", "Film 2", "navigated")


# Long enough for 500 phones to come back on a slow machine.
@pytest.mark.parametrize("fleet", [25], indirect=True)
async def test_a_killed_ingest_leaves_its_sockets_to_expire_or_return(fleet: Fleet) -> None:
    """Nothing is written for 1,000 sockets that die with their process: half of the phones come
    back elsewhere and are never shown offline, the others go when their time is over."""
    users = [f"user-{n:04d}" for n in range(1000)]
    sockets = []
    for chunk in range(0, len(users), 50):
        several = users[chunk : chunk + 50]
        sockets += await asyncio.gather(
            *(fleet.socket(fleet.first, user, screen="Home") for user in several)
        )
    online = "SELECT count(*) FROM presence WHERE state = 'foreground'"
    async with asyncio.timeout(DEADLINE_SECONDS):
        while rows(fleet.database_url, online) != [(1000,)]:
            await asyncio.sleep(0.1)
    fleet.first.popen.send_signal(signal.SIGKILL)
    for chunk in range(0, 500, 50):
        await asyncio.gather(
            *(fleet.socket(fleet.second, user) for user in users[chunk : chunk + 50])
        )
    async with asyncio.timeout(DEADLINE_SECONDS):
        while rows(fleet.database_url, online) != [(500,)]:
            await asyncio.sleep(0.1)
    ended = (
        "SELECT reason::text, count(*), min(user_id) FROM changes"
        " WHERE state = 'offline' GROUP BY reason"
    )
    assert rows(fleet.database_url, ended) == [("timed_out", 500, "user-0500")]


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
    newer = token("ann", jti="newer")
    socket = await fleet.socket(fleet.first, screen="Home")
    await socket.send(json.dumps({"type": "auth", "token": newer, "id": 1}))
    assert json.loads(await socket.recv())["type"] == "ack"
    await fleet.log_time_passes(2)
    assert fleet.user() == ("foreground", "Home", "started")
    assert (await fleet.second.logout(newer)).status == 200
    assert await closed_with(socket) == 4409
    await fleet.until("offline", None, "logged_out")


@pytest.mark.parametrize("fleet", [15], indirect=True)  # what the way back may take at most
async def test_a_rolling_restart_puts_nobody_offline(fleet: Fleet) -> None:
    socket = await fleet.socket(fleet.first, screen="Home")
    await fleet.until("foreground", "Home", "started")
    fleet.first.popen.send_signal(signal.SIGTERM)
    assert await closed_with(socket) == 1012
    await fleet.log_time_passes(3)  # longer than the grace
    assert fleet.user() == ("foreground", "Home", "started")
    await fleet.socket(fleet.second)
    await fleet.log_time_passes(13)  # and 3 before: its first socket alone would not have lasted
    assert fleet.user() == ("foreground", "Home", "started")
