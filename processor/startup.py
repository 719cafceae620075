"""Checks before the first record: does the database belong to this log, and is all of it there?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from processor.settings import ProcessorSettings
from processor.store import Store, UnusableDeploymentError
from schemas.kafka_security import client_options
from schemas.topic_ids import topic_id
from schemas.topics import EVENTS, check_topics, topic_name


async def open_deployment(settings: ProcessorSettings, store: Store) -> UUID:
    """Claim an empty database for the topic, or make sure that the two still fit; gives the id of
    the topic.

    Raises :class:`UnusableDeploymentError`, ``processor.store.NotMigratedError``,
    ``schemas.topics.TopicProblemError``, ``KafkaError`` or ``psycopg.Error``.
    """
    await store.require_session()
    await store.require_schema()
    await check_topics(settings)
    topic = topic_name(settings, EVENTS)
    identity = await topic_id(settings, topic)
    # Other processors are at work meanwhile: what is stored is later than the beginnings that were
    # asked for before it, and no later than the ends that are asked for after it.
    earliest = await partition_offsets(settings, topic, AIOKafkaConsumer.beginning_offsets)
    await store.open_deployment(topic, str(identity), earliest)
    stored = await store.next_offsets()
    latest = await partition_offsets(settings, topic, AIOKafkaConsumer.end_offsets)
    lost = 0
    for partition, next_offset in stored.items():
        lost += max(0, earliest[partition] - next_offset)
        if next_offset > latest[partition]:
            raise UnusableDeploymentError(
                f"partition {partition} of {topic} ends at offset {latest[partition]}, but "
                f"{next_offset} is stored as next: Kafka has lost records, or was restored from "
                "an older copy; restore the database to the same time, or start with an empty "
                "one and another ROLLCALL_TOPIC_PREFIX"
            )
    if lost:
        raise UnusableDeploymentError(
            f"{lost} records of {topic} were deleted by retention before they were processed: "
            "start with an empty database (a command that accepts the loss comes with the "
            "outage tools)"
        )
    return identity


async def partition_offsets(
    settings: ProcessorSettings,
    topic: str,
    ask: Callable[[Any, list[TopicPartition]], Awaitable[dict[TopicPartition, int]]],
) -> dict[int, int]:
    """By partition."""
    consumer = AIOKafkaConsumer(**client_options(settings), client_id="rollcall-processor-startup")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, p) for p in range(settings.partitions)]
        return {tp.partition: at for tp, at in (await ask(consumer, partitions)).items()}
    finally:
        await consumer.stop()
