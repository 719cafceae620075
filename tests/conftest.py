"""Kafka and PostgreSQL for the tests that need them: real ones, started once per run.

From, in this order: ``ROLLCALL_TEST_KAFKA`` / ``ROLLCALL_TEST_POSTGRES``, testcontainers where a
Docker engine answers, else the embedded ones of ``rollcall up``. Each test gets topics of its own
(a fresh prefix) and a database of its own, cloned from a migrated template.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import docker
import hypothesis
import psycopg
import pytest
from docker.errors import DockerException
from psycopg import sql
from psycopg.conninfo import make_conninfo
from testcontainers.community.kafka import KafkaContainer
from testcontainers.community.postgres import PostgresContainer

from deploy.local.child import RunningChild
from deploy.local.kafka import LocalKafka
from deploy.local.postgres import LocalPostgres
from schemas.migrate import migrate
from schemas.settings import KafkaSettings
from schemas.topics import create_topics

# How long an example takes says something of the machine only.
hypothesis.settings.register_profile(
    "rollcall", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("rollcall")

PARTITIONS = 4
READY_SECONDS = 120.0


@cache
def docker_answers() -> bool:
    try:
        docker.from_env(timeout=2).ping()
    except DockerException:
        return False
    return True


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a Kafka for this run."""
    given = os.environ.get("ROLLCALL_TEST_KAFKA")
    if given:
        yield given
        return
    with ExitStack() as stack:
        if docker_answers():
            container = stack.enter_context(KafkaContainer().with_kraft())
            yield container.get_bootstrap_server()
            return
        kafka = LocalKafka(tmp_path_factory.mktemp("kafka"))
        kafka.prepare()
        child = RunningChild(kafka.child())
        stack.callback(child.stop)
        asyncio.run(kafka.wait_ready(READY_SECONDS, child))
        yield kafka.bootstrap


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of the maintenance database of a PostgreSQL for this run."""
    given = os.environ.get("ROLLCALL_TEST_POSTGRES")
    if given:
        yield given
        return
    with ExitStack() as stack:
        if docker_answers():
            container = stack.enter_context(PostgresContainer("postgres:18", driver=None))
            yield container.get_connection_url()
            return
        # Not below pytest's directory: another run that starts closes that to PostgreSQL's user.
        directory = stack.enter_context(TemporaryDirectory(prefix="rollcall-test-"))
        postgres = LocalPostgres(Path(directory), durable=False)
        postgres.prepare()
        child = RunningChild(postgres.child())
        stack.callback(child.stop)
        asyncio.run(postgres.wait_ready(READY_SECONDS, child))
        yield postgres.dsn


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> Iterator[str]:
    """Name of a migrated, empty database that tests clone."""
    name = f"rollcall_template_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        migrate(database_in(postgres_url, name))
        yield name
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


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
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template_database)
            )
        )
    yield database_in(postgres_url, name)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """URL of a fresh migrated database."""
    with fresh_database(postgres_url, template_database) as url:
        yield url


def fresh_topics(kafka_bootstrap: str) -> KafkaSettings:
    """Settings of a deployment whose topics were just created under a prefix of their own."""
    settings = KafkaSettings(
        kafka_bootstrap=kafka_bootstrap,
        topic_prefix=f"t{uuid.uuid4().hex[:12]}.",
        partitions=PARTITIONS,
        replication_factor=1,
    )
    asyncio.run(create_topics(settings))
    return settings


@pytest.fixture
def kafka_settings(kafka_bootstrap: str) -> KafkaSettings:
    """Those of a fresh deployment."""
    return fresh_topics(kafka_bootstrap)


@pytest.fixture
def topic_prefix(kafka_settings: KafkaSettings) -> str:
    """A fresh prefix whose topics exist."""
    return kafka_settings.topic_prefix
