"""Publishing of changes by several partitions at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry, Counter

from processor.core.effects import Reject
from processor.kafka import publisher as changes
from processor.kafka.publisher import ChangePublisher
from processor.watch.progress import Progress
from schemas.log.settings import KafkaSettings


async def test_partitions_that_publish_at_once_start_one_producer(
    kafka_settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[AIOKafkaProducer] = []

    class Counted(AIOKafkaProducer):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            started.append(self)

    monkeypatch.setattr(changes, "AIOKafkaProducer", Counted)
    failures = Counter("failures", "Of the test.", registry=CollectorRegistry())
    publisher = ChangePublisher(kafka_settings, failures, Progress())
    reject = Reject(offset=1, index=0, error="bad", raw=b"{}", cause="bad_event")
    try:
        async with asyncio.timeout(60):
            await asyncio.gather(
                *(publisher.publish_rejects(partition, [reject]) for partition in range(2))
            )
    finally:
        await publisher.close()
    assert len(started) == 1
