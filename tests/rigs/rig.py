"""What the integration tests of the processor share: real processes, a producer, a recount."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.log.events import Event, encode_batch
from schemas.log.settings import KafkaSettings
from schemas.log.topics import CHANGES, EVENTS, SIGN_OUTS, topic_name
from tests.rigs.looks import LOOKS
from tests.suite.forks import start_python
from tests.waiting import pause

T = TypeVar("T")

#: Generous: a deadline tells a hang from a slow machine, nothing else.
DEADLINE_SECONDS = 120.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(what: str, condition: Callable[[], T | None], seconds: float = DEADLINE_SECONDS) -> T:
    """The first truthy value of ``condition``; fails with ``what`` after ``seconds``."""
    started = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > started + seconds:
            raise AssertionError(f"not within {seconds:g} s: {what} (last: {value!r})")
        time.sleep(pause(started))


class ProcessorProcess:
    """``python -m processor`` as a process of its own; ``script`` runs something else in its place,
    from its source."""

    def __init__(
        self, environment: dict[str, str], log: Path, *, script: str | None = None
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = start_python(
                ["-P", *(("-m", "processor") if script is None else ("-c", script))],
                cwd=log.parent,
                env={**os.environ, "ROLLCALL_PROCESSOR_ADMIN_PORT": "0", **environment},
                stdout=output,
                stderr=output,
            )

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    @property
    def exit_status(self) -> int | None:
        return self._process.poll()

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.send(signal.SIGTERM)
        return self._process.wait(DEADLINE_SECONDS)

    def kill(self) -> None:
        self.send(signal.SIGCONT)
        self._process.kill()
        self._process.wait()


def processor_environment(
    kafka: KafkaSettings, database_url: str, **overrides: str
) -> dict[str, str]:
    """Environment of a processor with short windows; ``overrides`` are ROLLCALL_ settings. Of one
    that is killed or stands still its partitions are another's after three seconds."""
    settings = {
        "KAFKA_BOOTSTRAP": kafka.kafka_bootstrap,
        "TOPIC_PREFIX": kafka.topic_prefix,
        "PARTITIONS": str(kafka.partitions),
        "DATABASE_URL": database_url,
        "ALLOW_SHORT_TIMING": "true",
        "SESSION_TIMEOUT_SECONDS": "3",
        **overrides,
    }
    return {f"ROLLCALL_{name}": value for name, value in settings.items()}


async def produce(kafka: KafkaSettings, records: Sequence[tuple[int, bytes | None]]) -> None:
    """Append records (partition, value) to ``presence.events``, in order."""
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.kafka_bootstrap,
        acks="all",
        enable_idempotence=True,
        max_batch_size=1 << 20,
    )
    await producer.start()
    try:
        topic = topic_name(kafka, EVENTS)
        sent = [
            # aiokafka wants a key where there is no value.
            await producer.send(topic, value, key=None if value else b"", partition=p)
            for p, value in records
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def batch(*events: Event) -> bytes:
    return encode_batch(events)


async def read_all(kafka: KafkaSettings, topic: str) -> list[Any]:
    """Every record that a topic holds now, by partition and offset."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.kafka_bootstrap)
    await consumer.start()
    try:
        name = topic_name(kafka, topic)
        partitions = [TopicPartition(name, p) for p in range(kafka.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[Any] = []
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found.extend(records)
    finally:
        await consumer.stop()
    return sorted(found, key=lambda record: (record.partition, record.offset))


def published_changes(kafka: KafkaSettings) -> list[dict[str, Any]]:
    """The records of ``presence.changes``."""
    records = asyncio.run(read_all(kafka, CHANGES))
    return [msgspec.json.decode(record.value) for record in records]


def published_sign_outs(kafka: KafkaSettings) -> list[tuple[bytes, bytes]]:
    """Keys and values of ``presence.sign_outs``."""
    return [(r.key, r.value) for r in asyncio.run(read_all(kafka, SIGN_OUTS))]


class _Kept(threading.local):
    """The last connection of a thread: a new one costs PostgreSQL and us ten times what a look at a
    table does, and whoever waits looks again and again."""

    url = ""
    connection: psycopg.Connection[Any] | None = None

    def to(self, url: str) -> psycopg.Connection[Any]:
        if self.connection is not None:
            if self.url == url and not self.connection.closed:
                return self.connection
            self.connection.close()
        # Not prepared: a test may change the tables between two looks.
        self.connection = psycopg.connect(
            url, autocommit=True, prepare_threshold=None, application_name=LOOKS
        )
        self.url = url
        return self.connection


_kept = _Kept()


def rows(database_url: str, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    is_kept = _kept.url == database_url
    try:
        return _kept.to(database_url).execute(query.encode(), parameters).fetchall()
    except psycopg.OperationalError:
        if not (is_kept and _kept.connection is not None and _kept.connection.closed):
            raise
    # It was of a server that has ended since.
    return _kept.to(database_url).execute(query.encode(), parameters).fetchall()


def stored_through(database_url: str) -> dict[int, int]:
    """``next_offset`` by partition."""
    return dict(rows(database_url, 'SELECT "partition", next_offset FROM stream_offsets'))
