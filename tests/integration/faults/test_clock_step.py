"""The broker's clock was an hour ahead for half a minute, and was put right: what every table and
the API say while log time passes that hour again, and after it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from aiokafka import AIOKafkaProducer

from api.periods.instants import rfc3339
from schemas.log.events import Event, Heartbeat, Tick, partition_of
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, create_topics, topic_name
from tests.rigs.api_harness import Api, api_settings, running_api, wait_until
from tests.rigs.rig import (
    ProcessorProcess,
    batch,
    processor_environment,
    rows,
    wait_for,
)

ANN = partition_of("ann", 4)
BOB = next(name for n in range(99) if partition_of(name := f"bob-{n}", 4) == ANN)
HOUR = 3_600
#: The clock is put right here: as many seconds later log time has caught up with ours.
RIGHT, NOW = 90, 2_000


class Log:
    """A log whose writer says its times, in seconds from ``start_ms`` on."""

    def __init__(self, kafka: KafkaSettings, start_ms: int) -> None:
        self._topic = topic_name(kafka, EVENTS)
        self._bootstrap = kafka.kafka_bootstrap
        self.start_ms = start_ms
        self.ends = dict.fromkeys(range(4), 0)

    def at(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(self.start_ms / 1000 + seconds, UTC)

    async def write(self, seconds: Sequence[int], events: dict[int, list[Event]]) -> None:
        """At each of these seconds a record of each partition; those of ann's have ``events``."""
        producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, acks="all")
        await producer.start()
        try:
            for second in seconds:
                for partition in self.ends:
                    said = events.get(second, []) if partition == ANN else []
                    await producer.send(
                        self._topic,
                        batch(*(said or [Tick()])),
                        partition=partition,
                        timestamp_ms=self.start_ms + 1000 * second,
                    )
                    self.ends[partition] += 1
        finally:
            await producer.stop()


def beats(user: str, seconds: Sequence[int], screen: str) -> dict[int, list[Event]]:
    return {s: [Heartbeat(user=user, token="t", device_id="d", screen=screen)] for s in seconds}


def all_of(*parts: dict[int, list[Event]]) -> dict[int, list[Event]]:
    found: dict[int, list[Event]] = {}
    for part in parts:
        for second, events in part.items():
            found.setdefault(second, []).extend(events)
    return found


async def test_a_clock_that_steps_back(
    kafka_bootstrap: str, database_url: str, tmp_path: Path
) -> None:
    kafka = KafkaSettings(
        kafka_bootstrap=kafka_bootstrap,
        topic_prefix=f"t{uuid.uuid4().hex[:12]}.",
        partitions=4,
        replication_factor=1,
        allow_create_time=True,
    )
    await create_topics(kafka)
    start_ms = (int(time.time()) - NOW) // 60 * 60_000
    log = Log(kafka, start_ms)
    environment = processor_environment(kafka, database_url, ALLOW_CREATE_TIME="1")
    processor = ProcessorProcess(environment, tmp_path / "log")

    async def stored() -> None:
        query = 'SELECT "partition", next_offset FROM stream_offsets'
        await asyncio.to_thread(
            wait_for, "all is stored", lambda: dict(rows(database_url, query)) == log.ends
        )

    try:
        await log.write(range(0, 61, 10), beats("ann", [0], "Home"))
        ahead = range(HOUR + 60, HOUR + RIGHT + 1, 10)
        both = all_of(beats("ann", [HOUR + 70], "Cart"), beats(BOB, [HOUR + 70, HOUR + 80], "Cart"))
        await log.write(ahead, both)
        await stored()
        async with running_api(api_settings(database_url, stale_after_seconds=600)) as api:
            samples = _samples(database_url)
            assert samples[log.at(HOUR + 80)] == 2

            # Put right: bob, last heard of ten seconds before, is silent from now on.
            ann = beats("ann", range(RIGHT + 30, 1_000, 60), "Cart")
            film = beats("ann", range(1_020, NOW + 60, 60), "Film")
            await log.write(range(RIGHT, NOW, 10), all_of(ann, film))
            await stored()
            await _while_it_passes_again(api, database_url, log)

            await log.write(range(NOW, HOUR + 200, 10), beats("ann", range(NOW, 3_800, 60), "Film"))
            await stored()
            # An instant that was sampled keeps its first sample; those between got one now.
            later = _samples(database_url)
            assert {at: later[at] for at in samples} == samples
            assert later[log.at(1_500)] == later[log.at(HOUR + 100)] == 1
            # Time travel answers the last state at an instant.
            assert await _online(api, log.at(HOUR + 80)) == {"ann": "Film"}
            assert await _online(api, log.at(30)) == {"ann": "Home"}
            assert rows(database_url, "SELECT count(*) FROM clock_steps") == [(4,)]
    finally:
        processor.kill()


async def _while_it_passes_again(api: Api, database_url: str, log: Log) -> None:
    """Silence counts from when bob was heard of; counts are right, and call themselves stale."""
    assert rows(
        database_url,
        "SELECT at, reason::text FROM changes WHERE user_id = %s AND state = 'offline'",
        BOB,
    ) == [(log.at(80 + 300), "timed_out")]
    assert rows(database_url, "SELECT from_time, to_time FROM clock_steps") == 4 * [
        (log.at(HOUR + RIGHT), log.at(RIGHT))
    ]
    count = (await api.count()).json
    assert (count["count"], count["stale"]) == (1, True)
    assert await _online(api, log.at(200)) == {"ann": "Cart", BOB: "Cart"}
    assert await _online(api, log.at(500)) == {"ann": "Cart"}
    assert await _online(api, log.at(1_500)) == {"ann": "Film"}
    # Windows add: a view counts in the minute that it had, in either pass.
    views = "SELECT screen, sum(views) FROM screen_minutes GROUP BY 1 ORDER BY 1"
    assert rows(database_url, views) == [("Cart", 2), ("Film", 1), ("Home", 1)]
    # What maintenance may have rolled up already is noted.
    late = "SELECT DISTINCT quarter FROM late_quarters ORDER BY 1"
    assert len(rows(database_url, late)) >= 2
    # Without the step as_of would be as fresh as any.
    steps = rows(database_url, "DELETE FROM clock_steps RETURNING *")

    async def fresh() -> bool:
        return (await api.count()).json["stale"] is False

    await wait_until(fresh)  # shared counts are kept for half a second
    for step in steps:
        rows(database_url, "INSERT INTO clock_steps VALUES (%s, %s, %s, %s) RETURNING 1", *step)


async def _online(api: Api, at: datetime) -> dict[str, str | None]:
    answer = (await api.get("/api/v1/online-users", at=rfc3339(at) or "")).json
    return {item["user_id"]: item["screen"] for item in answer["items"]}


def _samples(database_url: str) -> dict[datetime, int]:
    """Users in the foreground, of ann's partition."""
    query = 'SELECT at, foreground FROM concurrency_samples WHERE "partition" = %s'
    return dict(rows(database_url, query, ANN))
