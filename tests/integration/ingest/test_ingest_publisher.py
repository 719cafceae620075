"""Group commit on a Kafka that is well: batching, order, ticks, limits."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from ingest.log.appender import EventLog
from ingest.log.client import Connection
from ingest.log.group import Acknowledgement
from ingest.log.not_taken import NotTakenError
from ingest.log.publisher import Publisher
from ingest.metrics import IngestMetrics
from schemas.log.events import Heartbeat, Tick, encode_event, partition_of
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, MAX_RECORD_BYTES, topic_name
from tests.rigs.harness import (
    DEADLINE_SECONDS,
    client_events,
    ingest_settings,
    read_log,
    running_ingest,
    wait_until,
)


@pytest.fixture
def kafka_settings(emptied_topics: KafkaSettings) -> KafkaSettings:
    """Of ingest alone: no test of these counts offsets."""
    return emptied_topics


class Running:
    """A publisher with its parts in reach."""

    def __init__(self, kafka: KafkaSettings, **values: Any) -> None:
        settings = ingest_settings(kafka, **values)
        self.registry = CollectorRegistry()
        metrics = IngestMetrics(self.registry)
        self.connection = Connection(settings, metrics)
        self.log = EventLog(topic_name(settings, EVENTS), self.connection)
        self.publisher = Publisher(settings, self.log, metrics)

    def beat(self, user: str, screen: str, *, urgent: bool = False) -> Acknowledgement:
        event = encode_event(Heartbeat(user=user, token="t", screen=screen))
        return self.publisher.publish(user, event, urgent=urgent)


@asynccontextmanager
async def running(kafka: KafkaSettings, **values: Any) -> AsyncIterator[Running]:
    parts = Running(kafka, **values)
    parts.connection.start()
    parts.publisher.start()
    await wait_until(lambda: parts.connection.not_ready is None)
    try:
        yield parts
    finally:
        await parts.publisher.close()
        await parts.connection.close()


async def one_of_many(is_quick: Callable[[], Awaitable[bool]]) -> None:
    """Until one was: what is slow by design is so each time, a busy machine is not."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await is_quick():
            pass


async def test_events_of_a_moment_share_records_and_keep_their_order(
    kafka_settings: KafkaSettings,
) -> None:
    async with running(kafka_settings) as parts:
        sent = [(f"u{number % 20}", str(number)) for number in range(2_000)]
        results = await asyncio.gather(*(parts.beat(user, screen) for user, screen in sent))
        assert all(results)
    records = [
        record
        for record in await read_log(kafka_settings)
        if any(isinstance(event, Heartbeat) for event in record.events)
    ]
    assert len(records) <= 40
    logged: dict[str, list[str | None]] = {}
    for record in records:
        for event in record.events:
            assert isinstance(event, Heartbeat)
            assert partition_of(event.user, kafka_settings.partitions) == record.partition
            logged.setdefault(event.user, []).append(event.screen)
    for user, screens in logged.items():
        assert screens == [screen for owner, screen in sent if owner == user]


async def test_an_event_alone_is_accepted_within_milliseconds(
    kafka_settings: KafkaSettings,
) -> None:
    async with running(kafka_settings) as parts:
        number = 0

        async def took_milliseconds() -> bool:
            nonlocal number
            number += 1
            started = time.perf_counter()
            assert await parts.beat("u", str(number))
            return time.perf_counter() - started < 0.05

        await one_of_many(took_milliseconds)


async def test_an_urgent_event_does_not_wait_for_company(kafka_settings: KafkaSettings) -> None:
    async with running(kafka_settings, max_linger_seconds=0.09) as parts:

        async def left_at_once() -> bool:
            for _ in range(10):  # teaches the lane that waiting pays
                await asyncio.gather(*(parts.beat("u", "x") for _ in range(5)))
            patient = parts.beat("u", "first")
            started = time.perf_counter()
            assert await parts.beat("u", "out", urgent=True)
            took = time.perf_counter() - started
            assert patient.done(), "what waited before it goes with it, in its order"
            return took < 0.06

        await one_of_many(left_at_once)


async def test_a_record_never_exceeds_its_limit(kafka_settings: KafkaSettings) -> None:
    fat = Heartbeat(
        user="u",
        token="t",
        name="𝔫" * 256,
        device_id="𝔡" * 128,
        device_info="𝔦" * 256,
        screen="𝔰" * 128,
    )
    async with running(kafka_settings, buffer_bytes=5_000_000) as parts:
        sent = [parts.publisher.publish("u", encode_event(fat)) for _ in range(1_000)]
        assert all(await asyncio.gather(*sent))
    records = [r for r in await read_log(kafka_settings) if fat in r.events]
    assert sum(len(record.events) for record in records) == 1_000
    assert len(records) >= 4
    assert max(record.bytes for record in records) <= MAX_RECORD_BYTES


