"""New connections get in while those that are there keep the loop busy."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
import uvloop
from aiohttp import web
from prometheus_client import CollectorRegistry

from schemas.http.doorstep import MOST_AT_ONCE
from schemas.http.eager_site import PRIVATE, EagerSite
from schemas.http.metrics import HttpMetrics
from schemas.http.server import BoundedRunner, BoundedServer
from schemas.http.settings import HttpSettings

PHONES = 200
CALL = b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def in_uvloop(test: Callable[[], Awaitable[None]]) -> None:
    """Ingest's loop: asyncio's own accepts many a turn."""
    uvloop.run(test())  # type: ignore[arg-type]


async def start(site_of: type[web.TCPSite]) -> tuple[BoundedRunner, int]:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(text="here")

    app = web.Application()
    app.router.add_get("/x", answer)
    metrics = HttpMetrics(CollectorRegistry(), "test")
    runner = BoundedRunner(app, HttpSettings(), metrics, shutdown_timeout=1)
    await runner.setup()
    await site_of(cast(Any, runner), "127.0.0.1", 0, backlog=4096).start()
    return runner, runner.addresses[0][1]


def connect(port: int, count: int) -> list[socket.socket]:
    """The kernel connects them; the server's loop has no turn meanwhile."""
    return [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]


def counted(runner: BoundedRunner) -> int:
    return cast(BoundedServer, runner.server).open_connections


async def turns_until_all_are_in(runner: BoundedRunner, count: int) -> int:
    assert runner.server is not None
    turns = 0
    while counted(runner) < count:
        await asyncio.sleep(0)
        turns += 1
    return turns


def test_those_who_wait_come_in_many_at_a_turn() -> None:
    async def test() -> None:
        turns = {}
        for site in (EagerSite, web.TCPSite):
            runner, port = await start(site)
            phones = connect(port, PHONES)
            turns[site] = await turns_until_all_are_in(runner, PHONES)
            for phone in phones:
                phone.close()
            await runner.cleanup()
        assert turns[EagerSite] <= 4 * (PHONES // MOST_AT_ONCE + 1)
        # When this fails libuv accepts many at once again: this module has had its day.
        assert turns[web.TCPSite] >= PHONES // 2

    in_uvloop(test)


def test_who_came_in_is_answered_and_sends_without_delay() -> None:
    async def test() -> None:
        runner, port = await start(EagerSite)
        phones = connect(port, 5)
        await turns_until_all_are_in(runner, 5)
        assert runner.server is not None
        for connection in runner.server.connections:
            assert connection.transport is not None
            theirs = connection.transport.get_extra_info("socket")
            assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            assert connection.transport.get_extra_info("peername")[0] == "127.0.0.1"
        loop = asyncio.get_running_loop()
        for phone in phones:
            phone.setblocking(False)
            await loop.sock_sendall(phone, CALL)
            said = b""
            while data := await loop.sock_recv(phone, 65_536):
                said += data
            assert said.endswith(b"here")
            phone.close()
        await runner.cleanup()

    in_uvloop(test)


def test_when_it_stops_nobody_gets_in() -> None:
    async def test() -> None:
        runner, port = await start(EagerSite)
        await runner.cleanup()
        with pytest.raises(ConnectionRefusedError):
            connect(port, 1)

    in_uvloop(test)


def test_without_files_it_waits_for_some() -> None:
    async def test() -> None:
        runner, port = await start(EagerSite)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        phones = connect(port, 10)
        free = socket.socket().detach()  # the least number that is not taken
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
        try:
            await asyncio.sleep(0.01)
            with pytest.raises(OSError, match="files") as none_left:
                socket.socket()
            assert none_left.value.errno == errno.EMFILE
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            socket.socket(fileno=free).close()
        # Those that libuv closed meanwhile, to tell them so, are not among them.
        late = connect(port, 10)
        async with asyncio.timeout(60):
            while counted(runner) < len(late):
                await asyncio.sleep(0.01)
        for phone in (*phones, *late):
            phone.close()
        await runner.cleanup()

    in_uvloop(test)


class FailingLoop(uvloop.Loop):
    async def connect_accepted_socket(self, *_: Any, **__: Any) -> Any:
        raise LookupError("nobody thought of this")


def test_whoever_cannot_be_taken_in_leaves_no_file_and_no_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test() -> None:
        runner, port = await start(EagerSite)
        phone = connect(port, 1)[0]
        phone.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(phone, CALL)
        async with asyncio.timeout(60):
            assert await loop.sock_recv(phone, 1) == b""
        assert counted(runner) == 0
        phone.close()
        await runner.cleanup()

    with asyncio.Runner(loop_factory=FailingLoop) as own:
        own.run(test())
    assert "could not be taken in" in caplog.text


@pytest.mark.parametrize("member", PRIVATE)
def test_aiohttps_site_has_the_member(member: str) -> None:
    assert member in web.BaseSite.__slots__
