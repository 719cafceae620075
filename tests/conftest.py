"""Kafka and PostgreSQL for the tests that need them: real ones, started once per run.

From, in this order: ``ROLLCALL_TEST_KAFKA`` / ``ROLLCALL_TEST_POSTGRES``; containers, if
``ROLLCALL_TEST_SERVERS`` is ``containers`` and their images can be had; else the embedded ones of
``rollcall up``. Each test gets topics of its own (a fresh prefix) and a database of its own, cloned
from a migrated template.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

import hypothesis
import hypothesis.internal.conjecture.providers as hypothesis_providers
import psycopg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError
from psycopg import sql
from psycopg.conninfo import make_conninfo

from schemas.database.migrate import migrate
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, kafka_admin, make_topics, topic_name, topic_specs
from tests.rigs.copies import copy_database
from tests.suite.servers import KAFKA, POSTGRES, ask, starters

pytest_plugins = ["tests.suite.plugin"]

# How long an example takes says something of the machine only. `make test-long` draws a thousand.
hypothesis.settings.register_profile(
    "rollcall",
    max_examples=int(os.environ.get("ROLLCALL_TEST_EXAMPLES") or 15),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("rollcall")
if not os.environ.get("ROLLCALL_TEST_EXAMPLES"):
    # Some draws are constants of our own code, for which each process of the run would read all of
    # it: more than a second of CPU. `make test-long` has them.
    hypothesis_providers._get_local_constants = lambda: hypothesis_providers._local_constants

#: Every service of the tests that hashes users has this key.
os.environ.setdefault("ROLLCALL_USER_HASH_KEY", "the key under which the tests hash users")
#: What a test waits for comes sooner than by default.
os.environ.setdefault("ROLLCALL_BATCH_WAIT_SECONDS", "0.1")

PARTITIONS = 4
DATABASES_KEPT = 25
#: URL of the server and name of databases that are to be dropped.
used_up: list[tuple[str, str]] = []


@contextmanager
def server(name: str, shared: Path | None) -> Iterator[str]:
    """The address of the run's Kafka or PostgreSQL; ``shared`` is where its processes ask."""
    if given := os.environ.get(f"ROLLCALL_TEST_{name.upper()}"):
        yield given
    elif shared is not None:
        yield ask(shared, name)
    else:
        with starters()[name]() as address:
            yield address


@pytest.fixture(scope="session")
def kafka_bootstrap(shared_servers: Path | None) -> Iterator[str]:
    """Bootstrap servers of the Kafka of this run."""
    with server(KAFKA, shared_servers) as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def postgres_url(shared_servers: Path | None) -> Iterator[str]:
    """URL of the maintenance database of the PostgreSQL of this run."""
    with server(POSTGRES, shared_servers) as url:
        yield url


@pytest.fixture(scope="session")
def template_database(postgres_url: str, testrun_uid: str) -> Iterator[str]:
    """Name of a migrated, empty database that tests clone, the same in all processes of a run.

    Whoever asks first makes it, under one lock, and whoever is done last drops it: until then each
    holds another one, which they share.
    """
    run = hashlib.sha256(testrun_uid.encode()).hexdigest()[:12]
    name = f"rollcall_template_{run}"
    making, using = (2 * int(run, 16) + n for n in (0, 1))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock_shared(%s)", (using,))
        connection.execute("SELECT pg_advisory_lock(%s)", (making,))
        known = connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
        if known.fetchone() is None:
            make_template(connection, postgres_url, name)
        connection.execute("SELECT pg_advisory_unlock(%s)", (making,))
        yield name
        drop_databases()
        connection.execute("SELECT pg_advisory_unlock_shared(%s)", (using,))
        last = connection.execute("SELECT pg_try_advisory_lock(%s)", (using,)).fetchone()
        if last == (True,):
            drop_database(connection, name)


def make_template(connection: psycopg.Connection, postgres_url: str, name: str) -> None:
    # By its name it is whole: a process may end before that.
    unfinished = f"{name}_unfinished"
    drop_database(connection, unfinished)
    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished)))
    migrate(database_in(postgres_url, unfinished))
    connection.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*map(sql.Identifier, (unfinished, name)))
    )


def drop_database(connection: psycopg.Connection, name: str) -> None:
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    connection.execute(drop.format(sql.Identifier(name)))


