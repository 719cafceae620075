"""The whole log, read once."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.log.events import BadEvent, Event, decode_batch
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, topic_name


async def events_in_log(settings: KafkaSettings) -> list[Event | BadEvent]:
    """Everything that is in ``presence.events`` now, in no order across partitions."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False
    )
    await consumer.start()
    try:
        topic = topic_name(settings, EVENTS)
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        events: list[Event | BadEvent] = []
        while [p for p in partitions if await consumer.position(p) < ends[p]]:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    events += decode_batch(record.value)
        return events
    finally:
        await consumer.stop()
