"""A known call of a new connection is answered from its descriptor, and held to the same bounds."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvloop
from aiohttp import web
from prometheus_client import CollectorRegistry

from schemas.http.eager_site import EagerSite
from schemas.http.known_answers import KnownAnswer
from schemas.http.known_heads import UsualCall
from schemas.http.lane import Asked
from schemas.http.metrics import HttpMetrics
from schemas.http.server import BoundedRunner, BoundedServer
from schemas.http.settings import HttpSettings
from schemas.service.shutdown import Stop
from tests.rigs.standstill import without_standstill

SLOW_SECONDS = 0.4
#: On a busy machine an answer, or an end, may be this late.
SLACK_SECONDS = 60.0
BODY = b'{"success": true}'


def call(*more: bytes, token: bytes = b"t") -> bytes:
    head = [b"POST /call HTTP/1.1", b"Host: x", b"Authorization: Bearer " + token, *more]
    return b"\r\n".join([*head, b"Content-Length: 2", b"", b"{}"])


KEPT = call()
LAST = call(b"Connection: close")


class Server:
    """A lane that takes every call whose token is not ``strange``, and answers when told to."""

    def __init__(self) -> None:
        self.at_once = True
        self.waiting: list[tuple[Asked, UsualCall]] = []
        self.registry = CollectorRegistry()
        self.runner: BoundedRunner
        self.port = 0

    @property
    def server(self) -> BoundedServer:
        assert isinstance(self.runner.server, BoundedServer)
        return self.runner.server

    def take(self, connection: Asked, asked: UsualCall) -> bool:
        if asked.authorization == "Bearer strange":
            return False
        connection.proven = True
        connection.enter_lane()
        self.waiting.append((connection, asked))
        if self.at_once:
            self.answer()
        return True

    def answer(self) -> None:
        known = KnownAnswer(web.Response(body=BODY), {})
        waiting, self.waiting = self.waiting, []
        for connection, asked in waiting:
            closing = asked.closing or connection.last_answer
            connection.answer(known.bytes("1", closing=closing), closing=closing)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"test_http_{name}", labels) or 0.0

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(SLACK_SECONDS):
            while not condition():
                await asyncio.sleep(0.005)

    async def until_nobody_is_there(self) -> None:
        await self.until(lambda: self.server.open_connections == 0)
        assert self.server.newcomers == {}
        assert self.metric("connections") == 0


@asynccontextmanager
async def running(**values: Any) -> AsyncIterator[Server]:
    """Knows the heads of :data:`KEPT` and :data:`LAST`."""
    server = Server()

    async def ordinary(_request: web.Request) -> web.Response:
        return web.Response(text="ordinary")

    app = web.Application()
    app.router.add_post("/call", ordinary)
    app.router.add_get("/other", ordinary)
    server.runner = BoundedRunner(
        app,
        HttpSettings(**values),
        HttpMetrics(server.registry, "test"),
        shutdown_timeout=SLACK_SECONDS,
        lanes={"/call": server.take},
    )
    await server.runner.setup()
    site = EagerSite(server.runner, "127.0.0.1", 0)
    await site.start()
    server.port = site.port
    try:
        for data in (KEPT, LAST):
            reader, writer = await ask(server, data)
            await answer_of(reader)
            writer.close()
        await server.until_nobody_is_there()
        yield server
    finally:
        await server.runner.cleanup()


async def ask(
    server: Server, data: bytes = b""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    return reader, writer


async def answer_of(reader: asyncio.StreamReader, body: bytes = BODY) -> bytes:
    async with asyncio.timeout(SLACK_SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert await reader.readexactly(len(body)) == body
        return head


async def until_closed(reader: asyncio.StreamReader) -> float:
    started = time.monotonic()
    async with asyncio.timeout(SLACK_SECONDS):
        assert await reader.read(-1) == b""
    return time.monotonic() - started


@pytest.fixture
def run() -> Callable[[Callable[[], Awaitable[None]]], None]:
    """On ingest's loop."""
    return lambda scenario: uvloop.run(without_standstill(scenario))


