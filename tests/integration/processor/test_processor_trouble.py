"""What the processor does when something under it goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from schemas.log.events import Heartbeat, Tick, partition_of
from schemas.log.settings import KafkaSettings
from tests.rigs.rig import (
    ProcessorProcess,
    batch,
    processor_environment,
    produce,
    published_changes,
    rows,
    stored_through,
    wait_for,
)

Start = Callable[..., ProcessorProcess]
RECORDS = 200
PARTITIONS = range(4)


@pytest.fixture
def start(kafka_settings: KafkaSettings, database_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts processors; keyword arguments are ROLLCALL_ settings."""
    started: list[ProcessorProcess] = []

    def start_one(**settings: str) -> ProcessorProcess:
        environment = processor_environment(kafka_settings, database_url, **settings)
        started.append(ProcessorProcess(environment, tmp_path / f"{len(started)}.log"))
        return started[-1]

    yield start_one
    for process in started:
        if process.exit_status is None:
            process.kill()


def heartbeats(kafka: KafkaSettings, turn: int) -> list[tuple[int, bytes]]:
    """One record a user, each on another screen than the turn before."""
    users = [f"user-{n}" for n in range(8)]
    return [
        (
            partition_of(user, kafka.partitions),
            batch(Heartbeat(user=user, token="t", screen=f"Screen {turn}")),
        )
        for user in users
    ]


def terminate_sessions(database_url: str) -> int:
    """End the processor's sessions, as a failover of the database would."""
    return len(
        rows(
            database_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'rollcall-processor' AND datname = current_database()",
        )
    )


def test_ended_database_sessions_cost_nothing(
    start: Start, kafka_settings: KafkaSettings, database_url: str
) -> None:
    processor = start()
    asyncio.run(produce(kafka_settings, [(p, batch(Tick())) for p in PARTITIONS]))
    wait_for("it runs", lambda: set(stored_through(database_url).values()) == {1})
    terminated = 0
    ends: dict[int, int] = dict.fromkeys(PARTITIONS, 1)
    for turn in range(RECORDS // 8):
        records = heartbeats(kafka_settings, turn)
        asyncio.run(produce(kafka_settings, records))
        for partition, _ in records:
            ends[partition] += 1
        terminated += terminate_sessions(database_url)
    wait_for("everything is stored", lambda: stored_through(database_url) == ends)
    assert terminated > 0
    assert processor.exit_status is None
    last = RECORDS // 8 - 1
    assert rows(database_url, "SELECT DISTINCT screen, state::text FROM presence") == [
        (f"Screen {last}", "foreground")
    ]
    assert rows(database_url, "SELECT count(*) FROM changes") == [(RECORDS,)]
    # Published with the next batch's position: let one come.
    asyncio.run(produce(kafka_settings, [(p, batch(Tick())) for p in ends]))
    stored = rows(
        database_url,
        "SELECT \"partition\" || ':' || log_offset || ':' || event_index || ':' || ordinal "
        'FROM changes ORDER BY "partition", log_offset, event_index, ordinal',
    )
    wait_for(
        "every change is on its topic, in order",
        lambda: (
            list(dict.fromkeys(c["id"] for c in published_changes(kafka_settings)))
            == [row[0] for row in stored]
        ),
    )


def test_a_database_that_cannot_be_reached_is_waited_for(
    start: Start, kafka_settings: KafkaSettings, database_url: str
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT 0'.encode())
        connection.execute(b"CREATE ROLE plain_%s LOGIN PASSWORD 'plain'" % str(name).encode())
        connection.execute(
            b"GRANT ALL ON ALL TABLES IN SCHEMA public TO plain_%s" % str(name).encode()
        )
    parts = psycopg.conninfo.conninfo_to_dict(database_url)
    # A connection limit holds for everyone but superusers.
    plain = f"postgresql://plain_{name}:plain@{parts['host']}:{parts['port']}/{name}"
    processor = start(DATABASE_URL=plain)
    wait_for(
        "it says what it waits for",
        lambda: "too many connections" in processor.log.read_text(),
    )
    assert processor.exit_status is None
    asyncio.run(produce(kafka_settings, heartbeats(kafka_settings, 0)))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT -1'.encode())
    wait_for(
        "it goes on by itself",
        lambda: rows(database_url, "SELECT count(*) FROM presence") == [(8,)],
    )
    assert processor.stop() == 0


def test_another_policy_holds_from_the_offset_that_it_was_committed_with(
    start: Start, kafka_settings: KafkaSettings, database_url: str
) -> None:
    first = start(OFFLINE_AFTER_SECONDS="300")
    asyncio.run(produce(kafka_settings, [(0, batch(Tick()))] * 3))
    wait_for("three are stored", lambda: stored_through(database_url).get(0) == 3)
    assert first.stop() == 0
    start(OFFLINE_AFTER_SECONDS="600")
    asyncio.run(produce(kafka_settings, [(0, batch(Tick()))]))
    wait_for("the fourth is stored", lambda: stored_through(database_url).get(0) == 4)
    policies = rows(
        database_url,
        "SELECT from_offset, (policy ->> 'offline_after_ms')::int FROM policies "
        'WHERE "partition" = 0 ORDER BY from_offset',
    )
    assert policies == [(0, 300_000), (3, 600_000)]


def test_a_log_that_ends_before_what_is_stored_is_refused(
    start: Start, kafka_settings: KafkaSettings, database_url: str
) -> None:
    first = start()
    asyncio.run(produce(kafka_settings, [(0, batch(Tick()))]))
    wait_for("it is stored", lambda: stored_through(database_url).get(0) == 1)
    assert first.stop() == 0
    with psycopg.connect(database_url) as connection:
        connection.execute('UPDATE stream_offsets SET next_offset = 50 WHERE "partition" = 0')
    second = start()
    wait_for("it refuses to start", lambda: second.exit_status is not None)
    assert second.exit_status == 1
    assert "ends at offset 1, but 50 is stored as next" in second.log.read_text()
