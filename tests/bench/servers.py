"""What benches run: Kafka, PostgreSQL and our services, as processes of this machine."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.request import urlopen

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.child import Child, RunningChild
from deploy.local.kafka import LocalKafka
from deploy.local.postgres import LocalPostgres
from schemas.database.migrate import migrate
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, create_topics, topic_name
from tests.ending import end_by_sigterm
from tests.rigs.rig import stored_through, wait_for
from tests.suite.forks import VARIABLE as FORKS
from tests.suite.forks import run_python, start_python

PARTITIONS = 4
#: Where there are servers already, for benches whose figures say nothing: `tests.bench.together`.
SHARED: Final = "ROLLCALL_BENCH_SERVERS"
START_SECONDS: Final = 120
STOP_SECONDS: Final = 10
#: Of a load: beyond it, it hangs.
LONGEST_SECONDS: Final = 3600


@dataclass(frozen=True)
class Shared:
    """Kafka and PostgreSQL of several benches; the address of a database ends in its name."""

    bootstrap: str
    kafka_pid: int
    kafka_storage: str
    databases: str
    postgres_pid: int

    def told(self) -> dict[str, str]:
        """The environment of those benches, and of tests beside them."""
        return {
            SHARED: json.dumps(asdict(self)),
            "ROLLCALL_TEST_KAFKA": self.bootstrap,
            "ROLLCALL_TEST_POSTGRES": self.databases + "postgres",
        }


def shared(*, quick_start: bool) -> Shared | None:
    """Those that are there, for whoever wants them to be there quickly."""
    told = os.environ.get(SHARED) if quick_start else None
    return Shared(**json.loads(told)) if told else None


@dataclass(frozen=True)
class Servers:
    """The pids are those of guards."""

    kafka_pid: int
    kafka_storage: Path
    postgres_pid: int
    kafka_settings: KafkaSettings
    database_url: str
    baseline_url: str


@contextmanager
def servers(
    directory: Path, *, quick_start: bool = False, partitions: int = PARTITIONS
) -> Iterator[Servers]:
    """Kafka and PostgreSQL on this machine: durable, and compiled for a long run unless they are
    to be there quickly. Where there are some already it has topics and databases of its own."""
    end_by_sigterm()
    with ExitStack() as stack:
        there = shared(quick_start=quick_start) or stack.enter_context(
            own_servers(directory, quick_start=quick_start)
        )
        settings = topics_of_its_own(there.bootstrap, partitions)
        # The other one's is its own: one service's table is not the other's vacuum.
        names = [f"{name}_{uuid.uuid4().hex[:12]}" for name in ("bench", "baseline")]
        for name in names:
            rows_outside_transaction(there.databases + "postgres", f"CREATE DATABASE {name}")
        url, baseline_url = (there.databases + name for name in names)
        migrate(url)
        storage = Path(there.kafka_storage)
        yield Servers(there.kafka_pid, storage, there.postgres_pid, settings, url, baseline_url)


@contextmanager
def own_servers(directory: Path, *, quick_start: bool) -> Iterator[Shared]:
    kafka = LocalKafka(directory / "kafka", quick_start=quick_start)
    postgres = LocalPostgres(directory / "postgres")
    kafka.prepare()
    postgres.prepare()
    with ExitStack() as stack:
        running = []
        for child in (kafka.child(), postgres.child()):
            running.append(RunningChild(child))
            stack.callback(running[-1].stop)
        asyncio.run(kafka.wait_ready(START_SECONDS, running[0]))
        asyncio.run(postgres.wait_ready(START_SECONDS, running[1]))
        yield Shared(
            kafka.bootstrap,
            running[0].pid,
            str(directory / "kafka/storage"),
            postgres.dsn_of(""),
            running[1].pid,
        )


def topics_of_its_own(bootstrap: str, partitions: int) -> KafkaSettings:
    settings = KafkaSettings(
        kafka_bootstrap=bootstrap,
        topic_prefix=f"bench{uuid.uuid4().hex[:12]}.",
        partitions=partitions,
        replication_factor=1,
    )
    asyncio.run(create_topics(settings))
    return settings


def kafka_environment(settings: KafkaSettings) -> dict[str, str]:
    """What a service that is to find this Kafka is started with."""
    return {
        "ROLLCALL_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "ROLLCALL_TOPIC_PREFIX": settings.topic_prefix,
        "ROLLCALL_PARTITIONS": str(settings.partitions),
        "ROLLCALL_REPLICATION_FACTOR": str(settings.replication_factor),
    }


def rows_outside_transaction(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


@contextmanager
def kafka(directory: Path, *, quick_start: bool) -> Iterator[tuple[int, KafkaSettings]]:
    """Kafka as `rollcall up` runs it: the pid of its guard, and topics that were just made."""
    if there := shared(quick_start=quick_start):
        yield there.kafka_pid, topics_of_its_own(there.bootstrap, PARTITIONS)
        return
    local = LocalKafka(directory / "kafka", quick_start=quick_start)
    local.prepare()
    running = RunningChild(local.child())
    try:
        asyncio.run(local.wait_ready(START_SECONDS, running))
        yield running.pid, topics_of_its_own(local.bootstrap, PARTITIONS)
    finally:
        running.stop()


@contextmanager
def service(directory: Path, name: str, command: list[str], **environment: str) -> Iterator[int]:
    """A process under its guard; gives the guard's pid. Where there are forks of what is imported
    already it is one; not with packages of its own."""
    if FORKS in os.environ and "PYTHONPATH" not in environment:
        with forked(directory / f"{name}.log", command, environment) as pid:
            yield pid
        return
    child = RunningChild(
        Child(name, [sys.executable, *command], directory / f"{name}.log", environment)
    )
    try:
        yield child.pid
    finally:
        child.stop()


@contextmanager
def forked(log: Path, command: list[str], environment: dict[str, str]) -> Iterator[int]:
    with log.open("ab") as output:
        process = start_python(
            command, env={**os.environ, **environment}, stdout=output, stderr=output
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def python_says(module: str, arguments: list[object]) -> str:
    """What `python -m MODULE ARGUMENTS` prints, once it has ended well."""
    command = ["-m", module, *map(str, arguments)]
    done = run_python(command, env=os.environ, timeout=LONGEST_SECONDS)
    if done.returncode:
        raise SystemExit(f"{module} ended with status {done.returncode}: {done.stderr}")
    return done.stdout


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