Run = Callable[[Callable[[], Awaitable[None]]], None]


def test_the_last_call_is_answered_and_nothing_of_it_is_left(run: Run) -> None:
    async def scenario() -> None:
        async with running() as server:
            made = server.server.connections
            reader, writer = await ask(server, LAST)
            assert b"\r\nConnection: close\r\n" in await answer_of(reader)
            await until_closed(reader)
            await server.until_nobody_is_there()
            assert server.server.connections == made
            writer.close()

    run(scenario)


def test_one_that_says_something_late_is_waited_for(run: Run) -> None:
    async def scenario() -> None:
        async with running() as server:
            reader, writer = await ask(server)
            await server.until(lambda: len(server.server.newcomers) == 1)
            writer.write(LAST)
            await answer_of(reader)
            await until_closed(reader)
            await server.until_nobody_is_there()
            writer.close()

    run(scenario)


def test_the_second_call_is_an_ordinary_connections(run: Run) -> None:
    async def scenario() -> None:
        async with running() as server:
            reader, writer = await ask(server, KEPT)
            await answer_of(reader)
            assert len(server.server.newcomers) == 1
            for data in (KEPT, b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n", LAST):
                writer.write(data)
                await answer_of(reader, b"ordinary" if data.startswith(b"GET") else BODY)
                assert server.server.newcomers == {}
            await until_closed(reader)
            await server.until_nobody_is_there()
            writer.close()

    run(scenario)


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        ((call(token=b"strange"),), b"ordinary"),
        ((call(b"Origin: http://x"),), b"ordinary"),
        ((b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n",), b"ordinary"),
        ((KEPT[:30], KEPT[30:]), BODY),
        ((KEPT[:-1], KEPT[-1:]), b"ordinary"),
    ],
)
def test_what_is_not_known_is_an_ordinary_connections(
    run: Run, parts: tuple[bytes, ...], body: bytes
) -> None:
    async def scenario() -> None:
        async with running() as server:
            reader, writer = await ask(server)
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0.02)
            await answer_of(reader, body)
            assert server.server.newcomers == {}
            assert server.server.open_connections == 1
            writer.close()
            await server.until_nobody_is_there()

    run(scenario)


