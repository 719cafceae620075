"""Sockets behind gateways, on networks that lose them, and in pages (design, section 4)."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from schemas.log.events import Connect
from schemas.log.settings import KafkaSettings
from tests.rigs.harness import (
    DEADLINE_SECONDS,
    Ingest,
    ingest_settings,
    read_log,
    running_ingest,
    token,
    wait_until,
)

PAGE = Origin("https://app.example.com")


@pytest.fixture
async def ingest(kafka_settings: KafkaSettings) -> AsyncIterator[Ingest]:
    settings = ingest_settings(
        kafka_settings,
        websocket_drain_seconds=0,
        user_connections=20,
        cors_origins=PAGE,
    )
    async with running_ingest(settings) as ingest:
        await ingest.until_ready()
        yield ingest


class Proxy:
    """A gateway that from some moment on forwards nothing, either way, and says so to nobody."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.forwards = True
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def end(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers += [writer, to_writer]
        self._tasks += [
            asyncio.create_task(self._forward(reader, to_writer)),
            asyncio.create_task(self._forward(to_reader, writer)),
        ]

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if self.forwards:
                writer.write(data)


@asynccontextmanager
async def socket(port: int, **auth: Any) -> AsyncIterator[tuple[ClientConnection, Any]]:
    """A socket and the first frame that it got; by an auth frame with these fields, or by header
    where there are none."""
    headers = {} if auth else {"Authorization": f"Bearer {token('ann')}"}
    url = f"ws://127.0.0.1:{port}/api/ws"
    async with connect(
        url, additional_headers=headers, proxy=None, close_timeout=0.1, ping_interval=None
    ) as client:
        if auth:
            await client.send(json.dumps({"type": "auth", "token": token("ann"), **auth}))
        async with asyncio.timeout(DEADLINE_SECONDS):
            yield client, json.loads(await client.recv())


async def closes(ingest: Ingest, code: int) -> float:
    return ingest.metric("rollcall_ingest_socket_closes_total", code=str(code))


@pytest.mark.parametrize("auth", [{"device_id": "phone"}, {}], ids=["device named", "by header"])
async def test_W1_the_newest_socket_of_a_phone_wins_over_those_that_are_half_open(
    ingest: Ingest, kafka_settings: KafkaSettings, auth: dict[str, str]
) -> None:
    proxy = Proxy(ingest.port)
    port = await proxy.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(proxy.end)
        for _ in range(20):
            client, first = await stack.enter_async_context(socket(port, **auth))
            assert first["type"] == "welcome"
            if not auth:
                await client.send(json.dumps({"id": 0, "device_id": "phone"}))
                assert json.loads(await client.recv())["type"] == "ack"
        await wait_until(lambda: ingest.metric("rollcall_ingest_sockets_open") == 20)
        proxy.forwards = False
        started = time.monotonic()
        client, first = await stack.enter_async_context(socket(ingest.port, **auth))
        assert first["type"] == "welcome"
        assert time.monotonic() - started < 25  # long before a ping is not answered
        await client.send(json.dumps({"id": 1, "device_id": "phone", "screen": "Home"}))
        assert json.loads(await client.recv()) == {"type": "ack", "id": 1}
        await wait_until(lambda: ingest.metric("rollcall_ingest_sockets_open") == 20)
        assert await closes(ingest, 4408) == 1
        assert await closes(ingest, 4429) == 0
    connects = [
        event
        for record in await read_log(kafka_settings)
        for event in record.events
        if isinstance(event, Connect)
    ]
    assert {event.device_id for event in connects} == {"phone"}


async def test_W1_a_new_socket_takes_nothing_from_those_that_are_there(ingest: Ingest) -> None:
    async with AsyncExitStack() as stack:
        clients = [
            (await stack.enter_async_context(socket(ingest.port, device_id=f"d{n}")))[0]
            for n in range(20)
        ]
        with pytest.raises(ConnectionClosed) as refused:
            async with socket(ingest.port, device_id="one more"):
                pass
        assert refused.value.rcvd is not None
        assert (refused.value.rcvd.code, refused.value.rcvd.reason) == (
            4429,
            "too many connections",
        )
        for client in clients:
            await client.send('{"id": 1}')
            assert json.loads(await client.recv())["type"] == "ack"
        # The same device again is that device, come back.
        async with socket(ingest.port, device_id="d7") as (_, first):
            assert first["type"] == "welcome"
            with pytest.raises(ConnectionClosed):
                await clients[7].recv()


@pytest.mark.parametrize("scheme", ["bearer", "Bearer"])
async def test_W4_a_page_may_bring_its_token_as_a_subprotocol(
    ingest: Ingest, caplog: pytest.LogCaptureFixture, scheme: str
) -> None:
    caplog.set_level(logging.DEBUG)
    bearer = token("page")
    offers = [Subprotocol(scheme), Subprotocol(bearer)]
    url = f"ws://127.0.0.1:{ingest.port}/api/ws"
    async with connect(url, subprotocols=offers, origin=PAGE, proxy=None) as client:
        assert client.subprotocol == scheme
        assert json.loads(await client.recv())["type"] == "welcome"
        await client.send('{"id": 1, "screen": "Home"}')
        assert json.loads(await client.recv()) == {"type": "ack", "id": 1}
        assert client.response is not None
        assert bearer not in str(client.response.headers)
    # This client's own log repeats what it sent.
    ours = [each for each in caplog.records if not each.name.startswith("websockets")]
    assert not any(bearer in each.getMessage() for each in ours)


@pytest.mark.parametrize(
    ("offers", "origin", "status", "code"),
    [
        (["bearer", "nonsense"], PAGE, 401, "token_invalid"),
        (["bearer", token("page")], Origin("https://elsewhere.example"), 403, "origin_refused"),
        (["chat", "superchat"], PAGE, 400, "bad_request"),
        (["bearer"], PAGE, 400, "bad_request"),
        (["chat", token("page")], PAGE, 400, "bad_request"),
    ],
)
async def test_W4_other_offers_are_refused_with_what_would_be_right(
    ingest: Ingest,
    caplog: pytest.LogCaptureFixture,
    offers: list[str],
    origin: Origin,
    status: int,
    code: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"ws://127.0.0.1:{ingest.port}/api/ws"
    with pytest.raises(InvalidStatus) as refused:
        await connect(
            url, subprotocols=[Subprotocol(each) for each in offers], origin=origin, proxy=None
        )
    response = refused.value.response
    problem = json.loads(response.body or b"")
    assert (response.status_code, problem["code"]) == (status, code)
    if status == 400:
        assert "auth frame" in problem["detail"]
    ours = [each for each in caplog.records if not each.name.startswith("websockets")]
    for each in offers[1:]:
        assert each not in (response.body or b"").decode()
        assert each not in str(response.headers)
        assert not any(each in record.getMessage() for record in ours)
