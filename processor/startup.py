"""Checks before the first record: does the database belong to this log, and is all of it there?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from processor.core.deployment import NEW_TOPIC, UnusableDeploymentError
from processor.core.log.last_read import LastRead, TornLogError, last_read, require_same
from processor.core.log.losses import described, lost_ranges
from processor.core.log.positions import Log, positions
from processor.settings import ProcessorSettings
from processor.store.claim import (
    claim_deployment,
    require_schema,
    require_session,
    require_user_hash_key,
)
from processor.store.store import Store
from schemas.log.client import client_options
from schemas.log.topic_ids import topic_id
from schemas.log.topic_retention import retention_drift
from schemas.log.topics import EVENTS, check_topics, topic_name

READ_AGAIN_SECONDS: Final = 30.0

logger = logging.getLogger(__name__)


async def open_deployment(settings: ProcessorSettings, store: Store) -> Log:
    """Claim an empty database for the topic, or make sure that the two still fit; gives the topic.

    Raises :class:`UnusableDeploymentError`, ``processor.store.claim.NotMigratedError``,
    ``schemas.service.user_hash.UserHashKeyError``,
    ``schemas.log.topics.TopicProblemError``, ``KafkaError``, ``TimeoutError`` or ``psycopg.Error``.
    """
    await require_session(store)
    await require_schema(store)
    await require_user_hash_key(store)
    await check_topics(settings)
    for drift in await retention_drift(settings):
        logger.warning("%s", drift)
    topic = topic_name(settings, EVENTS)
    identity = await topic_id(settings, topic)
    # Other processors are at work meanwhile: what is stored is later than the beginnings that were
    # asked for before it, and no later than the ends that are asked for after it.
    earliest = await partition_offsets(settings, topic, AIOKafkaConsumer.beginning_offsets)
    base = await claim_deployment(store, topic, str(identity), earliest)
    stored = await store.next_offsets()
    last_reads = await store.last_reads()
    latest = positions(await partition_offsets(settings, topic, AIOKafkaConsumer.end_offsets), base)
    for partition, next_offset in stored.items():
        if next_offset > latest[partition]:
            raise UnusableDeploymentError(
                f"partition {partition} of {topic} ends at offset {latest[partition]}, but "
                f"{next_offset} is stored as next: Kafka has lost records, or was restored from "
                "an older copy; restore the database to the same time, or start with an empty "
                "one and another ROLLCALL_TOPIC_PREFIX, or delete the topic, make it again "
                f"(rollcall topics) and let {NEW_TOPIC} keep history"
            )
    if lost := lost_ranges(stored, positions(earliest, base)):
        raise UnusableDeploymentError(described(topic, lost))
    try:
        async with asyncio.timeout(READ_AGAIN_SECONDS):
            await read_again(settings, topic, last_reads, base)
    except TornLogError as error:
        raise UnusableDeploymentError(f"{topic}, {error}") from None
    return Log(identity, base)


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


async def read_again(
    settings: ProcessorSettings, topic: str, last_reads: Mapping[int, LastRead], base: int
) -> None:
    """Raises :class:`TornLogError` unless each of these records, by partition, is still where it
    was, as far as retention has left them there. ``base`` is that of the topic's positions."""
    if not last_reads:
        return
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        client_id="rollcall-processor-startup",
        auto_offset_reset="earliest",
        # Of each partition one batch of records is enough.
        max_partition_fetch_bytes=1,
    )
    await consumer.start()
    try:
        wanted = {TopicPartition(topic, p): stored for p, stored in last_reads.items()}
        consumer.assign(list(wanted))
        begins = await consumer.beginning_offsets(list(wanted))
        for tp in [tp for tp, stored in wanted.items() if stored.offset - base < begins[tp]]:
            del wanted[tp]
        for tp, stored in wanted.items():
            consumer.seek(tp, stored.offset - base)
        while wanted:
            for tp, records in (await consumer.getmany(*wanted, timeout_ms=1000)).items():
                stored, found = wanted.pop(tp), records[0]
                if base + found.offset == stored.offset:
                    again = last_read(stored.offset, found.timestamp, found.value)
                    require_same(tp.partition, stored, again)
    finally:
        await consumer.stop()
