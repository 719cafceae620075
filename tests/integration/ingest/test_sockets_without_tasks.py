"""A socket is a protocol without a task or a timer of its own: what that could get wrong."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from websockets.frames import Frame, Opcode

from schemas.http.connection import BoundedConnection
from schemas.log.events import Connect, Disconnect, Heartbeat, Logout, Tick
from schemas.log.settings import KafkaSettings
from tests.contract.raw_socket import RawSocket, Received
from tests.rigs.harness import (
    DEADLINE_SECONDS,
    Ingest,
    ingest_settings,
    read_log,
    running_ingest,
    token,
    wait_until,
)
from tests.rigs.tasks import our_tasks

OPEN = "rollcall_ingest_sockets_open"
PONG = Frame(Opcode.PONG, b"").serialize(mask=True)


@pytest.fixture
def kafka_settings(emptied_topics: KafkaSettings) -> KafkaSettings:
    """Of ingest alone: no test of these counts offsets."""
    return emptied_topics


@pytest.fixture
async def ingest(kafka_settings: KafkaSettings) -> AsyncIterator[Ingest]:
    settings = ingest_settings(
        kafka_settings,
        websocket_drain_seconds=0,
        websocket_ping_interval_seconds=0.2,
        user_events_burst=1000,
    )
    async with running_ingest(settings) as ingest:
        await ingest.until_ready()
        yield ingest


async def next_of(raw: RawSocket, opcode: Opcode, holding: bytes = b"") -> Received:
    async with asyncio.timeout(DEADLINE_SECONDS):
        async for frame in raw.frames():
            if frame.opcode == opcode and holding in frame.payload:
                return frame
    raise AssertionError("the connection ended")


async def test_who_answers_is_pinged_again_after_the_interval(ingest: Ingest) -> None:
    """Not only once it would have been lost, had it not answered: after 30 s."""
    raw = await RawSocket.open(ingest)
    for _ in range(3):
        await next_of(raw, Opcode.PING)
        raw.write(PONG)
    raw.end()


async def test_an_open_socket_keeps_no_task_and_nothing_of_its_request(ingest: Ingest) -> None:
    def kept() -> dict[int, type]:
        gc.collect()
        kinds = (web.WebSocketResponse, web.Request, BoundedConnection)
        return {id(each): type(each) for each in gc.get_objects() if isinstance(each, kinds)}

    # Whatever else this process has: other tests ran in it, and readiness was asked for.
    before, tasks = kept(), our_tasks()
    sockets = [await RawSocket.open(ingest) for _ in range(5)]
    for raw in sockets:
        raw.send(b'{"id": 1, "device_id": "phone"}')
        await next_of(raw, Opcode.TEXT, b'"ack"')
    after = kept()
    assert [after[each] for each in after.keys() - before.keys()] == []
    await wait_until(lambda: our_tasks() <= tasks)  # one that writes a record ends by itself
    for raw in sockets:
        raw.end()


async def test_a_message_may_come_in_any_two_pieces_between_pongs(ingest: Ingest) -> None:
    raw = await RawSocket.open(ingest)
    other = await RawSocket.open(ingest, authorization=f"Bearer {token('other')}")
    for cut in range(1, 26):
        text = Frame(Opcode.TEXT, f'{{"id": {cut}}}'.encode()).serialize(mask=True)
        data = PONG + text + PONG
        raw.write(data[:cut])
        # Meanwhile another one says something whole.
        other.send(b'{"id": 1}')
        await next_of(other, Opcode.TEXT, b'"ack"')
        raw.write(data[cut:])
        await next_of(raw, Opcode.TEXT, f'"id":{cut}'.encode())
    raw.end()
    other.end()


async def test_a_ping_between_the_fragments_of_a_message_is_answered(ingest: Ingest) -> None:
    raw = await RawSocket.open(ingest)
    raw.write(Frame(Opcode.TEXT, b'{"id"', fin=False).serialize(mask=True))
    raw.write(Frame(Opcode.PING, b"there?").serialize(mask=True))
    assert (await next_of(raw, Opcode.PONG)).payload == b"there?"
    raw.write(PONG)
    raw.write(Frame(Opcode.CONT, b": 7}").serialize(mask=True))
    await next_of(raw, Opcode.TEXT, b'"id":7')
    raw.end()


async def test_a_socket_that_is_refused_spoils_the_reader_of_no_other(ingest: Ingest) -> None:
    bad = await RawSocket.open(ingest)
    good = await RawSocket.open(ingest, authorization=f"Bearer {token('good')}")
    bad.send(b"\xff\xfe")
    assert await bad.close_code() == 1007
    good.send(b'{"id": 1}')
    await next_of(good, Opcode.TEXT, b'"ack"')
    bad.end()
    good.end()


async def test_what_a_phone_says_before_it_goes_is_heard(
    ingest: Ingest, kafka_settings: KafkaSettings
) -> None:
    """With the handshake, faster than Kafka acknowledges, and gone at once."""
    frames = [b'{"device_id": "d"}', b'{"screen": "Cart"}', b'{"type": "logout", "id": 1}']
    early = b"".join(Frame(Opcode.TEXT, frame).serialize(mask=True) for frame in frames)
    raw = await RawSocket.open(ingest, early=early)
    raw.end()
    await wait_until(lambda: ingest.metric(OPEN) == 0)
    logged = [event for record in await read_log(kafka_settings) for event in record.events]
    kinds = [type(event) for event in logged if not isinstance(event, Tick)]
    assert kinds == [Connect, Heartbeat, Logout, Disconnect]
