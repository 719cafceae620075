"""What benches run: Kafka, PostgreSQL and our services, as processes of this machine."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.child import Child, RunningChild
from deploy.local.kafka import LocalKafka
from deploy.local.postgres import LocalPostgres
from schemas.database.migrate import migrate
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, create_topics, topic_name
from tests.rigs.rig import stored_through, wait_for

PARTITIONS = 4


@dataclass(frozen=True)
class Servers:
    kafka: RunningChild
    postgres: RunningChild
    kafka_settings: KafkaSettings
    database_url: str
    baseline_url: str


@contextmanager
def servers(
    directory: Path, *, quick_start: bool = False, partitions: int = PARTITIONS
) -> Iterator[Servers]:
    """Kafka and PostgreSQL on this machine: durable, and compiled for a long run unless they are
    to be there quickly."""
    kafka = LocalKafka(directory / "kafka", quick_start=quick_start)
    postgres = LocalPostgres(directory / "postgres")
    kafka.prepare()
    postgres.prepare()
    with ExitStack() as stack:
        running = []
        for child in (kafka.child(), postgres.child()):
            running.append(RunningChild(child))
            stack.callback(running[-1].stop)
        asyncio.run(kafka.wait_ready(120, running[0]))
        asyncio.run(postgres.wait_ready(120, running[1]))
        settings = KafkaSettings(
            kafka_bootstrap=kafka.bootstrap, partitions=partitions, replication_factor=1
        )
        asyncio.run(create_topics(settings))
        migrate(postgres.dsn)
        # Its own database: one service's table is not the other's vacuum.
        rows_outside_transaction(postgres.dsn, "CREATE DATABASE baseline")
        yield Servers(running[0], running[1], settings, postgres.dsn, postgres.dsn_of("baseline"))


def kafka_environment(settings: KafkaSettings) -> dict[str, str]:
    """What a service that is to find this Kafka is started with."""
    return {
        "ROLLCALL_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "ROLLCALL_PARTITIONS": str(settings.partitions),
        "ROLLCALL_REPLICATION_FACTOR": str(settings.replication_factor),
    }


def rows_outside_transaction(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


@contextmanager
def kafka(directory: Path, *, quick_start: bool) -> Iterator[tuple[RunningChild, dict[str, str]]]:
    """Kafka as `rollcall up` runs it, and the environment that leads to it."""
    local = LocalKafka(directory / "kafka", quick_start=quick_start)
    local.prepare()
    running = RunningChild(local.child())
    try:
        asyncio.run(local.wait_ready(120, running))
        settings = KafkaSettings(
            kafka_bootstrap=local.bootstrap, partitions=PARTITIONS, replication_factor=1
        )
        asyncio.run(create_topics(settings))
        yield running, kafka_environment(settings)
    finally:
        running.stop()


@contextmanager
def service(directory: Path, name: str, command: list[str], **environment: str) -> Iterator[int]:
    """A process under its guard; gives the guard's pid."""
    child = RunningChild(
        Child(name, [sys.executable, *command], directory / f"{name}.log", environment)
    )
    try:
        yield child.pid
    finally:
        child.stop()


async def log_ends(kafka: KafkaSettings) -> dict[int, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.kafka_bootstrap)
    await consumer.start()
    try:
        topic = topic_name(kafka, EVENTS)
        ends = await consumer.end_offsets(
            [TopicPartition(topic, p) for p in range(kafka.partitions)]
        )
        return {tp.partition: end for tp, end in ends.items()}
    finally:
        await consumer.stop()


def drained(servers: Servers) -> None:
    """Wait until everything that is in the log now is stored."""
    ends = asyncio.run(log_ends(servers.kafka_settings))
    wait_for(
        "the processor has stored the log",
        lambda: all(stored_through(servers.database_url).get(p, 0) >= e for p, e in ends.items()),
        seconds=300,
    )


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
