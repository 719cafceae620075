"""What a processor tells Prometheus, as a process on a real Kafka and a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.log.events import Event, Heartbeat, Logout, Tick, partition_of
from schemas.log.settings import KafkaSettings
from tests.metrics_page import Scrape
from tests.rigs.rig import (
    ProcessorProcess,
    batch,
    free_port,
    processor_environment,
    produce,
    stored_through,
    wait_for,
)

PREFIX = "rollcall_processor_"


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def processor(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path, port: int
) -> Iterator[ProcessorProcess]:
    environment = processor_environment(
        kafka_settings, database_url, PROCESSOR_ADMIN_PORT=str(port)
    )
    process = ProcessorProcess(environment, tmp_path / "processor.log")
    yield process
    if process.exit_status is None:
        process.kill()


def test_it_tells_what_it_did_and_how_far_it_is(
    processor: ProcessorProcess, kafka_settings: KafkaSettings, database_url: str, port: int
) -> None:
    def home(user: str) -> int:
        return partition_of(user, kafka_settings.partitions)

    beats: list[tuple[int, bytes | None]] = [
        (home(user), batch(Heartbeat(user=user, token=user, screen=screen, app_version="1.2")))
        for user, screen in (("ada", "Home"), ("bob", "Home"), ("eve", "Cart"))
    ]
    quiet: list[Event] = [Heartbeat(user="ada", token="ada")]
    wrong = (home("ada") + 1) % kafka_settings.partitions
    records = [
        *beats,
        (home("bob"), batch(Heartbeat(user="bob", token="bob", screen="background"))),
        (home("eve"), batch(Logout(user="eve", token="eve"))),
        (wrong, batch(*quiet)),
        (0, b"no batch"),
        *((p, batch(Tick())) for p in range(kafka_settings.partitions)),
    ]
    asyncio.run(produce(kafka_settings, records))
    for _ in range(3):
        asyncio.run(produce(kafka_settings, [(home("ada"), batch(*quiet))]))
    ends = len(records) + 3
    wait_for("ada is stored", lambda: sum(stored_through(database_url).values()) == ends)
    # Of whom the database knows, and who is at home elsewhere.
    asyncio.run(produce(kafka_settings, [(wrong, batch(*quiet))]))
    ends += 1
    wait_for("all is stored", lambda: sum(stored_through(database_url).values()) == ends)
    wait_for(
        "the changes are published",
        lambda: Scrape.of_port(port).value(f"{PREFIX}changes_published_total") == 5,
    )
    found = Scrape.of_port(port)
    found.assert_documented("processor")

    def value(name: str, **labels: str) -> float | None:
        return found.value(PREFIX + name, **labels)

    assert value("records_total") == ends
    assert value("events_total", verdict="applied") == 8
    assert value("rejects_total", cause="wrong_partition") == 2
    assert value("rejects_total", cause="undecodable") == 1
    assert value("rejects_total") == 3
    assert value("changes_total", reason="started") == 3
    assert value("changes_total", reason="logged_out") == 1
    assert value("changes_waiting") == 0
    # An event that is rejected had to be looked at all the same; a record that cannot be read had
    # none.
    assert value("visible_seconds_count") == value("batch_events_sum") == 10
    assert value("visible_seconds_bucket", le="60.0") == 10
    batches = value("commit_seconds_count")
    assert batches
    assert value("batch_records_count") == batches
    assert value("batch_records_sum") == ends
    for stage in ("decode", "load", "reduce", "write", "commit"):
        assert value("stage_seconds_count", stage=stage) == batches, stage
    assert value("heartbeat_interval_seconds_count", app_version="1.2") == 2
    assert value("partitions") == kafka_settings.partitions
    assert value("partition_load_seconds_count") == kafka_settings.partitions
    rebalances = value("rebalances_total")
    assert rebalances is not None
    assert rebalances >= 1
    assert value("users_in_memory") == 2
    assert value("users_online", state="foreground") == 1
    assert value("users_online", state="background") == 1
    assert found.value("rollcall_screen_users", screen="Home") == 1
    assert found.label_values("rollcall_screen_users", "screen") == {"Home", "(other)"}
    assert value("lag_records") == value("lag_seconds") == 0
    watermark_age = value("watermark_age_seconds")
    assert watermark_age is not None
    assert 0 <= watermark_age < 60
    wait_for(
        "Kafka told its retention",
        lambda: Scrape.of_port(port).value(f"{PREFIX}retention_seconds") == 72 * 3600,
    )
    assert processor.stop() == 0
