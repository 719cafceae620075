"""The topic is deleted and made again while services run (design, section 6)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, create_topics, topic_name
from tests.integration.faults.processors import running
from tests.rigs.harness import (
    Ingest,
    client_events,
    ingest_settings,
    running_ingest,
    wait_until,
)
from tests.rigs.rig import DEADLINE_SECONDS, rows


async def replace_topic(kafka: KafkaSettings) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.kafka_bootstrap)
    await admin.start()
    try:
        topic = topic_name(kafka, EVENTS)
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():
            await asyncio.sleep(0.05)
        await create_topics(kafka)
    finally:
        await admin.close()


async def beats_until_refused(ingest: Ingest) -> set[str]:
    """The users whose heartbeats were answered 200 while the topic was replaced."""
    accepted: set[str] = set()
    for number in range(10_000):
        if ingest.metric("rollcall_ingest_topic_replaced") and ingest.not_ready is not None:
            return accepted
        user = f"user-{number}"
        if (await ingest.heartbeat(user=user)).status == 200:
            accepted.add(user)
    raise AssertionError("it was never refused")


async def test_a_topic_that_is_made_again_is_neither_written_nor_read_and_both_say_so(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    settings = ingest_settings(
        kafka_settings, accept_timeout_seconds=1, auth_failures_per_second=1000
    )
    with running(kafka_settings, database_url, tmp_path / "processor.log") as processor:
        async with running_ingest(settings) as ingest:
            await ingest.until_ready()
            async with asyncio.timeout(DEADLINE_SECONDS):
                for number in range(40):  # every partition
                    # Kafka has a second, and not every machine has.
                    while (await ingest.heartbeat(user=f"before-{number}")).status != 200:
                        pass

            def stored() -> bool:
                return rows(database_url, "SELECT count(*) FROM presence") == [(40,)]

            await wait_until(stored, DEADLINE_SECONDS)
            await wait_until(lambda: processor.readiness == "ready", DEADLINE_SECONDS)
            _, accepted = await asyncio.gather(
                replace_topic(kafka_settings), beats_until_refused(ingest)
            )
            replaced = f"topic {topic_name(kafka_settings, EVENTS)} was deleted and made again"
            await wait_until(lambda: replaced in (ingest.not_ready or ""), DEADLINE_SECONDS)
            answer = await ingest.heartbeat(user="bob")
            assert answer.status == 503
            assert "retry-after" in answer.headers
            await wait_until(lambda: replaced in processor.readiness, DEADLINE_SECONDS)
            # No call was answered 200 that is in a log which no database can read.
            written = {event.user for event in await client_events(kafka_settings)}
            assert not accepted & written
        assert "start with an empty database" in processor.readiness
        assert "rollcall_processor_topic_replaced 1.0" in processor.get("/metrics")
        assert processor.process.exit_status is None
        assert processor.process.stop() == 0
        assert processor.log.count(replaced) == 1
    stored_users = {user for (user,) in rows(database_url, "SELECT user_id FROM presence")}
    assert not stored_users & written
