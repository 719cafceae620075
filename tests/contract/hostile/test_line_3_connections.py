"""Issue 15, line 3: idle connections of strangers make room, and never by their address alone."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from schemas.http.idle_connections import LEAST_SECONDS
from schemas.log.settings import KafkaSettings
from tests.contract.raw_socket import Listening, RawSocket
from tests.rigs.harness import (
    DEADLINE_SECONDS,
    Ingest,
    ingest_settings,
    running_ingest,
    token,
    wait_until,
)
from tests.rigs.ingest_process import Process

MOST = 100
STRANGER = "127.0.0.2"


class KeptAlive:
    """A connection that is kept; ``source`` is the client's address."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, ingest: Listening, source: str = STRANGER) -> KeptAlive:
        return cls(*await asyncio.open_connection("127.0.0.1", ingest.port, local_addr=(source, 0)))

    async def call(self, user: str = "", forwarded_for: str = "", path: str = "") -> int:
        """The status of a heartbeat of ``user``, of nobody if that is empty; 0 if it was closed."""
        head = f"POST {path or '/api/update-online-status'} HTTP/1.1\r\nhost: x\r\n"
        head += "content-length: 0\r\n"
        head += f"authorization: Bearer {token(user)}\r\n" if user else ""
        head += f"x-forwarded-for: {forwarded_for}\r\n" if forwarded_for else ""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                self._writer.write(f"{head}\r\n".encode())
                answer = (await self._reader.readuntil(b"\r\n\r\n")).decode()
                length = answer.lower().partition("content-length: ")[2].partition("\r\n")[0]
                await self._reader.readexactly(int(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0
        return int(answer.split()[1])

    async def is_open(self) -> bool:
        try:
            async with asyncio.timeout(0.01):
                return bool(await self._reader.read(1))
        except TimeoutError:
            return True
        except ConnectionError:
            return False

    def close(self) -> None:
        self._writer.transport.abort()


@asynccontextmanager
async def crowd(
    ingest: Ingest, count: int, forwarded_for: str = ""
) -> AsyncIterator[list[KeptAlive]]:
    """So many connections that got an answer, without a token, and stay."""
    connections = [await KeptAlive.open(ingest) for _ in range(count)]
    path = "/api/nothing-here"
    for each in connections:
        assert await each.call(forwarded_for=forwarded_for, path=path) == 404
    await asyncio.sleep(LEAST_SECONDS + 0.1)
    try:
        yield connections
    finally:
        for each in connections:
            each.close()


@pytest.mark.parametrize("trusted_proxies", ["", "127.0.0.2"])
async def test_line_3_idle_strangers_make_room_and_nobody_who_showed_a_token_does(
    kafka_settings: KafkaSettings, trusted_proxies: str
) -> None:
    settings = ingest_settings(
        kafka_settings,
        max_http_connections=MOST,
        trusted_proxies=trusted_proxies,
        websocket_drain_seconds=0,
    )
    async with running_ingest(settings) as ingest:
        await ingest.until_ready()
        # Phones behind the stranger's NAT: kept-alive ones, and sockets.
        phones = [await KeptAlive.open(ingest) for _ in range(20)]
        for number, phone in enumerate(phones):
            assert await phone.call(f"kept{number}", forwarded_for="198.51.100.7") == 200
        sockets = [await RawSocket.open(ingest) for _ in range(10)]
        async with crowd(ingest, 75, forwarded_for="198.51.100.7") as strangers:
            fresh = [await KeptAlive.open(ingest, "127.0.0.3") for _ in range(40)]
            for number, phone in enumerate(fresh):
                assert await phone.call(f"fresh{number}") == 200
            for number, phone in enumerate(phones):
                assert await phone.call(f"kept{number}") == 200
            left = [await each.is_open() for each in strangers]
        assert 0 < sum(left) < 75
        # The longest idle went first.
        assert left == sorted(left)
        assert ingest.metric("rollcall_ingest_http_connections_refused_total") == 0
        made_room = ingest.metric("rollcall_ingest_http_connections_made_room_total")
        assert made_room == 75 - sum(left)
        assert ingest.metric("rollcall_ingest_sockets_open") == 10
        for client in (*phones, *fresh):
            client.close()
        for socket in sockets:
            socket.end()


async def test_line_3_sockets_that_authenticate_nobody_make_room_too(
    kafka_settings: KafkaSettings,
) -> None:
    settings = ingest_settings(
        kafka_settings,
        max_http_connections=MOST,
        websocket_auth_timeout_seconds=60,
        websocket_drain_seconds=0,
    )
    async with running_ingest(settings) as ingest:
        await ingest.until_ready()
        honest = [await RawSocket.open(ingest) for _ in range(5)]
        silent = [await RawSocket.open(ingest, authorization="") for _ in range(79)]
        await asyncio.sleep(LEAST_SECONDS + 0.1)
        phones = [await KeptAlive.open(ingest, "127.0.0.3") for _ in range(40)]
        for number, phone in enumerate(phones):
            assert await phone.call(f"u{number}") == 200
        assert ingest.metric("rollcall_ingest_http_connections_refused_total") == 0
        assert ingest.metric("rollcall_ingest_http_connections_made_room_total") > 0
        for socket in honest:
            socket.send(b'{"id": 1, "screen": "Home"}')
            async with asyncio.timeout(DEADLINE_SECONDS):
                assert await anext(f async for f in socket.frames() if b'"ack"' in f.payload)
        for client in (*honest, *silent):
            client.end()
        for phone in phones:
            phone.close()


async def test_line_3_sockets_of_phones_take_no_place_of_calls(
    kafka_settings: KafkaSettings,
) -> None:
    settings = ingest_settings(kafka_settings, max_http_connections=MOST, websocket_drain_seconds=0)
    async with running_ingest(settings) as ingest:
        await ingest.until_ready()
        sockets = [
            await RawSocket.open(ingest, authorization=f"Bearer {token(f's{n}')}")
            for n in range(60)
        ]
        await wait_until(lambda: ingest.metric("rollcall_ingest_sockets_open") == 60)
        async with crowd(ingest, 40) as strangers:
            phone = await KeptAlive.open(ingest, "127.0.0.3")
            assert await phone.call("u1") == 200
            assert all([await each.is_open() for each in strangers])
        assert ingest.metric("rollcall_ingest_http_connections_made_room_total") == 0
        assert ingest.metric("rollcall_ingest_http_connections_refused_total") == 0
        phone.close()
        for socket in sockets:
            socket.end()


async def test_line_3_a_proxys_own_connections_are_nobodys(kafka_settings: KafkaSettings) -> None:
    settings = ingest_settings(
        kafka_settings, max_http_connections=MOST, trusted_proxies="127.0.0.2"
    )
    async with running_ingest(settings) as ingest:
        spare = [await KeptAlive.open(ingest) for _ in range(30)]
        async with crowd(ingest, 60, forwarded_for="198.51.100.7"):
            for number in range(30):
                assert await (await KeptAlive.open(ingest)).call(f"u{number}") in (200, 503)
            assert all([await each.is_open() for each in spare])
        assert ingest.metric("rollcall_ingest_http_connections_refused_total") == 0


async def test_line_3_after_a_4xx_a_stranger_is_kept_no_longer_than_a_head_may_take(
    kafka_settings: KafkaSettings,
) -> None:
    settings = ingest_settings(kafka_settings, http_head_timeout_seconds=3)
    async with running_ingest(settings) as ingest:
        await ingest.until_ready()
        phone = await KeptAlive.open(ingest)
        assert await phone.call("u1") == 200
        assert await phone.call(path="/nothing") == 404
        stranger = await KeptAlive.open(ingest)
        assert await stranger.call() == 401
        await wait_until(
            lambda: ingest.metric("rollcall_ingest_http_timeouts_total", cause="head") == 1
        )
        assert not await stranger.is_open()
        assert await phone.is_open()
        phone.close()


@contextmanager
def open_files(count: int) -> Iterator[None]:
    """As many as the clients of a test have; skips it where that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"needs {count} open files, and {hard} are allowed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


#: What stays of one address, and what was opened beside it until every phone was refused.
SOCKETS, KEPT, STRANGERS, ROOM = 5_000, 2_000, 10_010, 10_000


@pytest.mark.parametrize("scale", [40, pytest.param(1, marks=pytest.mark.long)])
async def test_line_3_ten_thousand_idle_strangers_cost_no_phone_of_their_address_anything(
    kafka_settings: KafkaSettings, tmp_path: Path, scale: int
) -> None:
    """``scale`` 1 is what was found; the other form is that many times smaller."""
    kept_count, stranger_count, socket_count = KEPT // scale, STRANGERS // scale, SOCKETS // scale
    files = kept_count + stranger_count + socket_count + 1_000
    ingest = Process(
        kafka_settings,
        tmp_path / "ingest.log",
        ROLLCALL_MAX_HTTP_CONNECTIONS=str(ROOM // scale),
        ROLLCALL_MAX_CONNECTIONS=str(socket_count),
        # Nobody goes for another reason while a busy machine opens all of them.
        ROLLCALL_HTTP_HEAD_TIMEOUT_SECONDS="600",
        ROLLCALL_HTTP_IDLE_TIMEOUT_SECONDS="1200",
        ROLLCALL_OFFLINE_AFTER_SECONDS="1200",
        ROLLCALL_WEBSOCKET_PING_INTERVAL_SECONDS="900",
        ROLLCALL_WEBSOCKET_DRAIN_SECONDS="0",
    )
    try:
        await ingest.until_status("/readyz", 200)
        refused = "rollcall_ingest_http_connections_refused_total"
        phones: list[KeptAlive] = []
        with open_files(files):
            sockets = [
                await RawSocket.open(
                    ingest, source=STRANGER, authorization=f"Bearer {token(f's{n}')}"
                )
                for n in range(socket_count)
            ]
            for number in range(kept_count):
                phones.append(await KeptAlive.open(ingest))
                assert await phones[-1].call(f"kept{number}") == 200
            strangers: list[KeptAlive] = []
            while len(strangers) < stranger_count:
                for _ in range(min(ROOM // scale // 50, stranger_count - len(strangers))):
                    strangers.append(await KeptAlive.open(ingest))
                    await strangers[-1].call(path="/api/nothing-here")
                # A new phone of elsewhere, while they come.
                phones.append(await KeptAlive.open(ingest, "127.0.0.3"))
                assert await phones[-1].call(f"fresh{len(strangers)}") == 200
                await asyncio.sleep(0.2)
            for number, phone in enumerate(phones[:kept_count]):
                assert await phone.call(f"kept{number}") == 200
            for socket in sockets:
                socket.send(b'{"id": 1, "screen": "Home"}')
            for socket in sockets:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    assert await anext(f async for f in socket.frames() if b'"ack"' in f.payload)
            assert await ingest.metric("rollcall_ingest_sockets_open") == socket_count
            assert await ingest.metric("rollcall_ingest_http_connections_made_room_total") > 0
            assert await ingest.metric(refused) == 0
            for client in (*phones, *strangers):
                client.close()
            for socket in sockets:
                socket.end()
    finally:
        ingest.end()
