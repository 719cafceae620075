"""What the API answers while processors are frozen and killed is what it answers later for then.

A live answer is of no single instant: each partition is shown as far as it is stored, and one that
nobody processes for a while stands still. By design, section 7, an answer for ``at`` is the sum
over partitions of their state after all records and expiries with log time ≤ ``at``. So the two are
the same thing where, and only where, the following holds; there they are compared exactly, all
else is left out:

- *A partition stood still* while the answer was made: its next offset N and its log time L were the
  same before and after. Then of its users the answer is the state after the records before N and
  the expiries up to L.
- *Nothing else is of L*: the record at N has, in the log, a later log time. Then what the answer
  shows of the partition is its part of the answer for ``at`` = L.

For ``/screens`` the partitions' parts, each at its own L, are added up. And where all partitions
stood still, no record at an N is of the latest L or earlier, and nobody expired between a
partition's L and the latest one, the live answers are those for ``at`` = the latest L in one piece.
The phones fall silent at the end, so that there is such an instant; that silence is an outage,
which holds and then extends deadlines.

Of what an answer for ``at`` does not tell, nothing is compared: ``last_active``, devices that were
offline, and whether somebody who had never been online was known (a logout makes them so).
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api.periods.instants import rfc3339
from schemas.log.events import partition_of
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS
from tests.rigs.api_harness import Api, api_settings, running_api
from tests.rigs.phones import USERS as NAMES
from tests.rigs.phones import Phones
from tests.rigs.rig import (
    ProcessorProcess,
    processor_environment,
    read_all,
    rows,
    stored_through,
    wait_for,
)

ONLINE = "/api/v1/online-users?sort=user_id&limit=500"
SCREENS = "/api/v1/screens?limit=500"
USERS = "/api/v1/users"
#: So slow that a partition often stands still for as long as an answer takes.
SECONDS_BETWEEN_RECORDS = 0.05
SECONDS_BETWEEN_ANSWERS = 0.25
OUTAGE_GAP_SECONDS = 4
ENDINGS = {"navigated", "backgrounded", "logged_out", "timed_out", "disconnected"}
SETTINGS = {
    "OFFLINE_AFTER_SECONDS": "3",
    "DISCONNECT_GRACE_SECONDS": "1",
    "LOGOUT_FENCE_SECONDS": "0.5",
    "OUTAGE_GAP_SECONDS": str(OUTAGE_GAP_SECONDS),
}
#: Next offset and log time (milliseconds) by partition.
Stand = dict[int, tuple[int, int]]
Json = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """A live answer (``None``: unknown user), and where those partitions stood that stood still
    while it was made."""

    phase: str
    path: str
    answer: Json | None
    stand: Stand


class Recorder:
    """Asks for live answers all the time; ``phase`` says what goes on."""

    def __init__(self, api: Api, connection: psycopg.AsyncConnection[Any]) -> None:
        self._api = api
        self._connection = connection
        self._random = random.Random(20261126)
        self.phase = "start"
        self.seen: list[Seen] = []

    async def run(self) -> None:
        while True:
            for path in (ONLINE, SCREENS, f"{USERS}/{self._random.choice(NAMES)}"):
                before, phase = await self._stand(), self.phase
                answer = await get(self._api, path)
                after = await self._stand()
                still = {p: stand for p, stand in before.items() if after[p] == stand}
                self.seen.append(Seen(phase, path, answer, still))
            await asyncio.sleep(SECONDS_BETWEEN_ANSWERS)

    async def _stand(self) -> Stand:
        cursor = await self._connection.execute(
            'SELECT "partition", next_offset, to_ms(log_time) FROM stream_offsets'
            " WHERE log_time IS NOT NULL"
        )
        return {p: (next_offset, log_time) for p, next_offset, log_time in await cursor.fetchall()}

    async def answers(self, phase: str, path: str, wanted: int, partitions: int) -> None:
        """Wait for so many answers to a path, in that phase, while so many partitions stood."""

        def enough() -> bool:
            return wanted <= sum(
                (seen.phase, seen.path) == (phase, path) and len(seen.stand) >= partitions
                for seen in self.seen
            )

        await until(f"{wanted} answers to {path}, {phase}", enough)


async def until(what: str, condition: Callable[[], Any]) -> None:
    await asyncio.to_thread(wait_for, what, condition)


async def get(api: Api, path: str) -> Json | None:
    """The answer; ``None`` for an unknown user."""
    answer = await api.call(path)
    assert answer.status in (200, 404), answer.body
    return answer.json if answer.status == 200 else None


@asynccontextmanager
async def recording(api: Api, database_url: str) -> AsyncIterator[Recorder]:
    connection = await psycopg.AsyncConnection.connect(database_url, autocommit=True)
    recorder = Recorder(api, connection)
    task = asyncio.create_task(recorder.run())
    try:
        yield recorder
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task  # where it failed, the test does
        await connection.close()


def shown(ms: int) -> str:
    told = rfc3339(datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms))
    assert told is not None
    return told


class Log:
    """The records of the topic."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.partitions = kafka.partitions
        self._times: dict[int, list[int]] = {p: [] for p in range(kafka.partitions)}
        for record in asyncio.run(read_all(kafka, EVENTS)):
            times = self._times[record.partition]
            assert record.offset == len(times)
            times.append(max(record.timestamp, times[-1] if times else 0))

    @property
    def ends(self) -> dict[int, int]:
        return {p: len(times) for p, times in self._times.items()}

    def is_later(self, partition: int, next_offset: int, ms: int) -> bool:
        """Is the record there of a later log time?"""
        times = self._times[partition]
        return next_offset == len(times) or times[next_offset] > ms


