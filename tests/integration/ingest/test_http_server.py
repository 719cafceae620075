"""Clients that are slow, idle or too many, on the event loops that services run on."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest
import uvloop
from aiohttp import web
from prometheus_client import CollectorRegistry

from schemas.http.eager_site import EagerSite
from schemas.http.metrics import HttpMetrics
from schemas.http.server import BoundedRunner
from schemas.http.settings import HttpSettings
from tests.rigs.standstill import without_standstill

HEAD_SECONDS = 0.4
IDLE_SECONDS = 0.8
#: On a busy machine a connection may end this late.
SLACK_SECONDS = 60.0
REQUEST = b"GET /answer HTTP/1.1\r\nhost: x\r\n\r\n"
LONG_BODY = b"x" * 1_000_000


class Server:
    def __init__(self, port: int, registry: CollectorRegistry) -> None:
        self.port = port
        self._registry = registry
        self.sockets = 0

    def metric(self, name: str, **labels: str) -> float:
        return self._registry.get_sample_value(f"test_http_{name}", labels) or 0.0

    def timeouts(self) -> dict[str, float]:
        counted = {
            cause: self.metric("timeouts_total", cause=cause)
            for cause in ("head", "body", "idle", "write")
        }
        return {cause: count for cause, count in counted.items() if count}

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def until_open(self, connections: int) -> None:
        async with asyncio.timeout(SLACK_SECONDS):
            while self.metric("connections") != connections:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(**values: Any) -> AsyncIterator[Server]:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def slow(_request: web.Request) -> web.Response:
        await asyncio.sleep(2 * IDLE_SECONDS)
        return web.Response(text="ok")

    async def long(_request: web.Request) -> web.Response:
        return web.Response(body=LONG_BODY)

    async def broken(_request: web.Request) -> web.Response:
        raise RuntimeError("a mistake of ours")

    async def is_routed(request: web.Request) -> web.Response:
        # The router's mark on a request, which direct calls do not get.
        return web.Response(text="routed" if request._match_info is not None else "direct")

    async def nodelay(request: web.Request) -> web.Response:
        assert request.transport is not None
        connection = request.transport.get_extra_info("socket")
        return web.Response(text=str(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))

    app = web.Application()
    app.router.add_get("/answer", answer)
    app.router.add_post("/direct", is_routed)
    app.router.add_get("/direct", is_routed)
    app.router.add_get("/nodelay", nodelay)
    app.router.add_get("/slow", slow)
    app.router.add_get("/long", long)
    app.router.add_get("/broken", broken)
    app.router.add_post("/unread", answer)
    registry = CollectorRegistry()
    timing = {
        "http_head_timeout_seconds": HEAD_SECONDS,
        "http_idle_timeout_seconds": IDLE_SECONDS,
    }
    server = Server(0, registry)
    runner = BoundedRunner(
        app,
        HttpSettings(**{**timing, **values}),
        HttpMetrics(registry, "test"),
        sockets=lambda: server.sockets,
        shutdown_timeout=1,
        direct={("POST", "/direct"): is_routed},
    )
    await runner.setup()
    # As ingest has it, and as the API has it.
    of_ingest = isinstance(asyncio.get_running_loop(), uvloop.Loop)
    site = (EagerSite if of_ingest else web.TCPSite)(runner, "127.0.0.1", 0)
    await site.start()
    server.port = site.port
    try:
        yield server
    finally:
        await runner.cleanup()


Scenario = Callable[[], Awaitable[None]]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    runner = asyncio.run if request.param == "asyncio" else uvloop.run

    def run_scenario(scenario: Scenario) -> None:
        async def main() -> None:
            await without_standstill(scenario)

        runner(main())

    return run_scenario


async def seconds_until_closed(reader: asyncio.StreamReader, started: float) -> float:
    async with asyncio.timeout(SLACK_SECONDS):
        try:
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass
    return time.monotonic() - started


def test_a_client_that_sends_nothing_is_closed(run: Callable[[Scenario], None]) -> None:
    async def scenario() -> None:
        async with running() as server:
            started = time.monotonic()
            reader, writer = await server.connect()
            took = await seconds_until_closed(reader, started)
            assert HEAD_SECONDS * 0.9 < took < HEAD_SECONDS + SLACK_SECONDS
            assert server.timeouts() == {"head": 1}
            await server.until_open(0)
            writer.close()

    run(scenario)


@pytest.mark.parametrize("first", [b"", REQUEST], ids=["first request", "second request"])
def test_a_client_that_sends_a_byte_now_and_then_is_closed(
    run: Callable[[Scenario], None], first: bytes
) -> None:
    async def scenario() -> None:
        async with running() as server:
            reader, writer = await server.connect()
            if first:
                writer.write(first)
                await reader.readuntil(b"ok")
            started = time.monotonic()
            closed = asyncio.create_task(seconds_until_closed(reader, started))
            for byte in REQUEST * 10:
                if closed.done():
                    break
                writer.write(bytes([byte]))
                await asyncio.sleep(0.05)
            took = await closed
            assert HEAD_SECONDS * 0.9 < took < HEAD_SECONDS + SLACK_SECONDS
            assert server.timeouts() == {"head": 1}
            writer.close()

    run(scenario)


def test_an_idle_connection_is_closed_later(run: Callable[[Scenario], None]) -> None:
    async def scenario() -> None:
        async with running() as server:
            reader, writer = await server.connect()
            started = time.monotonic()
            writer.write(REQUEST)
            await reader.readuntil(b"ok")
            took = await seconds_until_closed(reader, started)
            assert IDLE_SECONDS * 0.9 < took < IDLE_SECONDS + SLACK_SECONDS
            assert server.timeouts() == {"idle": 1}
            writer.close()

    run(scenario)


def test_a_connection_in_use_is_kept(run: Callable[[Scenario], None]) -> None:
    async def scenario() -> None:
        async with running() as server:
            reader, writer = await server.connect()
            until = time.monotonic() + 2 * IDLE_SECONDS
            while time.monotonic() < until:
                writer.write(REQUEST[:20])
                await asyncio.sleep(HEAD_SECONDS / 4)
                writer.write(REQUEST[20:])
                await reader.readuntil(b"ok")
            assert server.timeouts() == {}
            writer.close()

    run(scenario)


def test_an_answer_that_takes_long_is_waited_for(run: Callable[[Scenario], None]) -> None:
    async def scenario() -> None:
        async with running() as server:
            reader, writer = await server.connect()
            writer.write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
            await reader.readuntil(b"ok")
            assert server.timeouts() == {}
            writer.close()

    run(scenario)


def test_a_client_that_does_not_read_is_closed(run: Callable[[Scenario], None]) -> None:
    async def scenario() -> None:
        async with running() as server:
            with closing(socket.socket()) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.setblocking(False)
                await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", server.port))
                started = time.monotonic()
                client.send(b"GET /long HTTP/1.1\r\nhost: x\r\n\r\n" * 20)
                await server.until_open(1)
                await server.until_open(0)
                assert time.monotonic() - started < 2 * IDLE_SECONDS + SLACK_SECONDS
                assert server.timeouts() == {"write": 1}

    run(scenario)


def test_a_client_that_reads_slowly_gets_everything(run: Callable[[Scenario], None]) -> None:
    async def scenario() -> None:
        async with running() as server:
            reader, writer = await server.connect()
            writer.write(b"GET /long HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            received = 0
            while chunk := await reader.read(65_536):
                received += len(chunk)
                await asyncio.sleep(IDLE_SECONDS / 8)
            assert received > len(LONG_BODY)
            assert server.timeouts() == {}
            writer.close()

    run(scenario)


def test_one_connection_too_many_gets_a_503_at_once(run: Callable[[Scenario], None]) -> None:
    async def scenario() -> None:
        async with running(max_http_connections=2, http_head_timeout_seconds=60) as server:
            first, second = await server.connect(), await server.connect()
            await server.until_open(2)
            reader, writer = await server.connect()
            async with asyncio.timeout(SLACK_SECONDS):
                answer = await reader.read()
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: " in head.lower()
            assert b"\r\nconnection: close" in head.lower()
            problem = json.loads(body)
            assert problem["success"] is False
            assert problem["code"] == "unavailable"
            assert server.metric("connections_refused_total") == 1
            assert server.metric("connections") == 2
            writer.close()
            first[1].close()
            await server.until_open(1)
            reader, writer = await server.connect()
            writer.write(REQUEST)
            await reader.readuntil(b"ok")
            for _, other in (second, (reader, writer)):
                other.close()

    run(scenario)


def test_authenticated_sockets_do_not_take_the_place_of_calls(
    run: Callable[[Scenario], None],
) -> None:
    async def scenario() -> None:
        async with running(max_http_connections=1, http_head_timeout_seconds=60) as server:
            _, first = await server.connect()
            await server.until_open(1)
            server.sockets = 1
            reader, writer = await server.connect()
            writer.write(REQUEST)
            await reader.readuntil(b"ok")
            first.close()
            writer.close()

    run(scenario)


# -- what aiohttp would answer by itself

TOKEN = "eyJhbGciOiJIUzI1NiJ9." + "c2VjcmV0" * 1200
TOO_LONG = (
    "A line of the request's head has at most 8190 bytes here (ROLLCALL_MAX_HEADER_BYTES). A "
    "longer token goes into the auth frame of a socket."
)


async def answer_to(server: Server, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer."""
    reader, writer = await server.connect()
    with closing(writer):
        writer.write(request)
        async with asyncio.timeout(SLACK_SECONDS):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
            headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            assert await reader.read() == b"", "the connection ends"
    return int(status.split()[1]), headers, body


