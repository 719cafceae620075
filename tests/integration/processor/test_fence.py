"""Two processors, one frozen past its session time-out and resumed, one killed: exactly once.

What is in the tables afterwards is compared with a recount of the topic by the few lines below,
which share nothing with the processor: one-device users, long timing, a new token a session.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from schemas.log.events import Heartbeat, Logout, encode_batch, partition_of
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, topic_name
from tests.rigs.rig import (
    ProcessorProcess,
    processor_environment,
    published_changes,
    read_all,
    rows,
    stored_through,
    wait_for,
)

EVENTS_PER_RECORD = 20
#: Between two records: writing as fast as it goes, a busy machine's processors never catch up.
PAUSE_SECONDS = 0.015
USERS = 400
SCREENS = ["Home", "Cart", "Search", "Unknown", "background", None]


class Traffic:
    """A thread that writes heartbeats and logouts of random users until it is stopped."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._random = random.Random(20261124)
        self._sessions: dict[str, int] = defaultdict(int)
        self._by_partition: dict[int, list[str]] = defaultdict(list)
        for n in range(USERS):
            user = f"user-{n:04d}"
            self._by_partition[partition_of(user, kafka.partitions)].append(user)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _event(self, partition: int) -> Heartbeat | Logout:
        user = self._random.choice(self._by_partition[partition])
        token = f"{user}/{self._sessions[user]}"
        if self._random.random() < 0.03:
            self._sessions[user] += 1
            return Logout(user=user, token=token, device_id="phone")
        return Heartbeat(
            user=user, token=token, device_id="phone", screen=self._random.choice(SCREENS)
        )

    async def _run(self) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._kafka.kafka_bootstrap, acks="all", enable_idempotence=True
        )
        await producer.start()
        topic = topic_name(self._kafka, EVENTS)
        try:
            for turn in itertools.count():
                if self._stop.is_set():
                    return
                partition = turn % self._kafka.partitions
                events = [self._event(partition) for _ in range(EVENTS_PER_RECORD)]
                await producer.send_and_wait(topic, encode_batch(events), partition=partition)
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            await producer.stop()


@dataclass
class Recount:
    """Presence of one-device users, counted by hand."""

    state: str = "offline"
    screen: str | None = None
    last_active: int | None = None
    changed: int = 0
    changes: list[tuple[str, str | None, str]] = field(default_factory=list)

    def beat(self, screen: str | None, now: int) -> None:
        self.last_active = now
        if screen == "background":
            if self.state != "background":
                reason = "backgrounded" if self.state == "foreground" else "started"
                self._change("background", self.screen, reason, now)
            return
        named = self.screen if screen in (None, "Unknown") else screen
        if self.state != "foreground":
            reason = "resumed" if self.state == "background" else "started"
            self._change("foreground", named, reason, now)
        elif named != self.screen:
            self._change("foreground", named, "navigated", now)

    def logout(self, now: int) -> None:
        if self.state != "offline":
            self._change("offline", None, "logged_out", now)

    def _change(self, state: str, screen: str | None, reason: str, now: int) -> None:
        self.state, self.screen, self.changed = state, screen, now
        self.changes.append((state, screen, reason))


def recount(kafka: KafkaSettings) -> dict[str, Recount]:
    """Read the whole topic and count."""
    users: dict[str, Recount] = defaultdict(Recount)
    clock: dict[int, int] = defaultdict(int)
    for record in asyncio.run(read_all(kafka, EVENTS)):
        now = clock[record.partition] = max(clock[record.partition], record.timestamp)
        _, events = msgspec.msgpack.decode(record.value)
        for kind, user, *rest in events:
            if kind == "logout":
                users[user].logout(now)
            else:
                users[user].beat(rest[7], now)
    return users


@pytest.fixture
def processors(kafka_settings: KafkaSettings, database_url: str, tmp_path: Path) -> Iterator[Any]:
    environment = processor_environment(kafka_settings, database_url, LOGOUT_FENCE_SECONDS="0")
    started: list[ProcessorProcess] = []

    def start() -> ProcessorProcess:
        log = tmp_path / f"processor-{len(started)}.log"
        started.append(ProcessorProcess(environment, log))
        return started[-1]

    yield start
    for process in started:
        if process.exit_status is None:
            process.kill()


def total_stored(database_url: str) -> int:
    return sum(stored_through(database_url).values())


def test_a_zombie_and_a_kill_change_nothing(
    processors: Any, kafka_settings: KafkaSettings, database_url: str
) -> None:
    traffic = Traffic(kafka_settings)
    try:
        first, second = processors(), processors()
        wait_for("the first batches are stored", lambda: total_stored(database_url) > 80)

        first.send(signal.SIGSTOP)
        frozen_at = stored_through(database_url)
        wait_for(
            "the other one has taken every partition over",
            lambda: all(
                offset > frozen_at[p] + 20 for p, offset in stored_through(database_url).items()
            ),
        )
        first.send(signal.SIGCONT)
        resumed_at = total_stored(database_url)
        wait_for("work goes on", lambda: total_stored(database_url) > resumed_at + 80)

        second.kill()
        killed_at = stored_through(database_url)
        third = processors()
        wait_for(
            "its partitions are taken over",
            lambda: all(
                offset > killed_at[p] + 20 for p, offset in stored_through(database_url).items()
            ),
        )
    finally:
        traffic.stop()

    records = asyncio.run(read_all(kafka_settings, EVENTS))
    ends = {record.partition: record.offset + 1 for record in records}
    wait_for("the log is stored", lambda: stored_through(database_url) == ends)
    for process in (first, third):
        if process.exit_status is None:
            assert process.stop() == 0

    expected = recount(kafka_settings)
    stored = rows(
        database_url,
        "SELECT user_id, state::text, screen, to_ms(changed_at), to_ms(last_active) "
        "FROM current_presence",
    )
    assert {row[0]: row[1:] for row in stored} == {
        user: (c.state, c.screen, c.changed, c.last_active) for user, c in expected.items()
    }
    counts = rows(database_url, "SELECT sum(foreground), sum(background) FROM stream_offsets")
    assert counts == [
        tuple(
            sum(c.state == state for c in expected.values())
            for state in ("foreground", "background")
        )
    ]
    by_screen: Counter[str] = Counter()
    for user in expected.values():
        if user.state == "foreground":
            by_screen[user.screen or "(none)"] += 1
    query = "SELECT screen, sum(foreground) FROM live_screens GROUP BY screen"
    assert dict(rows(database_url, query)) == by_screen
    uncounted = (
        'SELECT "partition" FROM stream_offsets '
        "WHERE live_screens_offset IS DISTINCT FROM next_offset"
    )
    assert rows(database_url, uncounted) == []
    corrected = "are written anew"
    assert not any(corrected in process.log.read_text() for process in (first, second, third))
    changes = rows(
        database_url,
        'SELECT "partition", log_offset, event_index, ordinal, user_id, state::text, screen, '
        'reason::text FROM changes ORDER BY "partition", log_offset, event_index, ordinal',
    )
    by_user: dict[str, list[Any]] = defaultdict(list)
    for row in changes:
        by_user[row[4]].append(row[5:])
    assert by_user == {user: c.changes for user, c in expected.items() if c.changes}

    published = [change["id"] for change in published_changes(kafka_settings)]
    first_seen = list(dict.fromkeys(published))
    assert first_seen == [":".join(map(str, row[:4])) for row in changes]