class Comparison:
    """Holds live answers against those for then; counts what it could compare, by path and
    phase."""

    def __init__(self, api: Api, log: Log, database_url: str) -> None:
        self._api = api
        self._log = log
        self._lists: dict[int, list[Json]] = {}
        self._over: dict[int, list[int]] = {p: [] for p in range(log.partitions)}
        query = 'SELECT "partition", to_ms(shown_until) FROM spans ORDER BY shown_until'
        for partition, shown_until in rows(database_url, query):
            self._over[partition].append(shown_until)
        self.by_parts: Counter[tuple[str, str]] = Counter()
        self.in_one_piece: Counter[tuple[str, str]] = Counter()

    async def compare(self, seen: Seen) -> None:
        parts = {
            partition: log_time
            for partition, (next_offset, log_time) in seen.stand.items()
            if self._log.is_later(partition, next_offset, log_time)
        }
        if seen.path == ONLINE:
            await self._compare_list(seen, parts)
        elif seen.path == SCREENS:
            await self._compare_screens(seen, parts)
        else:
            await self._compare_user(seen, parts)

    async def _compare_list(self, seen: Seen, parts: dict[int, int]) -> None:
        assert seen.answer is not None
        live = lived(seen.answer["items"])
        for partition, log_time in parts.items():
            assert self._of(partition, live) == self._of(partition, await self._list(log_time))
            self.by_parts[ONLINE, seen.phase] += 1
        at = self._one_instant(seen.stand)
        if at is not None:
            assert live == await self._list(at)
            self.in_one_piece[ONLINE, seen.phase] += 1

    async def _compare_screens(self, seen: Seen, parts: dict[int, int]) -> None:
        assert seen.answer is not None
        if len(parts) == self._log.partitions:
            people = [
                user
                for partition, at in parts.items()
                for user in self._of(partition, await self._list(at))
            ]
            seen_on = Counter(user["screen"] for user in people if user["state"] == "foreground")
            told = {row["screen"]: row["foreground"] for row in seen.answer["items"]}
            assert told == seen_on
            assert seen.answer["background"] == len(people) - seen_on.total()
            self.by_parts[SCREENS, seen.phase] += 1
        at = self._one_instant(seen.stand)
        if at is not None:
            then = await get(self._api, f"{SCREENS}&at={shown(at)}")
            assert then is not None
            for name in ("items", "foreground", "background", "screens"):
                assert seen.answer[name] == then[name]
            self.in_one_piece[SCREENS, seen.phase] += 1

    async def _compare_user(self, seen: Seen, parts: dict[int, int]) -> None:
        partition = partition_of(seen.path.removeprefix(f"{USERS}/"), self._log.partitions)
        if partition not in parts:
            return
        then = await get(self._api, f"{seen.path}?at={shown(parts[partition])}")
        if seen.answer is None or not seen.answer["devices"]:
            assert then is None or (then["state"], then["changed_at"]) == ("offline", None)
        else:
            assert then is not None
            assert single(seen.answer) == single(then)
            self.by_parts[USERS, seen.phase] += 1

    def _one_instant(self, stand: Stand) -> int | None:
        """When all partitions were as the answer shows them, if they ever were."""
        if len(stand) < self._log.partitions:
            return None
        at = max(log_time for _, log_time in stand.values())
        for partition, (next_offset, log_time) in stand.items():
            over = self._over[partition]
            if bisect_right(over, log_time) != bisect_right(over, at):
                return None
            if not self._log.is_later(partition, next_offset, at):
                return None
        return at

    async def _list(self, at: int) -> list[Json]:
        if at not in self._lists:
            then = await get(self._api, f"{ONLINE}&at={shown(at)}")
            assert then is not None
            self._lists[at] = then["items"]
        return self._lists[at]

    def _of(self, partition: int, people: list[Json]) -> list[Json]:
        partitions = self._log.partitions
        return [user for user in people if partition_of(user["user_id"], partitions) == partition]


