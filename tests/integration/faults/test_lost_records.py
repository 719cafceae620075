"""Kafka deleted records before they were processed: nothing goes on until somebody accepts it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from typer.testing import CliRunner, Result

from deploy.cli.command import app
from processor.core.deployment import UnusableDeploymentError
from processor.settings import ProcessorSettings
from processor.startup import open_deployment
from processor.store.store import Store
from schemas.log.events import Heartbeat, Tick, partition_of
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, topic_name
from tests.rigs.rig import (
    ProcessorProcess,
    batch,
    processor_environment,
    produce,
    rows,
    stored_through,
    wait_for,
)

ANN = partition_of("ann", 4)
OTHER = (ANN + 1) % 4


async def delete_records(kafka: KafkaSettings, before: dict[int, int]) -> None:
    """As retention would: by partition, everything before this offset."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.kafka_bootstrap)
    await admin.start()
    try:
        topic = topic_name(kafka, EVENTS)
        wanted = {TopicPartition(topic, p): RecordsToDelete(at) for p, at in before.items()}
        await admin.delete_records(wanted)
    finally:
        await admin.close()


async def refusal(kafka: KafkaSettings, database_url: str) -> str | None:
    """What a processor that starts now has against the log."""
    settings = ProcessorSettings(**{**kafka.model_dump(), "database_url": database_url})
    store = Store(database_url, settings.user_hash)
    try:
        await open_deployment(settings, store)
    except UnusableDeploymentError as error:
        return str(error)
    finally:
        await store.close()
    return None


@pytest.fixture
def accept_loss(kafka_settings: KafkaSettings, database_url: str) -> Callable[..., Result]:
    """`rollcall offsets accept-loss` for these partitions."""
    environment = processor_environment(kafka_settings, database_url)

    def accept(*partitions: int) -> Result:
        options = [text for p in partitions for text in ("--partition", str(p))]
        return CliRunner().invoke(app, ["offsets", "accept-loss", *options], env=environment)

    return accept


def test_deleted_records_are_accepted_by_partition_and_are_an_outage(
    kafka_settings: KafkaSettings,
    database_url: str,
    accept_loss: Callable[..., Result],
    tmp_path: Path,
) -> None:
    environment = processor_environment(kafka_settings, database_url)
    asyncio.run(
        produce(
            kafka_settings,
            [
                (ANN, batch(Heartbeat(user="ann", token="t", screen="Home"))),
                *((p, batch(Tick())) for p in range(4) if p != ANN),
            ],
        )
    )
    processor = ProcessorProcess(environment, tmp_path / "1.log")
    try:
        wait_for("all are stored", lambda: set(stored_through(database_url).values()) == {1})
        assert processor.stop() == 0
        lost = [(ANN, batch(Tick()))] * 4 + [(OTHER, batch(Tick()))] * 2
        asyncio.run(produce(kafka_settings, lost))
        asyncio.run(delete_records(kafka_settings, {ANN: 4, OTHER: 2}))

        # It names the partitions, and the way out.
        said = asyncio.run(refusal(kafka_settings, database_url)) or ""
        assert f"partition {ANN}: 3 records (1 to 3)" in said
        assert f"partition {OTHER}: 1 record (1 to 1)" in said
        both = " ".join(f"--partition {p}" for p in sorted((ANN, OTHER)))
        assert f"rollcall offsets accept-loss {both}" in said

        # Nothing is accepted that is not named.
        assert "nothing was accepted" in accept_loss().stderr
        assert "no-such" not in accept_loss(9).output
        assert accept_loss(9).exit_code == 2
        assert stored_through(database_url) == dict.fromkeys(range(4), 1)
        assert f"accepted as lost: partition {ANN}" in accept_loss(ANN).stdout
        said = asyncio.run(refusal(kafka_settings, database_url)) or ""
        assert f"partition {ANN}" not in said
        assert f"partition {OTHER}: 1 record" in said

        # It can be repeated.
        assert f"partition {ANN}: nothing is lost" in accept_loss(ANN, OTHER).stdout
        assert accept_loss().stdout == "nothing is lost\n"
        assert rows(
            database_url,
            'SELECT "partition", from_offset, to_offset FROM lost_ranges ORDER BY to_offset DESC',
        ) == [(ANN, 1, 4), (OTHER, 1, 2)]

        processor = ProcessorProcess(environment, tmp_path / "2.log")
        asyncio.run(produce(kafka_settings, [(ANN, batch(Tick()))]))
        wait_for("it goes on", lambda: stored_through(database_url).get(ANN) == 6)
        wait_for("both do", lambda: stored_through(database_url).get(OTHER) == 3)
    finally:
        processor.kill()
    outages = rows(database_url, 'SELECT "partition", kind, ended_at IS NOT NULL FROM outages')
    assert sorted(outages) == sorted([(ANN, "lost_range", True), (OTHER, "lost_range", True)])
    assert rows(database_url, "SELECT state::text, screen FROM presence") == [
        ("foreground", "Home")
    ]