def test_calls_in_a_pipeline_are_answered_in_their_order(run: Run) -> None:
    async def scenario() -> None:
        async with running() as server:
            server.at_once = False
            reader, writer = await ask(server, KEPT)
            await server.until(lambda: len(server.waiting) == 1)
            writer.write(b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.sleep(0.02)
            server.answer()
            await answer_of(reader)
            await answer_of(reader, b"ordinary")
            writer.close()
            await server.until_nobody_is_there()

    run(scenario)


@pytest.mark.parametrize("data", [b"", KEPT])
def test_one_that_leaves_is_forgotten(run: Run, data: bytes) -> None:
    async def scenario() -> None:
        async with running() as server:
            reader, writer = await ask(server, data)
            if data:
                await answer_of(reader)
            await server.until(lambda: len(server.server.newcomers) == 1)
            writer.close()
            await server.until_nobody_is_there()

    run(scenario)


def test_one_that_leaves_before_its_answer_is_forgotten_with_it(run: Run) -> None:
    async def scenario() -> None:
        async with running() as server:
            server.at_once = False
            _, writer = await ask(server, LAST)
            await server.until(lambda: len(server.waiting) == 1)
            writer.transport.abort()
            await asyncio.sleep(0.02)
            server.answer()
            await server.until_nobody_is_there()

    run(scenario)


@pytest.mark.parametrize(("data", "cause"), [(b"", "head"), (KEPT[:20], "head"), (KEPT, "idle")])
def test_one_that_is_too_slow_is_closed(run: Run, data: bytes, cause: str) -> None:
    async def scenario() -> None:
        slow = {f"http_{cause}_timeout_seconds": SLOW_SECONDS}
        async with running(**slow) as server:
            reader, writer = await ask(server, data)
            if cause == "idle":
                await answer_of(reader)
            assert await until_closed(reader) > SLOW_SECONDS / 2
            assert server.metric("timeouts_total", cause=cause) == 1
            await server.until_nobody_is_there()
            writer.close()

    run(scenario)


def test_a_byte_now_and_then_gains_no_time(run: Run) -> None:
    async def scenario() -> None:
        async with running(http_head_timeout_seconds=2 * SLOW_SECONDS) as server:
            reader, writer = await ask(server)
            closing = asyncio.create_task(reader.read(-1))
            for byte in KEPT[:-1]:
                if closing.done():
                    break
                writer.write(bytes([byte]))
                await asyncio.sleep(SLOW_SECONDS / 4)
            # If bytes gained time, there would be no end before the head has one.
            assert closing.done()
            with suppress(ConnectionResetError):  # of a byte that came after the end
                assert await closing == b""
            assert server.metric("timeouts_total", cause="head") == 1
            writer.close()

    run(scenario)


def test_one_too_many_is_refused_unread(run: Run) -> None:
    async def scenario() -> None:
        async with running(max_http_connections=2) as server:
            server.at_once = False
            held = [await ask(server, KEPT) for _ in range(2)]
            await server.until(lambda: len(server.waiting) == 2)
            reader, writer = await ask(server)
            async with asyncio.timeout(SLACK_SECONDS):
                assert (await reader.read(-1)).startswith(b"HTTP/1.1 503 ")
            assert server.metric("connections_refused_total") == 1
            server.answer()
            for each, its_writer in held:
                await answer_of(each)
                its_writer.close()
            writer.close()

    run(scenario)


def test_those_who_say_nothing_make_room(run: Run) -> None:
    async def scenario() -> None:
        async with running(max_http_connections=5) as server:
            silent = [await ask(server) for _ in range(4)]
            await server.until(lambda: len(server.server.newcomers) == 4)
            await asyncio.sleep(1.05)  # the least time that they are left
            reader, writer = await ask(server, KEPT)
            await answer_of(reader)
            assert server.metric("connections_made_room_total") >= 1
            for _, each in (*silent, (reader, writer)):
                each.close()

    run(scenario)


def test_while_the_process_drains_an_answer_is_the_last_one(run: Run) -> None:
    async def scenario() -> None:
        async with running(drain_seconds=0) as server:
            server.at_once = False
            reader, writer = await ask(server, KEPT)
            await server.until(lambda: len(server.waiting) == 1)
            await server.runner.drain(Stop())
            server.answer()
            assert b"\r\nConnection: close\r\n" in await answer_of(reader)
            await until_closed(reader)
            writer.close()

    run(scenario)


def test_the_end_of_the_process_waits_for_an_answer_and_for_nobody_else(run: Run) -> None:
    async def scenario() -> None:
        async with running() as server:
            server.at_once = False
            silent, silent_writer = await ask(server)
            reader, writer = await ask(server, KEPT)
            await server.until(lambda: len(server.waiting) == 1)
            ending = asyncio.create_task(server.runner.cleanup())
            await until_closed(silent)
            done, _ = await asyncio.wait([ending], timeout=0.1)
            assert not done
            server.answer()
            await answer_of(reader)
            await until_closed(reader)
            await ending
            writer.close()
            silent_writer.close()

    run(scenario)


def test_nothing_is_left_open(run: Run) -> None:
    async def scenario() -> None:
        async with running() as server:
            loop = asyncio.get_running_loop()
            before = socket.socket()
            least = before.fileno()
            before.close()
            for number in range(30):
                phone = socket.create_connection(("127.0.0.1", server.port))
                phone.setblocking(False)
                await loop.sock_sendall(phone, (LAST, KEPT, call(token=b"strange"))[number % 3])
                assert await loop.sock_recv(phone, 65_536)
                phone.close()
            await server.until_nobody_is_there()
            after = socket.socket()
            assert after.fileno() <= least
            after.close()

    run(scenario)
