"""What is in the log of a service after requests that went wrong."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from prometheus_client import CollectorRegistry
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from api.http.door import Door
from api.metrics import ApiMetrics
from schemas.service.logging import (
    REQUEST_ID_IN_LOG,
    ServiceHandler,
    formatter,
    log_to_stderr,
    without_caller,
)
from schemas.service.repeats import Repeats
from schemas.service.settings import LogSettings

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
        status = await asyncio.wait_for(reader.readline(), 60)
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
    assert b" 400 " in status or b" 431 " in status
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
    log_to_stderr(LogSettings())

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


class Log:
    """What a service would write; ``log`` is a logger that writes only there."""

    def __init__(self, *, as_json: bool = True, repeats: Repeats | None = None) -> None:
        self._stream = io.StringIO()
        self.handler = ServiceHandler(repeats, self._stream)
        self.handler.setFormatter(formatter(as_json=as_json, worker=3))
        self.log = logging.Logger("ingest.test")
        self.log.addHandler(self.handler)

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


def fail(token: str) -> None:
    raise ValueError(f"no token of {len(token)} characters")


def test_a_line_is_one_json_object_with_its_request_and_no_values_of_variables() -> None:
    log = Log()
    log.log.info("Connected to %s", "Köln")
    REQUEST_ID_IN_LOG.set("r-1")
    try:
        fail(TOKEN)
    except ValueError:
        log.log.exception("Unexpected error")
    first, second = log.lines
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "message": "Connected to Köln",
        "level": "info",
        "logger": "ingest.test",
        "worker": 3,
    }
    assert (second["level"], second["request_id"]) == ("error", "r-1")
    assert second["exception"].endswith("\nValueError")
    assert "in fail" in second["exception"]
    assert "eyJ" not in log.text


def test_on_a_terminal_a_line_is_text() -> None:
    log = Log(as_json=False)
    log.log.warning("Kafka cannot be used")
    try:
        fail(TOKEN)
    except ValueError:
        log.log.exception("Unexpected error")
    assert "Kafka cannot be used" in log.text.splitlines()[0]
    assert "warning" in log.text.splitlines()[0]
    assert "ValueError" in log.text
    assert "eyJ" not in log.text


async def test_what_is_logged_while_a_request_is_answered_carries_its_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = Log()
    monkeypatch.setattr("api.http.door.logger", log.log)
    guarded = Door(ApiMetrics(CollectorRegistry())).guard("other", broken)
    request = make_mocked_request("GET", "/users/ada", {"X-Request-ID": "from-the-gateway"})
    response = await guarded(request)
    assert response.headers["X-Request-ID"] == "from-the-gateway"
    [line] = log.lines
    assert line["request_id"] == "from-the-gateway"
    assert "ada" not in log.text


def test_repeats_are_written_a_few_times_and_then_counted() -> None:
    log = Log(repeats=Repeats(per_minute=3))
    for n in range(50):
        log.log.warning("Call %d failed", n)
    log.log.warning("Something else")
    log.log.critical("The end")
    assert [line["message"] for line in log.lines] == [
        *("Call 0 failed", "Call 1 failed", "Call 2 failed", "Something else", "The end")
    ]
    log.handler.tell_all_repeats()
    last = log.lines[-1]
    assert last["message"] == "47 more lines like this were not written: Call %d failed"
    assert last["level"] == "warning"


def line(text: str) -> logging.LogRecord:
    return logging.LogRecord("ingest", logging.WARNING, "", 0, text, (), None)


def test_each_minute_begins_anew_and_memory_is_bounded() -> None:
    repeats = Repeats(per_minute=1, most_events=10)
    assert [repeats.admits(line("again"), now) for now in (0, 30, 59)] == [True, False, False]
    assert repeats.over(59) == []
    assert repeats.over(60) == [(("ingest", logging.WARNING, "again"), 2)]
    assert repeats.admits(line("again"), 60)
    for n in range(1000):
        assert repeats.admits(line(f"text {n}"), 61)
        repeats.over(61)
    assert len(repeats._events) <= 11


def test_debug_is_for_our_own_loggers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ingest", "aiokafka"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.NOTSET)
    log_to_stderr(LogSettings(log_level="debug"))
    try:
        assert logging.getLogger("ingest.http.calls").isEnabledFor(logging.DEBUG)
        assert not logging.getLogger("aiokafka").isEnabledFor(logging.DEBUG)
    finally:
        log_to_stderr(LogSettings(log_level="info"))