@pytest.mark.parametrize(
    ("request_bytes", "status", "code", "detail"),
    [
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, "bad_request", "This is not HTTP/1.1."),
        (
            b"GET x HTTP/1.1\r\nHost: x\r\n\r\n",
            400,
            "bad_request",
            "The request's target is not a URL.",
        ),
        (
            f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode(),
            *(431, "headers_too_large", TOO_LONG),
        ),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: eyJhbGciOiJIUzI1NiJ9\r\n\r\n",
            *(400, "bad_request", "The request is not HTTP/1.1 as RFC 9112 defines it."),
        ),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404, "not_found", "Nothing is at this address."),
        (
            b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
            404,
            "not_found",
            "Nothing is at this address.",
        ),
        (
            b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n",
            *(500, "internal", "This is our fault. The request id finds it."),
        ),
    ],
)
def test_what_no_handler_answers_is_a_problem_that_repeats_nothing(
    run: Callable[[Scenario], None],
    caplog: pytest.LogCaptureFixture,
    request_bytes: bytes,
    status: int,
    code: str,
    detail: str,
) -> None:
    async def scenario() -> None:
        async with running() as server:
            answered, headers, body = await answer_to(server, request_bytes)
            problem = json.loads(body)
            assert (answered, problem["code"], problem["detail"]) == (status, code, detail)
            assert problem["success"] is False
            assert headers["content-type"] == "application/problem+json"
            assert headers["x-request-id"] == problem["request_id"]
            assert b"eyJ" not in body
            assert server.metric("unreadable_total") == (status in (400, 431))

    run(scenario)
    for never in ("eyJ", "127.0.0.1"):
        assert never not in caplog.text
    assert ("Traceback" in caplog.text) == (status == 500)


