"""What time brings and PostgreSQL refuses is rejected as that, and is no gap in the log."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import msgspec
import psycopg

from schemas.log.events import Heartbeat, Tick, partition_of
from schemas.log.settings import KafkaSettings
from schemas.log.topics import REJECTS
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


def test_an_expiry_that_postgresql_refuses_is_rejected_alone_and_tried_again(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    where = partition_of("ada", kafka_settings.partitions)
    others = [
        name
        for name in (f"user-{n}" for n in range(40))
        if partition_of(name, kafka_settings.partitions) == where
    ][:3]
    with psycopg.connect(database_url) as db:
        db.execute(
            "ALTER TABLE changes ADD CONSTRAINT no CHECK (NOT (user_id = 'ada' "
            "AND reason = 'timed_out'))"
        )

    def tick() -> int:
        asyncio.run(produce(kafka_settings, [(where, batch(Tick()))]))
        return stored_through(database_url).get(where, 0)

    def online() -> set[str]:
        found = rows(database_url, "SELECT user_id FROM presence WHERE state <> 'offline'")
        return {name for (name,) in found}

    processor = ProcessorProcess(
        processor_environment(kafka_settings, database_url, OFFLINE_AFTER_SECONDS="1"),
        tmp_path / "processor.log",
    )
    try:
        beats = [Heartbeat(user=user, token="t", screen="Home") for user in ("ada", *others)]
        asyncio.run(produce(kafka_settings, [(where, batch(*beats))]))
        wait_for("all are online", lambda: online() == {"ada", *others})
        wait_for("the others time out, ada stays", lambda: tick() and online() == {"ada"})
        with psycopg.connect(database_url) as db:
            db.execute("ALTER TABLE changes DROP CONSTRAINT no")
        wait_for("it is tried again", lambda: tick() and not online())
        assert processor.exit_status is None
        assert processor.stop() == 0
    finally:
        if processor.exit_status is None:
            processor.kill()
    told = processor.log.read_text()
    assert "cannot go on" not in told
    rejects = [msgspec.json.decode(r.value) for r in asyncio.run(read_all(kafka_settings, REJECTS))]
    assert {(r["index"], r["error"], r["sha256"]) for r in rejects} == {
        (-1, "PostgreSQL refuses it: SQLSTATE 23514", hashlib.sha256(b"ada").hexdigest())
    }
    # Each user's end counts once, and each change is on record once.
    ended = rows(
        database_url,
        "SELECT user_id, count(*)::int FROM changes WHERE reason = 'timed_out' GROUP BY 1",
    )
    assert sorted(ended) == [(name, 1) for name in sorted(("ada", *others))]


def test_a_record_that_is_refused_whatever_is_left_out_is_not_called_a_gap(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    where = partition_of("ada", kafka_settings.partitions)
    with psycopg.connect(database_url) as db:
        db.execute("ALTER TABLE stream_offsets ADD CHECK (next_offset = 0)")
    processor = ProcessorProcess(
        processor_environment(kafka_settings, database_url), tmp_path / "processor.log"
    )
    try:
        asyncio.run(produce(kafka_settings, [(where, batch(Heartbeat(user="ada", token="t")))]))
        wait_for("it ends", lambda: processor.exit_status is not None)
    finally:
        if processor.exit_status is None:
            processor.kill()
    told = processor.log.read_text()
    assert "SQLSTATE 23514, whatever is left out of it; nothing is lost: mend the table" in told
    assert "is next, Kafka gave" not in told
