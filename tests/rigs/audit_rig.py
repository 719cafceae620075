"""A small deployment whose log is written at once, over hours of its own time, and was processed:
what the tests of the audit alter rows of."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from deploy.audit.run import Result, audit_log
from schemas.log.events import (
    Connect,
    Disconnect,
    Erase,
    Event,
    Heartbeat,
    Logout,
    OptIn,
    OptOut,
    Renew,
    Tick,
    encode_batch,
    partition_of,
)
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, create_topics, kafka_admin, topic_name
from schemas.service.user_hash import UserHash
from tests.conftest import fresh_database
from tests.rigs.privacy_rig import KEY
from tests.rigs.rig import ProcessorProcess, processor_environment, stored_through, wait_for

#: Late on a day of UTC, so that the log crosses a midnight.
START_MS = 1_780_268_000_000
STEP_MS = 1_000
PARTITIONS = 2
SCREENS = ["Home", "Cart", "Search", "Film", "(other)", "Unknown", "Unknown", None, "background"]
Records = list[tuple[int, int, bytes]]


@dataclass(frozen=True)
class Deployment:
    """A log, and the database that a processor has made of it."""

    kafka: KafkaSettings
    database: str  # its name
    postgres_url: str

    @contextmanager
    def copy(self) -> Iterator[str]:
        """URL of a copy of the database."""
        with fresh_database(self.postgres_url, self.database) as url:
            yield url

    def audit(self, url: str, state: Path, *, accept: bool = False) -> Result:
        state.mkdir(exist_ok=True)
        hash_of = UserHash(KEY)
        return asyncio.run(audit_log(self.kafka, url, state, 100, hash_of, accept=accept))


def create_time_topics(kafka_bootstrap: str) -> KafkaSettings:
    settings = KafkaSettings(
        kafka_bootstrap=kafka_bootstrap,
        topic_prefix=f"t{uuid.uuid4().hex[:12]}.",
        partitions=PARTITIONS,
        replication_factor=1,
        allow_create_time=True,
    )
    asyncio.run(create_topics(settings))
    return settings


class Writer:
    """Makes up records, a second of log time apart, of users who come and go."""

    def __init__(self, seed: int, start_ms: int = START_MS) -> None:
        self.now = start_ms
        self._random = random.Random(seed)
        self._opened: dict[str, list[str]] = {}

    def records(self, seconds: int, users: range) -> Records:
        """Ticks where nobody speaks."""
        written: Records = []
        active: list[str] = []
        for second in range(seconds):
            if second % 400 == 0:
                active = self._random.sample([f"user-{n:02d}" for n in users], len(users) // 2)
            self.now += STEP_MS
            by_partition: dict[int, list[Event]] = {p: [] for p in range(PARTITIONS)}
            if self._random.random() < 0.3:
                event = self._event(self._random.choice(active))
                by_partition[partition_of(event.user, PARTITIONS)].append(event)
            if second % 5 == 0:
                written += [
                    (partition, self.now, encode_batch(events or [Tick()]))
                    for partition, events in by_partition.items()
                ]
            else:
                written += [
                    (partition, self.now, encode_batch(events))
                    for partition, events in by_partition.items()
                    if events
                ]
        return written

    def of(self, *events: Event) -> Records:
        """One event a record, each in its user's partition."""
        self.now += STEP_MS
        return [
            (partition_of(event.user, PARTITIONS), self.now, encode_batch([event]))
            for event in events
            if not isinstance(event, Tick)
        ]

    def _event(self, user: str) -> Heartbeat | Logout | Renew | Disconnect:
        device = self._random.choice(["phone", "phone", "phone", "tablet", None])
        token = f"{user}/{device}"
        opened = self._opened.setdefault(f"{user}/{device}", [])
        kind = self._random.random()
        if kind < 0.05:
            return Logout(user=user, token=token, device_id=device)
        if kind < 0.12:
            opened.append(f"c{self.now}")
            screen = self._random.choice(SCREENS)
            return Connect(
                user=user, token=token, device_id=device, connection=opened[-1], screen=screen
            )
        if kind < 0.2 and opened:
            connection = self._random.choice(opened)
            return Renew(user=user, token=token, device_id=device, connection=connection)
        if kind < 0.3 and opened:
            connection = opened.pop(self._random.randrange(len(opened)))
            return Disconnect(user=user, connection=connection, silent_ms=400)
        return Heartbeat(
            user=user,
            token=token,
            device_id=device,
            name=self._random.choice([None, None, "Ann", "Bob"]),
            platform=self._random.choice([None, "ios", "android"]),
            app_version=self._random.choice([None, "1.9", "1.10"]),
            device_info=self._random.choice([None, "App", "Pixel 9"]) if device else "App",
            screen=self._random.choice(SCREENS),
        )


def story(writer: Writer) -> Records:
    """All that the audit has to know: sessions of all kinds, an outage, a step back of the clock,
    an opt-out, an opt-in, erasures; and at its end so long an outage that the day is over for
    rollups."""
    users = range(40)
    written = writer.records(2_400, users)
    written += writer.of(
        OptOut(user="user-01", request="out-1"),
        OptOut(user="user-02", request="out-2"),
        Erase(user="user-03", request="erase-3"),
        Erase(user="user-04", request="erase-4", before_ms=writer.now - 1_200_000),
        Erase(user="nobody", request="erase-nobody"),
    )
    written += writer.records(600, users)
    written += writer.of(OptIn(user="user-02", request="in-2"))
    writer.now += 120_000
    written += writer.records(900, users)
    writer.now -= 60_000
    written += writer.records(900, users)
    writer.now += 3 * 3_600_000
    return written + writer.records(60, users)


async def append(kafka: KafkaSettings, records: Records) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.kafka_bootstrap, linger_ms=20)
    await producer.start()
    try:
        topic = topic_name(kafka, EVENTS)
        sent = [
            await producer.send(topic, value, partition=partition, timestamp_ms=at)
            for partition, at, value in records
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def process(
    kafka: KafkaSettings, url: str, log: Path, ends: dict[int, int], **overrides: str
) -> None:
    """Run a processor until it has read as many records of each partition."""
    environment = processor_environment(
        kafka,
        url,
        USER_HASH_KEY=KEY,
        EVENT_VERSION="2",
        ALLOW_CREATE_TIME="true",
        **overrides,
    )
    processor = ProcessorProcess(environment, log)
    try:
        wait_for("the log is stored", lambda: stored_through(url) == ends)
        # So that the next one need not wait for its session to end.
        processor.stop()
    finally:
        processor.kill()


def ends_of(*parts: Records) -> dict[int, int]:
    return {
        number: sum(partition == number for records in parts for partition, _, _ in records)
        for number in range(PARTITIONS)
    }


async def delete_before(kafka: KafkaSettings, offset: int) -> None:
    """As retention does."""
    topic = topic_name(kafka, EVENTS)
    async with kafka_admin(kafka) as admin:
        await admin.delete_records(
            {TopicPartition(topic, p): RecordsToDelete(offset) for p in range(PARTITIONS)}
        )
