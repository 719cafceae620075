"""What the topics take is read, and no record exceeds the least of it."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.log.events import Heartbeat, encode_event, partition_of
from schemas.log.settings import KafkaSettings
from schemas.log.topics import (
    BATCH_OVERHEAD_BYTES,
    CHANGES,
    EVENTS,
    MAX_RECORD_BYTES,
    TopicProblemError,
    check_topics,
    record_limit_bytes,
    topic_name,
    topic_specs,
    usable_record_bytes,
)
from tests.integration.faults.processors import running as processor_running
from tests.integration.ingest.test_ingest_publisher import Running, running
from tests.rigs.harness import read_log, wait_until
from tests.rigs.rig import DEADLINE_SECONDS, batch, produce, published_changes

USERS = [f"user-{number}" for number in range(400)]


async def set_limit(kafka: KafkaSettings, topic: str, **settings: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.kafka_bootstrap)
    await admin.start()
    try:
        name = topic_name(kafka, topic)
        # All settings of a topic at once: those that are not named would be the brokers' again.
        configs = next(dict(spec.settings) for spec in topic_specs(kafka) if spec.name == name)
        configs |= {key.replace("_", "."): str(value) for key, value in settings.items()}
        resource = ConfigResource(ConfigResourceType.TOPIC, name, configs)
        await admin.alter_configs([resource])
    finally:
        await admin.close()


async def all_accepted(parts: Running) -> bool:
    """Whether 1,600 events of a moment are, more than a record a partition."""
    events = [
        (user, encode_event(Heartbeat(user=user, token="t", screen=secrets.token_hex(64))))
        for user in USERS * 4
    ]
    return all(await asyncio.gather(*(parts.publisher.publish(*event) for event in events)))


async def test_records_never_exceed_the_least_of_what_the_topic_takes(
    kafka_settings: KafkaSettings,
) -> None:
    await set_limit(kafka_settings, EVENTS, max_message_bytes=20_000)
    async with running(kafka_settings, max_linger_seconds=0.09) as parts:
        assert await all_accepted(parts)
    largest = max(record.bytes for record in await read_log(kafka_settings))
    assert 4_000 < largest <= 20_000 - BATCH_OVERHEAD_BYTES


async def test_a_limit_that_is_lowered_while_ingest_runs_is_followed(
    kafka_settings: KafkaSettings,
) -> None:
    async with running(kafka_settings, max_linger_seconds=0.09) as parts:
        assert parts.connection.max_record_bytes == MAX_RECORD_BYTES
        assert await all_accepted(parts)
        await set_limit(kafka_settings, EVENTS, max_message_bytes=18_000)

        async def follows() -> bool:
            # Some calls are refused once; 503 under load for ever was what happened.
            return await all_accepted(parts) and parts.connection.max_record_bytes < 18_000

        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await follows():
                await wait_until(lambda: parts.connection.not_ready is None)


async def test_changes_fit_their_topic_too(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    await set_limit(kafka_settings, CHANGES, max_message_bytes=20_000)
    ours = [user for user in USERS if partition_of(user, kafka_settings.partitions) == 0]
    beats = [
        Heartbeat(user=user, token="t", screen=f"{number:04d}" * 32)
        for number, user in enumerate(ours)
    ]
    with processor_running(kafka_settings, database_url, tmp_path / "p.log") as processor:
        await produce(kafka_settings, [(0, batch(*beats))])
        published: list[str] = []

        async def all_there() -> bool:
            found = await asyncio.to_thread(published_changes, kafka_settings)
            published[:] = [change["user_id"] for change in found]
            return sorted(published) == sorted(ours)

        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await all_there():
                await asyncio.sleep(0.2)
        assert "cannot publish" not in processor.log


async def test_a_topic_that_takes_less_than_an_event_is_refused_with_the_remedy(
    kafka_settings: KafkaSettings,
) -> None:
    await set_limit(kafka_settings, EVENTS, max_message_bytes=5_000)
    with pytest.raises(TopicProblemError, match=r"max\.message\.bytes=5000.*--add-config"):
        await check_topics(kafka_settings)


async def test_the_least_of_both_limits_counts(kafka_settings: KafkaSettings) -> None:
    topics = [topic_name(kafka_settings, name) for name in (EVENTS, CHANGES)]
    assert await record_limit_bytes(kafka_settings, *topics) == MAX_RECORD_BYTES
    await set_limit(kafka_settings, CHANGES, max_message_bytes=500_000)
    assert await record_limit_bytes(kafka_settings, *topics) == 500_000 - BATCH_OVERHEAD_BYTES
    found = {"max.message.bytes": "1048588", "segment.bytes": "100000"}
    assert usable_record_bytes("x", found) == 100_000 - BATCH_OVERHEAD_BYTES
