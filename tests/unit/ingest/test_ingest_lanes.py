"""Lanes that leave together, and what does not."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from ingest.log import publisher as module
from ingest.log.publisher import UNTOLD_BYTES, Publisher
from ingest.metrics import IngestMetrics
from schemas.log.events import Heartbeat, encode_event, partition_of
from schemas.log.settings import KafkaSettings
from tests.rigs.harness import ingest_settings

PARTITIONS = 3
#: Of each partition.
USERS = {partition_of(f"u{n}", PARTITIONS): f"u{n}" for n in range(50)}
#: Longer than a test takes.
LINGER_SECONDS = 60.0


class Log:
    """Takes what comes when it is let."""

    max_record_bytes = 1_000_000
    away = None

    def __init__(self) -> None:
        self.partitions: list[int] = []
        self.takes = asyncio.Event()
        self.takes.set()

    async def append(self, partition: int, _value: bytes, _deadline: float) -> None:
        self.partitions.append(partition)
        await self.takes.wait()


class Linger:
    """Stays as it is, however fast the log acknowledges."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def gathered(self, *_: float) -> None:
        pass


class Running:
    def __init__(self, linger_seconds: float = LINGER_SECONDS) -> None:
        kafka = KafkaSettings(
            kafka_bootstrap="127.0.0.1:1", partitions=PARTITIONS, replication_factor=1
        )
        settings = ingest_settings(kafka, tick_interval_seconds=5)
        self.log = Log()
        self.registry = CollectorRegistry()
        self.publisher = Publisher(settings, self.log, IngestMetrics(self.registry))  # type: ignore[arg-type]
        for lane in self.publisher._lanes:
            lane._linger = Linger(linger_seconds)  # type: ignore[assignment]
        self.publisher.start()

    def beat(self, partition: int, *, urgent: bool = False) -> asyncio.Future[bool]:
        user = USERS[partition]
        event = encode_event(Heartbeat(user=user, token="t"))
        return self.publisher.publish(user, event, urgent=urgent)


async def turns(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_what_has_waited_for_most_of_its_time_leaves_with_another_lane(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MOST", 0.0)
    running = Running()
    waiting = running.beat(0)
    await turns()
    assert running.log.partitions == []
    assert await running.beat(1, urgent=True)
    assert await waiting
    assert sorted(running.log.partitions) == [0, 1]
    await running.publisher.close()


async def test_what_has_just_begun_to_wait_stays() -> None:
    running = Running()
    waiting = running.beat(0)
    await turns()
    assert await running.beat(1, urgent=True)
    assert running.log.partitions == [1]
    assert not waiting.done()
    await running.publisher.close()
    assert await waiting


async def test_a_lane_whose_record_is_in_flight_stays_in_its_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MOST", 0.0)
    running = Running()
    running.log.takes.clear()
    first = running.beat(0, urgent=True)
    await turns()
    second = running.beat(0)
    other = running.beat(1, urgent=True)
    await turns()
    assert running.log.partitions == [0, 1]
    running.log.takes.set()
    assert await first
    assert await other
    await turns()
    assert running.log.partitions == [0, 1]
    assert not second.done()
    await running.publisher.close()
    assert await second


async def test_what_waits_is_shown_to_within_some_kilobytes_and_nothing_is_left() -> None:
    def shown() -> float:
        return running.registry.get_sample_value("rollcall_ingest_buffer_bytes") or 0.0

    running = Running()
    size = len(encode_event(Heartbeat(user=USERS[0], token="t")))
    waiting = [running.beat(0) for _ in range(90)]
    await turns()
    assert not any(each.done() for each in waiting)
    assert 90 * size - UNTOLD_BYTES < shown() <= 90 * size
    await running.publisher.close()
    assert all(await asyncio.gather(*waiting))
    assert shown() == 0
