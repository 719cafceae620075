"""A log that takes records and acknowledges none, as with two of three brokers away: what was tried
comes to light later, and must not look as if phones had reached us."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry

from ingest.log.appender import NotAppendedError
from ingest.log.group import Acknowledgement
from ingest.log.publisher import Publisher
from ingest.metrics import IngestMetrics
from schemas.log.events import Heartbeat, Tick, decode_batch, encode_event
from schemas.log.settings import KafkaSettings
from tests.rigs.harness import ingest_settings

ACCEPT_SECONDS = 1.0


class Log:
    """Of one partition."""

    max_record_bytes = 100_000
    away = None

    def __init__(self) -> None:
        self.acknowledges = asyncio.Event()
        #: What was handed over, in order: a screen each, or ``None`` for a tick.
        self.tried: list[str | None] = []

    async def append(self, partition: int, value: bytes, deadline: float) -> None:
        for event in decode_batch(value):
            self.tried.append(None if isinstance(event, Tick) else getattr(event, "screen", ""))
        try:
            async with asyncio.timeout_at(deadline):
                await self.acknowledges.wait()
        except TimeoutError as error:
            raise NotAppendedError("no copies") from error


async def test_after_a_record_that_was_not_acknowledged_events_wait_for_a_tick() -> None:
    kafka = KafkaSettings(kafka_bootstrap="127.0.0.1:1", partitions=1, replication_factor=1)
    settings = ingest_settings(
        kafka, accept_timeout_seconds=ACCEPT_SECONDS, tick_interval_seconds=5
    )
    log = Log()
    publisher = Publisher(settings, log, IngestMetrics(CollectorRegistry()))  # type: ignore[arg-type]
    publisher.start()

    def beat(screen: str) -> Acknowledgement:
        return publisher.publish("u", encode_event(Heartbeat(user="u", token="t", screen=screen)))

    assert not await beat("A")
    assert not await beat("B")
    assert log.tried[0] == "A"
    assert {*log.tried[1:]} == {None}
    tried = len(log.tried)
    log.acknowledges.set()
    assert await beat("C")
    assert await beat("D")
    await publisher.close()
    assert log.tried[tried : tried + 2] == [None, "C"]
    assert "D" in log.tried
