"""Lanes that leave together, and what does not."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from ingest.log import publisher as module
from ingest.log.publisher import FULL_GROUP_BYTES, UNTOLD_BYTES, Publisher
from ingest.metrics import IngestMetrics
from ingest.socket.renewals import WAIT_SECONDS, Renewals
from schemas.log.events import Heartbeat, Renew, encode_event, partition_of
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


async def test_events_for_which_nobody_waits_are_counted_by_the_record() -> None:
    running = Running(linger_seconds=0.0)
    settled: list[tuple[list[int], bool]] = []
    told = lambda counts, acknowledged: settled.append((counts, acknowledged))  # noqa: E731
    beats = [(USERS[partition], b"x" * 10) for partition in (0, 1, 0, 0)]
    running.publisher.publish_all(beats, told)
    await turns(20)
    assert sorted(settled) == [([1], True), ([3], True)]
    await running.publisher.close()


async def test_of_more_than_there_is_room_for_as_many_are_taken_as_fit() -> None:
    running = Running()
    lane = running.publisher._lanes[0]
    lane._buffer_limit_bytes = 3 * FULL_GROUP_BYTES
    counts: list[list[int]] = []
    half = FULL_GROUP_BYTES // 2
    running.publisher.publish_all(
        [(USERS[0], b"x" * half)] * 8, lambda some, _acknowledged: counts.append(some)
    )
    shed = running.registry.get_sample_value(
        "rollcall_ingest_shed_total", {"cause": "partition_buffer"}
    )
    assert shed == 2
    await running.publisher.close()
    assert sum(sum(some) for some in counts) == 6


async def test_renewals_wait_for_each_other_but_not_behind_another_event() -> None:
    handed_over: list[list[str]] = []
    publisher = SimpleNamespace(
        publish_all=lambda events, _settle: handed_over.append([user for user, _ in events])
    )
    opt_outs = SimpleNamespace(covers=lambda user: user == "out")
    metrics = SimpleNamespace(count_renewals=None)
    renewals = Renewals(publisher, opt_outs, metrics)  # type: ignore[arg-type]

    def renew(*users: str) -> None:
        for user in users:
            renewals.add(Renew(user=user, token="t", connection="c"))

    renewals.leave()
    assert handed_over == []
    renew("a", "out", "b")
    renewals.leave()
    assert handed_over == [["a", "b"]]
    renew("c")
    async with asyncio.timeout(60):
        while len(handed_over) == 1:
            await asyncio.sleep(WAIT_SECONDS / 10)
    assert handed_over == [["a", "b"], ["c"]]
