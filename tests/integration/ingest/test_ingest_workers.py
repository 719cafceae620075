"""Several ingest processes on one port: they share it, and one that dies takes nothing along."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from schemas.log.events import Heartbeat
from schemas.log.settings import KafkaSettings
from schemas.log.topics import create_topics
from tests.metrics_page import Scrape
from tests.rigs.harness import client_events, wait_until
from tests.rigs.ingest_process import Process, refuses

WORKERS = 2


@pytest.fixture
def kafka_settings(emptied_topics: KafkaSettings) -> KafkaSettings:
    """Of ingest alone: no test of these counts offsets."""
    return emptied_topics


@contextmanager
def ingest_in(kafka: KafkaSettings, folder: Path) -> Iterator[Process]:
    # Its temporary directory is looked into by the tests.
    process = Process(
        kafka,
        folder / "ingest.log",
        ROLLCALL_INGEST_WORKERS=str(WORKERS),
        ROLLCALL_USER_EVENTS_BURST="100000",
        TMPDIR=str(folder),
    )
    try:
        asyncio.run(process.until_status("/readyz", 200))
        yield process
    finally:
        process.end()


@pytest.fixture(scope="module")
def shared_folder() -> Iterator[Path]:
    """Short: workers put a Unix socket below it, whose path has at most 107 bytes."""
    with TemporaryDirectory(prefix="rc-") as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def shared(reused_topics: KafkaSettings, shared_folder: Path) -> Iterator[Process]:
    """Of all tests that leave it running with all of its workers."""
    with ingest_in(reused_topics, shared_folder) as running:
        yield running


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with TemporaryDirectory(prefix="rc-") as directory:
        yield Path(directory)


@pytest.fixture
def ingest(kafka_settings: KafkaSettings, tmp_path: Path) -> Iterator[Process]:
    """Of a test that ends it."""
    with ingest_in(kafka_settings, tmp_path) as running:
        yield running


def directories(path: Path) -> list[Path]:
    return list(path.glob("rollcall-ingest-*"))


def listening(process: psutil.Process, port: int) -> bool:
    return any(c.laddr.port == port and c.status == "LISTEN" for c in process.net_connections())


class Load:
    """Phones that call one after the other, each on a new connection, until told to stop."""

    def __init__(self, ingest: Process, phones: int = 8) -> None:
        self._ingest = ingest
        self._stop = False
        self.accepted: set[str] = set()
        self.refused: list[int] = []
        self._tasks = [asyncio.create_task(self._phone(number)) for number in range(phones)]

    async def _phone(self, number: int) -> None:
        count = 0
        while not self._stop:
            screen = f"{number}-{count}"
            count += 1
            try:
                answer = await self._ingest.heartbeat(screen, user=f"u{number}")
            except (OSError, EOFError):
                await asyncio.sleep(0.01)  # the connection's worker was killed: not accepted
                continue
            if answer.status == 200:
                self.accepted.add(screen)
            else:
                self.refused.append(answer.status)

    async def until_more(self, calls: int = 100) -> None:
        wanted = len(self.accepted) + calls
        await wait_until(lambda: len(self.accepted) >= wanted)

    async def end(self) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks)


async def screens(kafka: KafkaSettings) -> list[str | None]:
    return [e.screen for e in await client_events(kafka) if isinstance(e, Heartbeat)]


async def test_workers_share_the_port_and_the_admin_port_shows_their_sums(
    shared: Process, kafka_settings: KafkaSettings
) -> None:
    ingest = shared
    workers = ingest.children
    assert len(workers) == WORKERS
    assert all(listening(worker, ingest.port) for worker in workers)
    answers = await asyncio.gather(*(ingest.heartbeat(str(n), f"u{n}") for n in range(90)))
    assert {answer.status for answer in answers} == {200}
    accepted = 'rollcall_ingest_requests_total{call="heartbeat",outcome="accepted"}'
    assert await ingest.metric(accepted) == 90
    assert await ingest.metric("rollcall_ingest_accept_seconds_count") == 90
    assert await ingest.metric("rollcall_ingest_buffer_bytes") == 0
    assert await ingest.metric("rollcall_ingest_kafka_connected") == 1
    assert await ingest.metric("rollcall_ingest_workers") == WORKERS
    text = (await ingest.get("/metrics")).body.decode()
    assert "pid=" not in text
    found = Scrape(text)
    found.assert_documented("ingest")
    # Standard error is no terminal here: each line is an object, and says whose it is.
    told = [json.loads(line) for line in ingest.output.splitlines()]
    assert {line.get("worker") for line in told} >= set(range(WORKERS))
    assert found.value("rollcall_ingest_events_total", kind="heartbeat", transport="http") == 90
    assert found.value("rollcall_ingest_events_total") == 90
    assert len(await screens(kafka_settings)) == 90


async def test_a_worker_that_hangs_is_named_and_not_ready(shared: Process) -> None:
    ingest = shared
    frozen = ingest.children[1]
    frozen.send_signal(signal.SIGSTOP)
    try:
        answer = await ingest.until_status("/readyz", 503)
        assert answer.json["reason"] == "worker 1: does not answer"
        assert (await ingest.get("/healthz")).status == 200
        assert (await ingest.get("/metrics")).status == 200
    finally:
        frozen.send_signal(signal.SIGCONT)
    await ingest.until_status("/readyz", 200)


async def test_a_killed_worker_loses_nothing_that_was_accepted_and_is_replaced(
    shared: Process, kafka_settings: KafkaSettings
) -> None:
    ingest = shared
    accepted = 'rollcall_ingest_requests_total{call="heartbeat",outcome="accepted"}'
    of_others = await ingest.metric(accepted)
    load = Load(ingest)
    await load.until_more()
    before = await ingest.metric(accepted)
    victim = ingest.children[0]
    victim.kill()
    await load.until_more()  # the others go on
    await wait_until(
        lambda: (
            len(ingest.children) == WORKERS and victim.pid not in {c.pid for c in ingest.children}
        )
    )
    await ingest.until_status("/readyz", 200)
    await load.until_more()
    await load.end()
    assert load.refused == []
    logged = await screens(kafka_settings)
    assert load.accepted <= {screen for screen in logged if screen is not None}
    # Its counters live on in its successor; what it said of itself does not.
    assert before + 200 <= await ingest.metric(accepted) <= of_others + len(logged)
    assert await ingest.metric("rollcall_ingest_kafka_connected") == 1
    assert await ingest.metric("rollcall_ingest_worker_restarts_total") == 1
    assert re.search(r"Worker 0 ended with status -9: starting it again in 0\.5 s", ingest.output)


async def test_files_do_not_become_more_with_each_worker_that_dies(
    shared: Process, shared_folder: Path
) -> None:
    ingest = shared
    [directory] = directories(shared_folder)
    files = sorted(path.name for path in directory.iterdir())
    for _ in range(2):
        victim = ingest.children[0]
        victim.kill()
        await wait_until(lambda gone=victim: not gone.is_running())
        await ingest.until_status("/readyz", 200)
    assert sorted(path.name for path in directory.iterdir()) == files


async def test_workers_end_when_their_supervisor_is_killed(
    ingest: Process, kafka_settings: KafkaSettings, tmp_path: Path
) -> None:
    load = Load(ingest)
    await load.until_more()
    workers = ingest.children
    ingest.popen.kill()
    await wait_until(lambda: not any(worker.is_running() for worker in workers))
    await load.end()
    assert refuses(ingest.port)
    assert load.accepted <= set(await screens(kafka_settings))
    assert directories(tmp_path) == []


async def test_sigterm_under_load_ends_with_0_and_leaves_nothing(
    ingest: Process, kafka_settings: KafkaSettings, tmp_path: Path
) -> None:
    load = Load(ingest)
    await load.until_more()
    workers = ingest.children
    ingest.popen.send_signal(signal.SIGTERM)
    assert await ingest.exit_code() == 0
    await load.end()
    assert not any(worker.is_running() for worker in workers)
    assert refuses(ingest.port)
    assert load.accepted <= set(await screens(kafka_settings))
    assert directories(tmp_path) == []
    assert "Traceback" not in ingest.output


async def test_it_starts_before_the_topics_are_there_and_says_once_what_it_waits_for(
    kafka_settings: KafkaSettings, tmp_path: Path, processes: list[Process]
) -> None:
    settings = kafka_settings.model_copy(update={"topic_prefix": "late" + uuid.uuid4().hex[:8]})
    process = Process(settings, tmp_path / "ingest.log")
    processes.append(process)
    reason = (await process.until_status("/readyz", 503)).json["reason"]
    while "create it with: rollcall topics" not in reason:
        reason = (await process.get("/readyz")).json["reason"]
    assert (await process.heartbeat("Home")).status == 503
    await create_topics(settings)
    await process.until_status("/readyz", 200)
    assert (await process.heartbeat("Home")).status == 200
    lines = [json.loads(line)["message"] for line in process.output.splitlines()]
    told = [line for line in lines if "rollcall topics" in line]
    # Of another topic if that is the last one to come.
    assert told
    assert len(set(told)) == len(told)


async def test_a_supervisor_that_is_told_to_stop_at_once_does(
    kafka_settings: KafkaSettings, tmp_path: Path, processes: list[Process]
) -> None:
    process = Process(kafka_settings, tmp_path / "ingest.log", ROLLCALL_INGEST_WORKERS="2")
    processes.append(process)
    await process.until_status("/healthz", 200)
    process.popen.send_signal(signal.SIGTERM)
    assert await process.exit_code() == 0
