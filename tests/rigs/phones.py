"""A load of phones of all kinds that come and go, straight into ``presence.events``."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
from typing import Any

from aiokafka import AIOKafkaProducer

from schemas.log.events import (
    Connect,
    Disconnect,
    Event,
    Heartbeat,
    Logout,
    Renew,
    Tick,
    encode_batch,
    partition_of,
)
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, topic_name

USERS = [f"user-{n:02d}" for n in range(48)]
ACTIVE_AT_ONCE = 16
SCREENS = ["Home", "Cart", "Search", "Film", "(other)", "Unknown", "Unknown", "background", None]


class Phones:
    """A thread that writes what random phones do until it is stopped; while it is paused, nothing.
    A few users are active at a time, so that the others fall silent."""

    def __init__(self, kafka: KafkaSettings, seconds_between_records: float) -> None:
        self._kafka = kafka
        self._seconds_between_records = seconds_between_records
        self.partitions = kafka.partitions
        self._random = random.Random(20261125)
        self._connections: dict[tuple[str, str], list[str]] = {}
        self._names = itertools.count()
        self._active: list[str] = []
        self._stop, self._pause = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def pause(self) -> None:
        """Soon the log stands still; its partitions end with ticks of almost the same time."""
        self._pause.set()

    def resume(self) -> None:
        self._pause.clear()

    def _events(self, partition: int) -> list[Event]:
        users = [u for u in self._active if partition_of(u, self.partitions) == partition]
        count = self._random.randrange(4)
        return [self._event(self._random.choice(users)) for _ in range(count if users else 0)]

    def _event(self, user: str) -> Event:
        device = self._random.choice(["phone", "phone", "tablet", "tv"])
        token = f"{user}/{device}"
        opened = self._connections.setdefault((user, device), [])
        known: Any = {"user": user, "token": token, "device_id": device}
        kind = self._random.random()
        if kind < 0.05:
            return Logout(**known)
        if kind < 0.15:
            opened.append(f"c{next(self._names)}")
            screen = self._random.choice(SCREENS)
            return Connect(**known, connection=opened[-1], screen=screen)
        if kind < 0.25 and opened:
            return Renew(**known, connection=self._random.choice(opened))
        if kind < 0.35 and opened:
            return Disconnect(
                user=user,
                connection=opened.pop(self._random.randrange(len(opened))),
                by_server=self._random.random() < 0.2,
                silent_ms=self._random.choice([0, 0, 400, 5_000]),
            )
        return Heartbeat(
            **known,
            name=self._random.choice([None, "Ann", "Bob"]),
            platform=self._random.choice([None, "ios", "android"]),
            app_version=self._random.choice([None, "1.9", "1.10"]),
            device_info=self._random.choice([None, "Pixel 9"]),
            screen=self._random.choice(SCREENS),
            connection=opened[-1] if opened and self._random.random() < 0.3 else None,
        )

    async def _run(self) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._kafka.kafka_bootstrap, acks="all", enable_idempotence=True
        )
        await producer.start()
        topic = topic_name(self._kafka, EVENTS)

        async def write(partition: int, *events: Event) -> None:
            await producer.send_and_wait(topic, encode_batch(events), partition=partition)

        async def tick_everywhere() -> None:
            await asyncio.gather(*(write(p, Tick()) for p in range(self.partitions)))

        async def pause() -> None:
            await tick_everywhere()
            while self._pause.is_set() and not self._stop.is_set():
                await asyncio.sleep(self._seconds_between_records)

        try:
            for turn in itertools.count():
                if self._stop.is_set():
                    # So that answers are complete up to later than whatever was seen.
                    await tick_everywhere()
                    return
                if self._pause.is_set():
                    await pause()
                if turn % 100 == 0:
                    self._active = self._random.sample(USERS, ACTIVE_AT_ONCE)
                partition = turn % self.partitions
                await write(partition, *(self._events(partition) or [Tick()]))
                await asyncio.sleep(self._seconds_between_records)
        finally:
            await producer.stop()
