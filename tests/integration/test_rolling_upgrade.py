"""Releases of different age at one log and one database, as while a deployment is upgraded."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

import schemas
from schemas.database.migrate import LOCK_SECONDS, MigrationError, migrate
from schemas.log.events import VERSION, Event, Heartbeat, encode_event, partition_of
from schemas.log.settings import KafkaSettings
from schemas.log.topics import REJECTS
from tests.conftest import database_in
from tests.rigs.rig import (
    ProcessorProcess,
    batch,
    processor_environment,
    produce,
    read_all,
    rows,
    stored_through,
    wait_for,
)

SQL = Path(schemas.__file__).parent / "database/sql"


@pytest.fixture
def empty_database(postgres_url: str) -> Iterator[str]:
    """URL of a database that nothing has been migrated in."""
    name = f"rollcall_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        yield database_in(postgres_url, name)
        server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


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


@pytest.fixture
def newer_release(tmp_path: Path) -> Path:
    """The migrations of a release that is ahead of this one."""
    folder = tmp_path / "sql"
    shutil.copytree(SQL, folder)
    (folder / "9999_newer.sql").write_text("ALTER TABLE presence ADD COLUMN newer integer;")
    return folder


def test_a_processor_waits_for_its_schema_and_works_with_a_newer_one(
    kafka_settings: KafkaSettings,
    empty_database: str,
    newer_release: Path,
    tmp_path: Path,
) -> None:
    environment = processor_environment(kafka_settings, empty_database)
    processor = ProcessorProcess(environment, tmp_path / "processor.log")
    try:
        wait_for("it says so", lambda: "run rollcall migrate" in processor.log.read_text())
        migrate(empty_database, newer_release)
        asyncio.run(
            produce(
                kafka_settings,
                [(partition_of("ada", 4), batch(Heartbeat(user="ada", token="t", screen="A")))],
            )
        )
        query = "SELECT state::text, newer FROM presence"
        stored = wait_for("ada is stored", lambda: rows(empty_database, query))
        assert stored == [("foreground", None)]
        assert processor.stop() == 0
    finally:
        processor.kill()
    with pytest.raises(MigrationError, match="run a newer version"):
        migrate(empty_database)


def test_a_migration_that_waits_for_a_table_lets_the_running_release_through(
    database_url: str, newer_release: Path
) -> None:
    done: list[str] = []
    migration = threading.Thread(target=lambda: done.extend(migrate(database_url, newer_release)))
    slowest = 0.0
    with psycopg.connect(database_url) as holder:
        # What a long export of before does.
        holder.execute("SELECT count(*) FROM presence")
        migration.start()
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
        for _ in range(2):  # it came back after it had made room
            wait_for("it waits", lambda: rows(database_url, waiting))
            started = time.monotonic()
            rows(database_url, "SELECT user_id FROM presence LIMIT 1")
            slowest = max(slowest, time.monotonic() - started)
            wait_for("it makes room", lambda: not rows(database_url, waiting))
    migration.join(60)
    assert done == ["9999_newer"]
    # Behind it no longer than it waits; on a busy machine a little more.
    assert slowest < LOCK_SECONDS + 30
