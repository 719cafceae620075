"""Screen names become known by the users of the whole fleet, however few a partition has."""

from __future__ import annotations

import asyncio
import time
import uuid
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from schemas.log.events import Event, Heartbeat, Tick, partition_of
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, create_topics, topic_name
from tests.rigs.rig import ProcessorProcess, batch, processor_environment, rows, wait_for

PARTITIONS = 12
DAY_MS = 86_400_000
#: Places of a minute and partition: one for a new name beside three known ones.
MOST = 4


def users_of(partition: int, count: int) -> list[str]:
    found = (name for n in range(9_999) if partition_of(name := f"u-{n}", PARTITIONS) == partition)
    return [next(found) for _ in range(count)]


class Log:
    """A log whose writer says its times; each write is stored before the next one."""

    def __init__(self, kafka: KafkaSettings, url: str) -> None:
        self._kafka, self._url = kafka, url
        self._ends = dict.fromkeys(range(PARTITIONS), 0)

    async def write(self, at_ms: int, shown: dict[int, list[tuple[str, str]]]) -> None:
        """At this time each partition has a record with these users' screens, or a tick."""
        producer = AIOKafkaProducer(bootstrap_servers=self._kafka.kafka_bootstrap, acks="all")
        await producer.start()
        try:
            for partition in self._ends:
                beats: list[Event] = [
                    Heartbeat(user=user, token="t", device_id="d", screen=screen)
                    for user, screen in shown.get(partition, [])
                ]
                await producer.send(
                    topic_name(self._kafka, EVENTS),
                    batch(*(beats or [Tick()])),
                    partition=partition,
                    timestamp_ms=at_ms,
                )
                self._ends[partition] += 1
        finally:
            await producer.stop()
        query = 'SELECT "partition", next_offset FROM stream_offsets'
        await asyncio.to_thread(
            wait_for, "all is stored", lambda: dict(rows(self._url, query)) == self._ends
        )


@pytest.mark.parametrize("other_users", [4, 3])
async def test_five_users_of_as_many_partitions_make_a_name_known(
    kafka_bootstrap: str, database_url: str, tmp_path: Path, other_users: int
) -> None:
    kafka = KafkaSettings(
        kafka_bootstrap=kafka_bootstrap,
        topic_prefix=f"t{uuid.uuid4().hex[:12]}.",
        partitions=PARTITIONS,
        replication_factor=1,
        allow_create_time=True,
    )
    await create_topics(kafka)
    environment = processor_environment(
        kafka, database_url, ALLOW_CREATE_TIME="1", MAX_SCREENS=str(MOST)
    )
    processor = ProcessorProcess(environment, tmp_path / "log")
    log = Log(kafka, database_url)
    midnight = (int(time.time() * 1000) // DAY_MS - 3) * DAY_MS
    showed = range(1 + other_users)
    try:
        await log.write(midnight - 60_000, {p: [(users_of(p, 1)[0], "Checkout")] for p in showed})
        await log.write(midnight - 1_000, {})
        # The next day ids fill the minute, before anybody comes to Checkout.
        await log.write(
            midnight + 5_000,
            {p: [(user, f"/{user}") for user in users_of(p, 9)[1:]] for p in range(PARTITIONS)},
        )
        await log.write(
            midnight + 9_000, {p: [(users_of(p, 10)[-1], "Checkout")] for p in range(PARTITIONS)}
        )
        assert processor.stop() == 0
    finally:
        if processor.exit_status is None:
            processor.kill()
    counted = rows(
        database_url,
        'SELECT "partition" FROM screen_minutes '
        f"WHERE screen = 'Checkout' AND to_ms(minute) = {midnight} AND views > 0 ORDER BY 1",
    )
    assert counted == ([(p,) for p in range(PARTITIONS)] if other_users == 4 else [])
