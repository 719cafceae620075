"""Readiness and the watchdog of a processor, and that it waits for whatever is not there yet."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from schemas.database.migrate import migrate
from schemas.log.events import Heartbeat, Tick, partition_of
from schemas.log.settings import KafkaSettings
from schemas.log.topics import create_topics
from tests.conftest import database_in
from tests.rigs.rig import (
    ProcessorProcess,
    batch,
    free_port,
    processor_environment,
    produce,
    rows,
    stored_through,
    wait_for,
)

STALL_SECONDS = 3
#: Faults of ours that cannot be ordered from outside, in a processor that is real otherwise.
HANGING_LOOP = """
import asyncio, time
from processor import __main__
from processor.store import store
commit = store.Store.commit
async def hang(self, batches, **options):
    if any(user.user_id == "hang" for batch in batches for user, _ in batch.users):
        await asyncio.sleep(1.2)  # records wait already
        time.sleep(1000)
    return await commit(self, batches, **options)
store.Store.commit = hang
__main__.main()
"""
LOST_WAKE_UP = """
import asyncio
from processor import __main__
from processor.store import store
commit = store.Store.commit
async def hang(self, batches, **options):
    if any(user.user_id == "hang" for batch in batches for user, _ in batch.users):
        await asyncio.get_running_loop().create_future()
    return await commit(self, batches, **options)
store.Store.commit = hang
__main__.main()
"""

Start = Callable[..., ProcessorProcess]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def start(tmp_path: Path, port: int) -> Iterator[Start]:
    started: list[ProcessorProcess] = []

    def start_one(
        kafka: KafkaSettings, url: str, script: str | None = None, **settings: str
    ) -> ProcessorProcess:
        own = {"PROCESSOR_ADMIN_PORT": str(port), "STALL_SECONDS": str(STALL_SECONDS)}
        environment = processor_environment(kafka, url, **{**own, **settings})
        log = tmp_path / f"{len(started)}.log"
        started.append(ProcessorProcess(environment, log, script=script))
        return started[-1]

    yield start_one
    for process in started:
        if process.exit_status is None:
            process.kill()


def readiness(port: int) -> str:
    """``ready``, why not, or nothing."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/readyz")
        answer = json.loads(connection.getresponse().read())
    except OSError:
        return ""
    finally:
        connection.close()
    return str(answer.get("reason", answer["status"]))


def beat(kafka: KafkaSettings, user: str) -> None:
    record = batch(Heartbeat(user=user, token=user))
    asyncio.run(produce(kafka, [(partition_of(user, kafka.partitions), record)]))


@pytest.mark.parametrize(
    ("script", "why", "where"),
    [
        (HANGING_LOOP, "the event loop has not run", "in hang"),
        (LOST_WAKE_UP, "records wait", "uvloop/__init__.py"),
    ],
)
def test_a_processor_that_is_stuck_says_where_and_ends(
    start: Start,
    kafka_settings: KafkaSettings,
    database_url: str,
    script: str,
    why: str,
    where: str,
) -> None:
    processor = start(kafka_settings, database_url, script)
    beat(kafka_settings, "ada")
    wait_for("it works", lambda: rows(database_url, "SELECT user_id FROM presence"))
    beat(kafka_settings, "hang")
    wait_for("it ends", lambda: processor.exit_status is not None)
    assert processor.exit_status == 70
    told = processor.log.read_text()
    assert f"stuck: {why}" in told
    assert "most recent call first" in told
    assert where in told
    # Another one, without the fault, goes on where it stood.
    start(kafka_settings, database_url)
    wait_for("it goes on", lambda: len(rows(database_url, "SELECT FROM presence")) == 2)


def test_it_is_ready_once_every_partition_is_loaded(
    start: Start, kafka_settings: KafkaSettings, database_url: str, port: int
) -> None:
    with psycopg.connect(database_url) as locker:
        locker.execute("LOCK TABLE presence IN ACCESS EXCLUSIVE MODE")
        start(kafka_settings, database_url)
        wait_for("it says so", lambda: readiness(port) == "partition 0 is not loaded yet")
        locker.rollback()
    # Nothing is written to any partition.
    wait_for("it is ready", lambda: readiness(port) == "ready")


def test_one_that_is_idle_or_waits_for_postgres_goes_on_and_says_what_it_lacks(
    start: Start, kafka_settings: KafkaSettings, database_url: str, port: int
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    parts = psycopg.conninfo.conninfo_to_dict(database_url)
    role = sql.Identifier(f"plain_{name}")
    # A connection limit holds for everyone but superusers.
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'plain'").format(role))
        connection.execute(sql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}").format(role))
    plain = f"postgresql://plain_{name}:plain@{parts['host']}:{parts['port']}/{name}"
    processor = start(kafka_settings, plain, READY_LAG_SECONDS="2")
    wait_for("it is ready, with nothing to do", lambda: readiness(port) == "ready")
    started = time.monotonic()

    def limit(connections: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(
                    sql.Identifier(str(name)), sql.Literal(connections)
                )
            )
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s",
                (f"plain_{name}",),
            )

    wait_for("a stall has passed", lambda: time.monotonic() > started + STALL_SECONDS + 1)
    assert processor.exit_status is None
    limit(0)
    beat(kafka_settings, "ada")
    wait_for("it is not ready", lambda: "too many connections" in readiness(port))
    started = time.monotonic()
    wait_for("a stall has passed", lambda: time.monotonic() > started + STALL_SECONDS + 3)
    assert processor.exit_status is None
    limit(-1)
    wait_for("it goes on", lambda: rows(database_url, "SELECT user_id FROM presence"))
    wait_for("it is ready again", lambda: readiness(port) == "ready")
    told = processor.log.read_text()
    assert told.count("PostgreSQL is away") == 1
    assert told.count("PostgreSQL is back") == 1
    assert "stuck" not in told
    assert processor.stop() == 0


def test_it_starts_before_its_database_tables_and_topics_and_says_once_what_it_waits_for(
    start: Start, kafka_bootstrap: str, postgres_url: str, port: int
) -> None:
    kafka = KafkaSettings(
        kafka_bootstrap=kafka_bootstrap,
        topic_prefix=f"late{uuid.uuid4().hex[:8]}.",
        partitions=2,
        replication_factor=1,
    )
    name = f"rollcall_late_{uuid.uuid4().hex[:8]}"
    processor = start(kafka, database_in(postgres_url, name))
    wait_for("it waits for the database", lambda: "does not exist" in readiness(port))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = database_in(postgres_url, name)
    wait_for("it waits for the tables", lambda: "rollcall migrate" in readiness(port))
    migrate(url)
    wait_for("it waits for the topics", lambda: "rollcall topics" in readiness(port))
    asyncio.run(create_topics(kafka))
    asyncio.run(produce(kafka, [(p, batch(Tick())) for p in range(2)]))
    wait_for("it works", lambda: stored_through(url) == {0: 1, 1: 1})
    wait_for("it is ready", lambda: readiness(port) == "ready")
    lines = map(json.loads, processor.log.read_text().splitlines())
    waits = [each["message"] for each in lines if each["message"].startswith("waiting until")]
    # A look between two migrations lacks another one than a look before them.
    assert len(set(waits)) == len(waits)
    for remedy in ("rollcall migrate", "rollcall topics"):
        assert any(remedy in each for each in waits)
    assert processor.stop() == 0