async def test_a_full_buffer_refuses_at_once_and_takes_again_once_it_is_written(
    kafka_settings: KafkaSettings,
) -> None:
    async with running(kafka_settings, buffer_bytes=16_384) as parts:
        accepted = [parts.beat("u", "x" * 1_000) for _ in range(15)]
        with pytest.raises(NotTakenError) as caught:
            parts.beat("u", "x" * 2_000)
        assert caught.value.cause == "full"
        assert parts.registry.get_sample_value("rollcall_ingest_buffer_bytes") <= 16_384  # type: ignore[operator]
        assert all(await asyncio.gather(*accepted))
        assert await parts.beat("u", "x" * 2_000)
        assert parts.registry.get_sample_value("rollcall_ingest_buffer_bytes") == 0


async def test_all_partitions_together_hold_so_much_until_kafka_has_it(
    kafka_settings: KafkaSettings,
) -> None:
    async with running(kafka_settings, total_buffer_bytes=16_384) as parts:
        event_bytes = len(encode_event(Heartbeat(user="u10", token="t", screen="x" * 100)))
        fitting = 16_384 // event_bytes
        accepted = [parts.beat(f"u{10 + number % 20}", "x" * 100) for number in range(fitting)]
        with pytest.raises(NotTakenError) as caught:
            parts.beat("u10", "x" * 100)
        assert caught.value.cause == "full"
        shed = parts.registry.get_sample_value("rollcall_ingest_shed_total", {"cause": "buffer"})
        assert shed == 1
        # Handed over is not enough: what is in flight is still in memory.
        await asyncio.sleep(0)
        with pytest.raises(NotTakenError):
            parts.beat("u10", "x" * 100)
        assert all(await asyncio.gather(*accepted))
        assert await parts.beat("u10", "x" * 100)


async def test_a_call_that_is_cancelled_does_not_cancel_the_others(
    kafka_settings: KafkaSettings,
) -> None:
    async def call(acknowledgement: Acknowledgement) -> bool:
        return await acknowledgement

    async with running(kafka_settings) as parts:
        calls = [asyncio.create_task(call(parts.beat("u", str(n)))) for n in range(3)]
        await asyncio.sleep(0)
        calls[1].cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert results[0] is True
        assert isinstance(results[1], asyncio.CancelledError)
        assert results[2] is True


async def test_every_quiet_partition_gets_a_tick_each_interval(
    kafka_settings: KafkaSettings,
) -> None:
    async with running_ingest(ingest_settings(kafka_settings, tick_interval_seconds=0.2)) as ingest:
        name = "rollcall_ingest_ticks_total"
        wanted = 3 * kafka_settings.partitions
        await wait_until(lambda: ingest.metric(name, outcome="written") >= wanted)
        assert ingest.metric(name, outcome="failed") == 0
    ticks = Counter(
        record.partition for record in await read_log(kafka_settings) if record.events == [Tick()]
    )
    assert set(ticks) == set(range(kafka_settings.partitions))
    assert max(ticks.values()) - min(ticks.values()) <= 1


async def test_a_partition_with_traffic_gets_no_ticks(kafka_settings: KafkaSettings) -> None:
    async with running(kafka_settings, tick_interval_seconds=0.3) as parts:
        written = [time.monotonic()]
        while written[-1] < written[0] + 1.0:
            assert await parts.beat("u", "x")
            written.append(time.monotonic())
            await asyncio.sleep(0.02)
    # On a busy machine there may be room for some between two beats.
    gaps = [later - earlier for earlier, later in pairwise(written)]
    most = sum(1 + int(gap / 0.3) for gap in gaps if gap > 0.25)
    busy = partition_of("u", kafka_settings.partitions)
    records = await read_log(kafka_settings)
    said = ["tick" if Tick() in r.events else "beat" for r in records if r.partition == busy]
    # Before the first beat and after the last one it was quiet.
    first, last = said.index("beat"), len(said) - said[::-1].index("beat")
    assert said[first:last].count("tick") <= most
    assert [r for r in records if r.partition != busy and Tick() in r.events]


async def test_closing_writes_what_is_queued_and_then_refuses(
    kafka_settings: KafkaSettings,
) -> None:
    async with running(kafka_settings) as parts:
        pending = [parts.beat(f"u{number}", "x") for number in range(50)]
        await parts.publisher.close()
        assert all(acknowledgement.result() for acknowledgement in pending)
        with pytest.raises(NotTakenError):
            parts.beat("u", "late")
    assert len(await client_events(kafka_settings)) == 50


async def test_a_broken_sequence_costs_one_record_and_no_restart(
    kafka_settings: KafkaSettings,
) -> None:
    """What Kafka says after it lost data: OUT_OF_ORDER_SEQUENCE_NUMBER, for ever for this id."""
    async with running(kafka_settings) as parts:
        assert await parts.beat("u", "before")
        partition = partition_of("u", kafka_settings.partitions)
        parts.log._producer_ids[partition].next_sequence += 7
        assert not await parts.beat("u", "refused")
        assert await parts.beat("u", "after")
    screens = [e.screen for e in await client_events(kafka_settings) if isinstance(e, Heartbeat)]
    assert screens == ["before", "after"]