def database_in(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    head, _, tail = url.partition("://")
    authority, _, rest = tail.partition("/")
    query = "?" + rest.partition("?")[2] if "?" in rest else ""
    return f"{head}://{authority}/{name}{query}" if head else make_conninfo(url, dbname=name)


@contextmanager
def fresh_database(postgres_url: str, template_database: str) -> Iterator[str]:
    """URL of a migrated, empty database."""
    name = f"rollcall_{uuid.uuid4().hex[:12]}"
    copy_database(maintenance(postgres_url), template_database, name)
    yield database_in(postgres_url, name)
    used_up.append((postgres_url, name))
    if len(used_up) >= DATABASES_KEPT:
        drop_databases()


def drop_databases() -> None:
    """Those that tests have done with. Each drop is a checkpoint: many in a row cost a fifth."""
    while used_up:
        url, name = used_up.pop()
        drop_database(maintenance(url), name)


@cache
def maintenance(postgres_url: str) -> psycopg.Connection:
    """This process's connection to a server, for as long as it runs."""
    return psycopg.connect(postgres_url, autocommit=True)


@pytest.fixture
def database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """URL of a fresh migrated database."""
    with fresh_database(postgres_url, template_database) as url:
        yield url


def fresh_topics(kafka_bootstrap: str) -> KafkaSettings:
    """Settings of a deployment whose topics were just created under a prefix of their own.

    As `rollcall topics` creates them, but without asking for all that there are, which are a
    thousand here, and without a look at each.
    """
    settings = KafkaSettings(
        kafka_bootstrap=kafka_bootstrap,
        topic_prefix=f"t{uuid.uuid4().hex[:12]}.",
        partitions=PARTITIONS,
        replication_factor=1,
    )
    asyncio.run(make_all(settings))
    return settings


async def make_all(settings: KafkaSettings) -> None:
    specs = topic_specs(settings)
    async with kafka_admin(settings) as admin:
        await make_topics(admin, specs, settings.replication_factor)
        # A broker knows new topics a moment before it serves them.
        async with asyncio.timeout(60):
            while any(
                each["error_code"] for each in await admin.describe_topics([s.name for s in specs])
            ):
                await asyncio.sleep(0.02)
            while not await are_deleted(admin, settings, before_offset=0):
                await asyncio.sleep(0.02)


async def are_deleted(
    admin: AIOKafkaAdminClient, settings: KafkaSettings, before_offset: int
) -> bool:
    """``False`` from a broker that knows the topic and does not serve it: it is new, or the broker
    stood still and has yet to come back to itself."""
    try:
        await delete_records(admin, settings, before_offset)
    except KafkaError as error:
        if not error.retriable:
            raise
        return False
    return True


@pytest.fixture
def kafka_settings(kafka_bootstrap: str) -> KafkaSettings:
    """Those of a fresh deployment."""
    return fresh_topics(kafka_bootstrap)


@pytest.fixture(scope="session")
def reused_topics(kafka_bootstrap: str) -> KafkaSettings:
    """Those of :func:`emptied_topics`, of this process."""
    return fresh_topics(kafka_bootstrap)


@pytest.fixture
def emptied_topics(reused_topics: KafkaSettings) -> KafkaSettings:
    """A deployment for tests of ingest alone: its log begins where the last test's ended.

    New topics take a quarter of a second of CPU. Who counts offsets from 0 takes new ones.
    """
    asyncio.run(empty_log(reused_topics))
    return reused_topics


async def empty_log(settings: KafkaSettings) -> None:
    async with kafka_admin(settings) as admin, asyncio.timeout(60):
        while not await are_deleted(admin, settings, before_offset=-1):  # up to the end
            await asyncio.sleep(0.02)


async def delete_records(
    admin: AIOKafkaAdminClient, settings: KafkaSettings, before_offset: int
) -> None:
    topic, wanted = topic_name(settings, EVENTS), RecordsToDelete(before_offset=before_offset)
    # Else the client asks for all topics that there are: a thousand take 25 ms to read.
    admin._get_cluster_metadata = partial(admin._get_cluster_metadata, topics=[topic])
    await admin.delete_records(
        {TopicPartition(topic, n): wanted for n in range(settings.partitions)}
    )


@pytest.fixture
def topic_prefix(kafka_settings: KafkaSettings) -> str:
    """A fresh prefix whose topics exist."""
    return kafka_settings.topic_prefix


@pytest.fixture(params=["ordinary", "straight"])
def both_lanes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test twice: every call by aiohttp's handlers, and what is usual by the straight lane."""
    from tests.rigs.harness import Ways

    monkeypatch.setattr(Ways, "lane", request.param)
