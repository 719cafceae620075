"""Batches from Faust's queue: what waits, what does not, and what a stop does to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from processor.core.pacing import PacePolicy
from processor.kafka.gathering import Gathering
from processor.watch.metrics import Metrics
from schemas.log.events import (
    Heartbeat,
    Logout,
    NewerSchemaError,
    Tick,
    encode_batch,
)

BEATS = encode_batch([Heartbeat(user=f"ada-{n}", token="t") for n in range(10)])
TICK = encode_batch([Tick()])
LOGOUT = encode_batch([Logout(user="ada-1", token="t")])
NEVER = 1_000.0


@dataclass
class World:
    """A queue of one partition, and who asks for its batches."""

    most_seconds: float = NEVER
    queue: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    offset: int = 0

    def gathering(self, clock: Callable[[], float] = time.monotonic) -> Gathering:
        pipeline: Any = SimpleNamespace(loaded=lambda partition: None)
        return Gathering(
            SimpleNamespace(log_base=7_000),
            self.queue,
            pipeline,
            PacePolicy(self.most_seconds, full_records=5, busy_per_second=1e-9),
            Metrics(self.registry),
            clock,
        )

    def came(self, *values: bytes, generation: int = 1) -> None:
        for value in values:
            message = SimpleNamespace(
                partition=0,
                offset=self.offset,
                timestamp=1.234,
                value=value,
                generation_id=generation,
            )
            self.queue.put_nowait(SimpleNamespace(message=message))
            self.offset += 1


async def test_a_batch_waits_until_its_first_record_is_due() -> None:
    world = World(most_seconds=0.05)
    gathering, started = world.gathering(), time.monotonic()
    world.came(TICK, TICK)
    assert len((await gathering.batch()).records) == 2
    assert time.monotonic() - started >= 0.05
    waited = world.registry.get_sample_value("rollcall_processor_batch_wait_seconds_sum")
    assert waited is not None
    assert waited >= 0.05


async def test_a_logout_takes_what_waits_with_it_at_once() -> None:
    world = World()
    asking = asyncio.create_task(world.gathering().batch())
    world.came(TICK, BEATS)
    await asyncio.sleep(0)
    assert not asking.done()
    world.came(LOGOUT)
    gathered = await asking
    assert [record.offset for record in gathered.records] == [7_000, 7_001, 7_002]
    assert gathered.records[0].timestamp_ms == 1234


async def test_what_came_while_the_batch_before_was_stored_waits_since_then() -> None:
    now = 0.0
    world = World(most_seconds=0.3)
    gathering = world.gathering(lambda: now)
    world.came(LOGOUT)
    await gathering.batch()
    world.came(TICK)
    now = 0.4  # so long did storing take
    assert len((await gathering.batch()).records) == 1


async def test_a_full_batch_waits_for_nothing_and_leaves_the_rest() -> None:
    world = World()
    world.came(*[TICK] * 7)
    assert len((await world.gathering().batch()).records) == 5
    assert world.queue.qsize() == 2


async def test_what_waits_when_the_agent_stops_is_given_up() -> None:
    """Faust ends an agent by an exception in its queue: nobody waits for the batch."""
    world = World()
    asking = asyncio.create_task(world.gathering().batch())
    world.came(TICK)
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_records_of_another_generation_are_left_to_their_owner() -> None:
    world = World()
    world.came(TICK)
    world.came(LOGOUT, generation=2)
    gathered = await world.gathering().batch()
    assert [record.offset for record in gathered.of(2)] == [7_001]
    assert len(gathered.events) == 2


async def test_what_cannot_be_read_is_in_the_batch_and_a_newer_release_s_ends_it() -> None:
    world = World()
    gathering = world.gathering()
    world.came(b"no record", LOGOUT)
    assert len((await gathering.batch()).records) == 2
    world.came(b"\x92\x09\x90")
    with pytest.raises(NewerSchemaError):
        await gathering.batch()
