"""What is in the log of a service after requests that went wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest
from aiohttp import web
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from schemas.service_log import log_to_stderr, without_caller

LOGGER = logging.getLogger("aiohttp.server")
TOKEN = "eyJhbGciOiJIUzI1NiJ9." + "c2VjcmV0" * 1200


@pytest.fixture(autouse=True)
def _filtered() -> Iterator[None]:
    LOGGER.addFilter(without_caller)
    yield
    LOGGER.removeFilter(without_caller)


async def broken(_request: web.Request) -> web.Response:
    raise RuntimeError("a mistake of ours")


async def answer_to(request: bytes) -> bytes:
    """The status line that a server gives; its only page is broken."""
    app = web.Application()
    app.router.add_get("/broken", broken)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
        writer.write(request)
        status = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        return status
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "request_bytes",
    [
        f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode(),
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: eyJhbGciOiJIUzI1NiJ9\r\n\r\n",
    ],
    ids=["a token too long for a header", "no number where one must be"],
)
def test_a_request_that_cannot_be_parsed_is_one_line_without_token_and_address(
    request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    status = asyncio.run(answer_to(request_bytes))
    assert b" 400 " in status
    [line] = [line for line in caplog.text.splitlines() if "aiohttp.server" in line]
    assert "WARNING" in line
    assert "Refused a request: " in line
    for never in ("eyJ", "127.0.0.1", "Traceback"):
        assert never not in caplog.text


def test_our_own_mistake_is_logged_with_its_traceback_but_without_the_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status = asyncio.run(answer_to(b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert b" 500 " in status
    assert "Error handling a request" in caplog.text
    assert "RuntimeError: a mistake of ours" in caplog.text
    assert "127.0.0.1" not in caplog.text


async def test_a_handshake_that_offers_its_token_as_a_subprotocol_is_not_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("aiohttp.websocket"), "level", logging.NOTSET)
    log_to_stderr()

    async def socket(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        return websocket

    app = web.Application()
    app.router.add_get("/", socket)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with connect(f"ws://127.0.0.1:{port}/", subprotocols=[Subprotocol("eyJh")]):
            pass
    finally:
        await runner.cleanup()
    assert "eyJh" not in caplog.text
