"""Appending a replay to ``presence.events``: only where the log is one for it, each record once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.replay.records import TimedRecord
from schemas.log.client import client_options
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, MAX_RECORD_BYTES, check_topics, topic_name

LINGER_MS: Final = 20
#: Records that wait for their acknowledgement.
MOST_WAITING: Final = 20_000
#: aiokafka's producer would wait for ever.
ACKNOWLEDGED_WITHIN_SECONDS: Final = 60.0


class LogIsLaterError(RuntimeError):
    """The log has times after the first of the file: log time does not go back."""


async def append(
    settings: KafkaSettings,
    first_ms: int,
    records: Iterable[TimedRecord],
    appended: Callable[[int], None],
) -> int:
    """Append ``records``, of which none is before ``first_ms``; how many they were.

    Calls ``appended`` with times up to which the log has everything. Raises
    :class:`LogIsLaterError`, ``schemas.log.topics.TopicProblemError`` and, of Kafka, ``KafkaError``
    or ``TimeoutError``; after the first of these calls the log has a part of the records.
    """
    await check_topics(settings)
    topic = topic_name(settings, EVENTS)
    await _check_times(settings, topic, first_ms)
    producer = AIOKafkaProducer(
        **client_options(settings),
        client_id="rollcall-replay",
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        max_batch_size=MAX_RECORD_BYTES,
        linger_ms=LINGER_MS,
    )
    await producer.start()
    count = 0
    try:
        waiting: list[asyncio.Future[object]] = []
        for record in records:
            async with asyncio.timeout(ACKNOWLEDGED_WITHIN_SECONDS):
                waiting.append(
                    await producer.send(
                        topic,
                        record.value,
                        partition=record.partition,
                        timestamp_ms=record.at_ms,
                    )
                )
            count += 1
            if len(waiting) == MOST_WAITING:
                await _acknowledged(waiting)
                appended(record.at_ms)
        await _acknowledged(waiting)
    finally:
        await producer.stop()
    return count


async def _acknowledged(waiting: list[asyncio.Future[object]]) -> None:
    async with asyncio.timeout(ACKNOWLEDGED_WITHIN_SECONDS):
        await asyncio.gather(*waiting)
    waiting.clear()


async def _check_times(settings: KafkaSettings, topic: str, first_ms: int) -> None:
    consumer = AIOKafkaConsumer(**client_options(settings), client_id="rollcall-replay")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, p) for p in range(settings.partitions)]
        later = await consumer.offsets_for_times(dict.fromkeys(partitions, first_ms + 1))
    finally:
        await consumer.stop()
    if any(found is not None for found in later.values()):
        raise LogIsLaterError(f"{topic} has times after the first of the file")
