"""A door without sockets: what a heartbeat costs ingest's own code, and not the kernel.

Run as ``python -m tests.bench.door_unwired SECRET HEARTBEATS CONNECTIONS LANE``, the lane being
``straight`` or ``ordinary``; prints CPU µs per heartbeat.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from typing import Any

import uvloop
from aiohttp import web

from tests.bench.door import create_door
from tests.bench.load import requests


class _Unwired(asyncio.Transport):
    """Counts answers."""

    answers = 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default

    def write(self, _data: bytes | bytearray | memoryview) -> None:
        _Unwired.answers += 1

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def micros(secret: str, heartbeats: int, connections: int, straight: bool) -> float:
    """CPU µs per heartbeat, caches warm and the collector as in a service that has started."""
    runner = create_door(secret, straight=straight)
    await runner.setup()
    assert isinstance(runner.server, web.Server)
    expiry = int(time.time()) + 3600
    sent = requests(1, secret, expiry, connections, ["Unknown"], keep=True)
    open_ones = [runner.server() for _ in sent]
    for connection in open_ones:
        connection.connection_made(_Unwired())

    async def round_() -> None:
        wanted = _Unwired.answers + len(sent)
        for connection, request in zip(open_ones, sent, strict=True):
            connection.data_received(request)
        while _Unwired.answers < wanted:
            await asyncio.sleep(0.0005)

    for _ in range(3):
        await round_()
    gc.collect()
    gc.freeze()
    rounds = max(1, heartbeats // len(sent))
    began = time.process_time()
    for _ in range(rounds):
        await round_()
    return 1e6 * (time.process_time() - began) / (rounds * len(sent))


if __name__ == "__main__":
    logging.disable()  # that there is no Kafka
    _, secret_, heartbeats_, connections_, lane_ = sys.argv
    print(  # noqa: T201
        uvloop.run(micros(secret_, int(heartbeats_), int(connections_), lane_ == "straight"))
    )
