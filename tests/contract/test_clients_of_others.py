"""Clients that apps use and we did not write, against a running ingest: what each makes of
keep-alive, chunks, pings, close codes and a second socket. Chromium's:
``test_web_client.py``; Dart's bytes: ``test_dart_client.py``."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from select import select
from typing import Any

import pycurl
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ingest.http.calls import HEARTBEAT_PATH, LOGOUT_PATH
from ingest.socket.sockets import SOCKET_PATH
from schemas.log.events import Heartbeat
from schemas.log.settings import KafkaSettings
from tests.contract import java
from tests.contract.node import packages, run
from tests.rigs.harness import (
    DEADLINE_SECONDS,
    Ingest,
    client_events,
    ingest_settings,
    running_ingest,
    token,
)

PROGRAMS = Path(__file__).parent / "clients_of_others"
OKHTTP, JARS = PROGRAMS / "OkHttp.java", PROGRAMS / "jars.sha256"
SUCCESS = '{"success": true}'
HOME = '{"device_id": "phone", "screen": "Home"}'
CART = '{"device_id": "phone", "screen": "Cart"}'


@pytest.fixture
async def ingest(kafka_settings: KafkaSettings) -> AsyncIterator[Ingest]:
    settings = ingest_settings(kafka_settings, websocket_drain_seconds=0)
    async with running_ingest(settings) as running:
        await running.until_ready()
        yield running


async def assert_logged(kafka: KafkaSettings) -> None:
    """A heartbeat in one piece, one in chunks, and a logout, in this order."""
    logged = await client_events(kafka)
    assert [event.screen if isinstance(event, Heartbeat) else "out" for event in logged] == [
        *("Home", "Cart", "out")
    ]
    assert {event.device_id for event in logged} == {"phone"}


async def test_undici_keeps_one_connection_and_sends_chunks(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    origin = f"http://127.0.0.1:{ingest.port}"
    modules = str(packages(PROGRAMS))
    seen = json.loads(
        await run(PROGRAMS / "undici_client.mjs", origin, token(), NODE_PACKAGES=f"{modules}/")
    )
    assert seen == {"answers": [[200, SUCCESS]] * 3, "connections": 1}
    await assert_logged(kafka_settings)


async def test_ws_pings_logs_out_and_comes_back(ingest: Ingest) -> None:
    url = f"ws://127.0.0.1:{ingest.port}{SOCKET_PATH}"
    modules = str(packages(PROGRAMS))
    seen = json.loads(
        await run(PROGRAMS / "ws_client.mjs", url, token(), NODE_PACKAGES=f"{modules}/")
    )
    assert seen == {
        "welcome": "welcome",
        "pong": "here",
        "ack": {"type": "ack", "id": 1},
        "logout": {"type": "ack", "id": 2},
        "end": 4409,
        "again": "welcome",
        "binary": 1003,
        "refused": 401,
    }


async def test_okhttp_keeps_one_connection_and_sends_chunks_and_forms(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    origin = f"http://127.0.0.1:{ingest.port}"
    assert await java.run(OKHTTP, JARS, "posts", origin, token()) == [
        *[f"200 {SUCCESS}"] * 4,
        "connections 1",
    ]
    logged = await client_events(kafka_settings)
    assert [event.screen if isinstance(event, Heartbeat) else "out" for event in logged] == [
        *("Home", "Cart", "Café & Bar", "out")
    ]
    assert {event.device_id for event in logged} == {"phone"}


async def test_okhttp_s_socket_pings_logs_out_and_comes_back(ingest: Ingest) -> None:
    url = f"http://127.0.0.1:{ingest.port}{SOCKET_PATH}"
    for _ in range(5):
        lines = await java.run(OKHTTP, JARS, "socket", url, token())
        # After 300 ms without a pong it gives up: a machine may stand still for longer.
        if not any("didn't receive pong" in line for line in lines):
            break
    welcomes = [lines.pop(n) for n in (6, 4, 0)]
    assert {json.loads(welcome)["type"] for welcome in welcomes} == {"welcome"}
    assert [json.loads(line) for line in lines[:2]] == [
        {"type": "ack", "id": 1},
        {"type": "ack", "id": 2},
    ]
    assert lines[2:] == ["closed 4409", "closed 1003", "closed 1000", "failed 401"]


async def test_curl_keeps_one_connection_and_sends_chunks(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    answers = await asyncio.to_thread(curl_posts, ingest.port)
    assert answers == [(200, SUCCESS, 1), (200, SUCCESS, 0), (200, SUCCESS, 0)]
    await assert_logged(kafka_settings)


def curl_posts(port: int) -> list[tuple[int, str, int]]:
    """Status, body, and how many connections each call has made."""
    curl = pycurl.Curl()
    headers = [f"Authorization: Bearer {token()}", "Content-Type: application/json"]
    answers = []
    calls = (
        (HEARTBEAT_PATH, HOME, False),
        (HEARTBEAT_PATH, CART, True),
        (LOGOUT_PATH, '{"device_id": "phone"}', False),
    )
    for path, body, chunked in calls:
        answer = io.BytesIO()
        curl.reset()  # of its options; it keeps its connection
        curl.setopt(pycurl.TIMEOUT, int(DEADLINE_SECONDS))
        curl.setopt(pycurl.URL, f"http://127.0.0.1:{port}{path}")
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.WRITEDATA, answer)
        if chunked:
            curl.setopt(pycurl.HTTPHEADER, [*headers, "Transfer-Encoding: chunked"])
            curl.setopt(pycurl.READFUNCTION, io.BytesIO(body.encode()).read)
        else:
            curl.setopt(pycurl.HTTPHEADER, headers)
            curl.setopt(pycurl.POSTFIELDS, body)
        curl.perform()
        made = curl.getinfo(pycurl.NUM_CONNECTS)
        answers.append((curl.getinfo(pycurl.RESPONSE_CODE), answer.getvalue().decode(), made))
    curl.close()
    return answers


async def test_libcurl_s_socket_pings_logs_out_and_comes_back(ingest: Ingest) -> None:
    seen = await asyncio.to_thread(curl_socket, ingest.port, token())
    assert seen == {
        "welcome": "welcome",
        "pong": b"here",
        "ack": {"type": "ack", "id": 1},
        "logout": {"type": "ack", "id": 2},
        "end": 4409,
        "again": "welcome",
    }


def curl_socket(port: int, bearer: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    first = CurlSocket(port, bearer)
    seen["welcome"] = first.receive()["type"]
    first.curl.ws_send(b"here", pycurl.WS_PING)
    seen["pong"] = first.receive_raw(pycurl.WS_PONG)
    seen["ack"] = first.ask({"id": 1, "device_id": "phone", "screen": "Home"})
    seen["logout"] = first.ask({"type": "logout", "id": 2})
    seen["end"] = int.from_bytes(first.receive_raw(pycurl.WS_CLOSE)[:2])
    first.curl.close()
    second = CurlSocket(port, bearer)
    seen["again"] = second.receive()["type"]
    second.curl.close()
    return seen


class CurlSocket:
    """A socket of libcurl, whose handshake bears the token."""

    def __init__(self, port: int, bearer: str) -> None:
        self.curl = pycurl.Curl()
        self.curl.setopt(pycurl.URL, f"ws://127.0.0.1:{port}{SOCKET_PATH}")
        self.curl.setopt(pycurl.HTTPHEADER, [f"Authorization: Bearer {bearer}"])
        self.curl.setopt(pycurl.CONNECT_ONLY, 2)  # the handshake, and no more
        self.curl.perform()

    def ask(self, frame: dict[str, Any]) -> Any:
        self.curl.ws_send(json.dumps(frame).encode(), pycurl.WS_TEXT)
        return self.receive()

    def receive(self) -> Any:
        return json.loads(self.receive_raw(pycurl.WS_TEXT))

    def receive_raw(self, kind: int) -> bytes:
        """The next message of a kind. Those of other kinds are dropped: a server's pings."""
        descriptor = self.curl.getinfo(pycurl.ACTIVESOCKET)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            try:
                data, frame = self.curl.ws_recv(16_384)
            except BlockingIOError:
                select([descriptor], [], [], 1.0)
                continue
            if frame.flags & kind:
                return bytes(data)
        raise TimeoutError("no such message")


async def test_websockets_pings_logs_out_and_comes_back(ingest: Ingest) -> None:
    url = f"ws://127.0.0.1:{ingest.port}{SOCKET_PATH}"
    header = {"Authorization": f"Bearer {token()}"}
    ends: list[int] = []
    # The library's own way to come back: an endless loop over connections.
    async with asyncio.timeout(DEADLINE_SECONDS):
        async for socket in connect(url, additional_headers=header, ping_interval=0.05):
            assert json.loads(await socket.recv())["type"] == "welcome"
            if len(ends) == 2:
                break
            await (await socket.ping())
            await socket.send('{"type": "logout", "id": 1}')
            assert json.loads(await socket.recv()) == {"type": "ack", "id": 1}
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            ends.append(closed.value.rcvd.code)
    assert ends == [4409, 4409]
    with pytest.raises(InvalidStatus, match="401"):
        await connect(url, additional_headers={"Authorization": "Bearer nobody"})
