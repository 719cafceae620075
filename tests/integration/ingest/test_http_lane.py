"""The bounds of connections hold for those that carry straight calls only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from schemas.http.known_answers import KnownAnswer
from schemas.http.known_heads import UsualCall
from schemas.http.lane import Asked
from schemas.http.metrics import HttpMetrics
from schemas.http.server import BoundedRunner
from schemas.http.settings import HttpSettings
from schemas.service.shutdown import Stop
from tests.rigs.standstill import tried_again

HEAD_SECONDS = 0.4
IDLE_SECONDS = 0.8
#: On a busy machine a connection may end this late.
SLACK_SECONDS = 60.0
CALL = b"POST /call HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
BODY = b"x" * 200_000


class Lane:
    """Takes every call; answers at once, or when it is told to."""

    def __init__(self) -> None:
        self.at_once = True
        self.waiting: list[Asked] = []
        self.known = KnownAnswer(web.Response(body=BODY), {})
        self.runner: BoundedRunner
        self.registry = CollectorRegistry()
        self.port = 0

    def take(self, connection: Asked, _call: UsualCall) -> bool:
        connection.enter_lane()
        self.waiting.append(connection)
        if self.at_once:
            self.answer()
        return True

    def answer(self) -> None:
        for connection in self.waiting:
            closing = connection.last_answer
            connection.answer(self.known.bytes("1", closing=closing), closing=closing)
        self.waiting.clear()

    def timeouts(self, cause: str) -> float:
        name = "test_http_timeouts_total"
        return self.registry.get_sample_value(name, {"cause": cause}) or 0.0

    async def until_waiting(self) -> None:
        async with asyncio.timeout(SLACK_SECONDS):
            while not self.waiting:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(**values: Any) -> AsyncIterator[Lane]:
    lane = Lane()
    timing = {
        "http_head_timeout_seconds": HEAD_SECONDS,
        "http_idle_timeout_seconds": IDLE_SECONDS,
    }
    lane.runner = BoundedRunner(
        web.Application(),
        HttpSettings(**{**timing, **values}),
        HttpMetrics(lane.registry, "test"),
        shutdown_timeout=10,
        lanes={"/call": lane.take},
    )
    await lane.runner.setup()
    site = web.TCPSite(lane.runner, "127.0.0.1", 0)
    await site.start()
    lane.port = site.port
    try:
        yield lane
    finally:
        await lane.runner.cleanup()


async def call(lane: Lane) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", lane.port, limit=2 * len(BODY))
    writer.write(CALL)
    return reader, writer


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(SLACK_SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(BODY))
        return head


async def seconds_until_closed(reader: asyncio.StreamReader) -> float:
    started = time.monotonic()
    async with asyncio.timeout(SLACK_SECONDS):
        assert await reader.read(-1) == b""
    return time.monotonic() - started


@tried_again
async def test_one_without_a_request_ends_after_the_idle_time() -> None:
    async with running() as lane:
        reader, writer = await call(lane)
        await read_answer(reader)
        await asyncio.sleep(IDLE_SECONDS / 2)
        writer.write(CALL)
        await read_answer(reader)
        elapsed = await seconds_until_closed(reader)
        assert IDLE_SECONDS * 0.9 < elapsed < IDLE_SECONDS + SLACK_SECONDS
        assert lane.timeouts("idle") == 1
        writer.close()


@tried_again
async def test_one_that_sends_half_a_head_after_an_answer_ends_in_time() -> None:
    async with running(http_idle_timeout_seconds=30) as lane:
        reader, writer = await call(lane)
        await read_answer(reader)
        writer.write(CALL[:20])
        elapsed = await seconds_until_closed(reader)
        assert HEAD_SECONDS * 0.9 < elapsed < HEAD_SECONDS + SLACK_SECONDS
        assert lane.timeouts("head") == 1
        writer.close()


@tried_again
async def test_a_call_that_waits_longer_than_the_idle_time_is_answered() -> None:
    async with running() as lane:
        lane.at_once = False
        reader, writer = await call(lane)
        await asyncio.sleep(2 * IDLE_SECONDS)
        lane.answer()
        await read_answer(reader)
        assert await seconds_until_closed(reader) > IDLE_SECONDS * 0.9
        writer.close()


@tried_again
async def test_who_does_not_read_is_not_answered_again_and_again() -> None:
    async with running() as lane:
        reader, writer = await asyncio.open_connection("127.0.0.1", lane.port, limit=1)
        taken = 0
        lane.at_once = False
        for _ in range(200):
            writer.write(CALL)
            await asyncio.sleep(0.002)
            taken += len(lane.waiting)
            lane.answer()
        # Beyond what fits the buffers its calls go the ordinary way, which waits.
        assert taken * len(BODY) < 20_000_000
        async with asyncio.timeout(IDLE_SECONDS + SLACK_SECONDS):
            while lane.timeouts("write") == 0:
                await asyncio.sleep(0.05)
        writer.close()
        del reader


@tried_again
async def test_while_the_process_drains_an_answer_is_the_last_one() -> None:
    async with running(drain_seconds=0) as lane:
        lane.at_once = False
        reader, writer = await call(lane)
        await lane.until_waiting()
        await lane.runner.drain(Stop())
        lane.answer()
        assert b"\r\nConnection: close\r\n" in await read_answer(reader)
        assert await seconds_until_closed(reader) < SLACK_SECONDS
        writer.close()


@tried_again
async def test_the_end_of_the_process_waits_for_an_answer() -> None:
    async with running() as lane:
        lane.at_once = False
        reader, writer = await call(lane)
        await lane.until_waiting()
        ending = asyncio.create_task(lane.runner.cleanup())
        done, _ = await asyncio.wait([ending], timeout=0.2)
        assert not done
        lane.answer()
        await read_answer(reader)
        async with asyncio.timeout(SLACK_SECONDS):
            await ending
        writer.close()


async def test_a_connection_that_carries_straight_calls_only_has_no_task() -> None:
    async with running(http_head_timeout_seconds=30, http_idle_timeout_seconds=30) as lane:
        before = len(asyncio.all_tasks())
        streams = [await call(lane) for _ in range(5)]
        for reader, _ in streams:
            await read_answer(reader)
        assert len(asyncio.all_tasks()) == before
        for _, writer in streams:
            writer.close()
