"""Releases of different age at one log and one database, as while a deployment is upgraded."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from schemas.events import VERSION, Event, Heartbeat, encode_event, partition_of
from schemas.settings import KafkaSettings
from schemas.topics import REJECTS
from tests.integration.rig import (
    ProcessorProcess,
    batch,
    processor_environment,
    produce,
    read_all,
    rows,
    stored_through,
    wait_for,
)


def of_the_next_release(*events: Event, version: int = VERSION + 1) -> bytes:
    """A record with a field more in each event."""
    raw = [[*msgspec.msgpack.decode(encode_event(event)), "a new field"] for event in events]
    return msgspec.msgpack.encode([version, raw])


def test_a_processor_reads_old_and_new_writers_and_ends_before_it_drops_a_newer_one(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    partition = partition_of("ada", kafka_settings.partitions)

    def beat(screen: str) -> Heartbeat:
        return Heartbeat(user="ada", token="t", screen=screen)

    def write(*values: Any) -> None:
        asyncio.run(produce(kafka_settings, [(partition, value) for value in values]))

    def screens() -> list[str]:
        query = "SELECT screen FROM changes ORDER BY log_offset, event_index"
        return [screen for (screen,) in rows(database_url, query)]

    environment = processor_environment(kafka_settings, database_url)
    processor = ProcessorProcess(environment, tmp_path / "processor.log")
    try:
        # Two ingest processes of different releases, in turn.
        write(batch(beat("A")), of_the_next_release(beat("B")), batch(beat("C")))
        write(of_the_next_release(beat("D"), beat("E")))
        wait_for("all are stored", lambda: screens() == ["A", "B", "C", "D", "E"])
        assert asyncio.run(read_all(kafka_settings, REJECTS)) == []
        # One that is two ahead: this release must not pass over what it cannot read.
        write(batch(beat("F")), of_the_next_release(beat("G"), version=VERSION + 2))
        wait_for("it ends", lambda: processor.exit_status is not None)
    finally:
        processor.kill()
    assert processor.exit_status == 1
    assert "start a newer release of the processor" in processor.log.read_text()
    assert asyncio.run(read_all(kafka_settings, REJECTS)) == []
    assert stored_through(database_url)[partition] <= 5