@pytest.mark.parametrize(
    ("head", "way"),
    [
        (b"POST /direct HTTP/1.1\r\n", b"direct"),
        (b"POST /direct?a=1 HTTP/1.1\r\n", b"direct"),
        (b"GET /direct HTTP/1.1\r\n", b"routed"),
        (b"POST /direct HTTP/1.1\r\nExpect: 200-ok\r\n", b"routed"),
    ],
)
def test_only_the_usual_form_of_a_direct_call_goes_without_the_router(
    run: Callable[[Scenario], None], head: bytes, way: bytes
) -> None:
    async def scenario() -> None:
        async with running() as server:
            rest = b"Host: x\r\nConnection: close\r\n\r\n"
            status, _, answer = await answer_to(server, head + rest)
            assert (status, answer) == (200, way)

    run(scenario)


def test_an_answer_is_never_held_back_for_company(run: Callable[[Scenario], None]) -> None:
    """TCP_NODELAY, which we leave to the event loop."""

    async def scenario() -> None:
        async with running() as server:
            request = b"GET /nodelay HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            status, _, answer = await answer_to(server, request)
            assert (status, answer) == (200, b"1")

    run(scenario)


@pytest.mark.parametrize("expectation", [b"100-continue", b"200-ok", b"\xff"])
def test_an_expectation_costs_nobody_an_answer(
    run: Callable[[Scenario], None], expectation: bytes
) -> None:
    async def scenario() -> None:
        async with running() as server:
            reader, writer = await server.connect()
            with closing(writer):
                writer.write(
                    b"GET /answer HTTP/1.1\r\nHost: x\r\nExpect: " + expectation + b"\r\n\r\n"
                )
                async with asyncio.timeout(SLACK_SECONDS):
                    status = await reader.readline()
                    if expectation == b"100-continue":
                        assert status == b"HTTP/1.1 100 Continue\r\n"
                        assert await reader.readline() == b"\r\n"
                        status = await reader.readline()
            assert status == b"HTTP/1.1 200 OK\r\n"

    run(scenario)


def test_a_packed_body_that_nobody_reads_is_not_unpacked(run: Callable[[Scenario], None]) -> None:
    """Two megabytes that would be two gigabytes, read to their end behind the answer."""
    bomb = two_gigabytes()
    requests = [
        b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n%b\r\n\r\n%b" % framed
        for framed in (
            (b"Content-Length: %d" % len(bomb), bomb),
            (b"Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(bomb), bomb)),
        )
    ]

    async def scenario() -> None:
        async with running(http_head_timeout_seconds=60, http_idle_timeout_seconds=60) as server:
            for request in requests:
                started = time.process_time()
                reader, writer = await server.connect()
                with closing(writer):
                    writer.write(request)
                    async with asyncio.timeout(SLACK_SECONDS):
                        assert await reader.readuntil(b"ok")
                        # The connection goes on with what follows the body: it was read.
                        writer.write(REQUEST)
                        assert await reader.readuntil(b"ok")
                assert time.process_time() - started < 0.5

    run(scenario)


def two_gigabytes() -> bytes:
    """A block of zeros, packed twice and then repeated."""
    packer = zlib.compressobj(9, wbits=31)
    first, again = (
        packer.compress(bytes(1 << 22)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2)
    )
    return first + again * 499
