"""What a socket leaves in memory once it has ended."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiohttp.web import Request, WebSocketResponse
from websockets.frames import Frame, Opcode

from schemas.http.connection import BoundedConnection
from schemas.log.settings import KafkaSettings
from tests.contract.raw_socket import RawSocket
from tests.rigs.harness import Ingest, ingest_settings, running_ingest, token, wait_until

SOCKETS = 10


@contextmanager
def garbage() -> Iterator[list[object]]:
    """What only the garbage collector would find of what was made meanwhile."""
    found: list[object] = []
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found += gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def open_and_end(ingest: Ingest, *, with_a_word: bool) -> None:
    for number in range(SOCKETS):
        socket = await RawSocket.open(ingest, authorization=f"Bearer {token(f'u{number}')}")
        await wait_until(lambda: ingest.metric("rollcall_ingest_sockets_open") == 1)
        if with_a_word:
            socket.write(Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True))
            await socket.until_closed()
        socket.end()
        await wait_until(lambda: ingest.metric("rollcall_ingest_sockets_open") == 0)


@pytest.mark.parametrize("with_a_word", [True, False])
async def test_a_phone_that_goes_leaves_nothing_for_the_collector(
    kafka_settings: KafkaSettings, with_a_word: bool
) -> None:
    """Such garbage is old when it dies, and a busy process looks at the old once in ten million new
    objects: it would grow by ten kilobytes a phone."""
    settings = ingest_settings(kafka_settings, websocket_drain_seconds=0)
    async with running_ingest(settings) as ingest:
        await ingest.until_ready()
        with garbage() as found:
            await open_and_end(ingest, with_a_word=with_a_word)
        kinds = (WebSocketResponse, Request, BoundedConnection)
        assert [type(each).__name__ for each in found if isinstance(each, kinds)] == []