def lived(people: list[Json]) -> list[Json]:
    return [{**one, "last_active": None} for one in people]


def single(user: Json) -> Json:
    """What is told of a single user at both times."""
    online = [
        {**device, "timer_runs_on": None, "twin_of": None, "other_users": None}  # not kept
        for device in user["devices"]
        if device["state"] != "offline"
    ]
    told = {k: v for k, v in user.items() if k not in ("at", "as_of", "stale", "last_active")}
    return {**told, "devices": sorted(lived(online), key=lambda device: str(device["device"]))}


@pytest.fixture
def processors(kafka_settings: KafkaSettings, database_url: str, tmp_path: Path) -> Iterator[Any]:
    environment = processor_environment(kafka_settings, database_url, **SETTINGS)
    started: list[ProcessorProcess] = []

    def start() -> ProcessorProcess:
        log = tmp_path / f"processor-{len(started)}.log"
        started.append(ProcessorProcess(environment, log))
        return started[-1]

    yield start
    for process in started:
        if process.exit_status is None:
            process.kill()


async def run_with_faults(
    recorder: Recorder, phones: Phones, start: Callable[[], ProcessorProcess], url: str
) -> None:
    """A phase lasts until everything is stored further than it was, and was seen standing."""

    async def all_go_on(phase: str) -> None:
        recorder.phase = phase
        before = stored_through(url)
        await until(
            f"every partition goes on, {phase}",
            lambda: all(offset > before[p] + 5 for p, offset in stored_through(url).items()),
        )
        await recorder.answers(phase, ONLINE, 3, partitions=1)

    first, second = start(), start()
    await until("work begins", lambda: len(stored_through(url)) == phones.partitions)
    await all_go_on("both work")
    first.send(signal.SIGSTOP)
    await all_go_on("one is frozen")
    first.send(signal.SIGCONT)
    await all_go_on("it goes on")
    second.kill()
    start()
    await all_go_on("one is killed")
    # Not later: after an outage nobody is disconnected until its grace ends.
    await until("spans ended in every way", lambda: endings(url) >= ENDINGS)
    recorder.phase = "silence"
    phones.pause()
    for path in (ONLINE, SCREENS):
        await recorder.answers("silence", path, 4, phones.partitions)
    over = time.monotonic() + OUTAGE_GAP_SECONDS
    await until("the silence is an outage", lambda: time.monotonic() > over)
    phones.resume()
    await all_go_on("after an outage")


def endings(url: str) -> set[str]:
    """In which ways spans have ended."""
    return {ending for (ending,) in rows(url, "SELECT DISTINCT ended_by::text FROM spans")}


async def test_what_was_answered_in_a_run_with_faults_is_answered_for_then(
    processors: Any, kafka_settings: KafkaSettings, database_url: str
) -> None:
    async with running_api(api_settings(database_url)) as api:
        phones = Phones(kafka_settings, SECONDS_BETWEEN_RECORDS)
        try:
            async with recording(api, database_url) as recorder:
                await run_with_faults(recorder, phones, processors, database_url)
        finally:
            await asyncio.to_thread(phones.stop)
        log = await asyncio.to_thread(Log, kafka_settings)
        await until("the log is stored", lambda: stored_through(database_url) == log.ends)
        comparison = Comparison(api, log, database_url)
        for seen in recorder.seen:
            await comparison.compare(seen)
    # Not in vain, and of what the phones were made for.
    phases = {seen.phase for seen in recorder.seen} - {"start"}
    assert {phase for path, phase in comparison.by_parts if path == ONLINE} >= phases
    assert {path for path, _ in comparison.by_parts} == {ONLINE, SCREENS, USERS}
    for path in (ONLINE, SCREENS):
        assert comparison.in_one_piece[path, "silence"]
    outages = rows(database_url, "SELECT DISTINCT kind::text FROM outages")
    assert outages == [("jump",)]
    as_ofs = [seen.answer["as_of"] for seen in recorder.seen if seen.path == ONLINE and seen.answer]
    known = [as_of for as_of in as_ofs if as_of is not None]
    assert known == sorted(known)
