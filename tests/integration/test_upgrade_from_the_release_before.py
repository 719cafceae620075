"""The release before this round at the log and the database of this one, as while a deployment is
upgraded: its own code, from Git."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest
from aiokafka import AIOKafkaProducer

from api.analytics.screens import screens_now_query
from schemas.database.signs_of_life import SignsOfLifeError, keep_signs_of_life
from schemas.log.events import Event, Heartbeat, OptOut, Tick, encode_batch, partition_of
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, topic_name
from tests.rigs.privacy_rig import running_processor, traces
from tests.rigs.rig import batch, processor_environment, produce, rows, stored_through, wait_for
from tests.suite.forks import Process, start_python

#: The last commit before event version 2 was read.
BEFORE = "2f43560"
ROOT = Path(__file__).parents[2]
ADA = "ada-1c55b9e0"
#: A machine may stand still between two beats, for a part of it.
OFFLINE_AFTER_SECONDS = 6
SHORT = {"OFFLINE_AFTER_SECONDS": str(OFFLINE_AFTER_SECONDS)}


@pytest.fixture
def release_before(tmp_path: Path) -> Path:
    """Its tree, where the history is at hand."""
    command = ["git", "archive", "--format=tar", BEFORE, "processor", "schemas"]
    archived = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if archived.returncode != 0:
        pytest.skip(f"a checkout without commit {BEFORE}")
    folder = tmp_path / "before"
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as tree:
        tree.extractall(folder, filter="data")
    return folder


@pytest.fixture
def processor_before(start_before: Callable[[], Process], tmp_path: Path) -> tuple[Process, Path]:
    """It, running, and its log."""
    return start_before(), tmp_path / "before.log"


@pytest.fixture
def start_before(
    release_before: Path, kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> Iterator[Callable[[], Process]]:
    """Starts it, at a database in which it was before: signs of life are together."""
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE deployment ALTER signs_of_life SET DEFAULT 'together'")
    log = tmp_path / "before.log"
    environment = {
        **os.environ,
        **processor_environment(kafka_settings, database_url, **SHORT),
        "ROLLCALL_PROCESSOR_ADMIN_PORT": "0",
        "PYTHONPATH": str(release_before),
    }
    started: list[Process] = []
    with log.open("wb") as output:

        def start() -> Process:
            process = start_python(
                ["-m", "processor"],
                cwd=release_before,
                env=environment,
                stdout=output,
                stderr=output,
            )
            started.append(process)
            return process

        yield start
        for process in started:
            process.kill()
            process.wait()


def test_who_is_where_is_right_while_partitions_go_back_and_forth(
    kafka_settings: KafkaSettings,
    database_url: str,
    start_before: Callable[[], Process],
    tmp_path: Path,
) -> None:
    partition = partition_of(ADA, kafka_settings.partitions)

    def move(screen: str) -> None:
        value = batch(Heartbeat(user=ADA, token="t", screen=screen))
        asyncio.run(produce(kafka_settings, [(partition, value)]))

    def told() -> list[Any]:
        query = screens_now_query().decode().replace("%(limit)s", "10")
        found = rows(database_url, query)
        return [(screen, users) for screen, users, *_ in found if users]

    def is_counted() -> bool:
        query = (
            'SELECT live_screens_offset = next_offset FROM stream_offsets WHERE "partition" = %s'
        )
        return rows(database_url, query, partition) == [(True,)]

    def stored() -> list[Any]:
        return rows(database_url, 'SELECT * FROM live_screens WHERE "partition" = %s', partition)

    log = tmp_path / "after.log"
    with running_processor(kafka_settings, database_url, log):
        move("A")
        wait_for("she is on A", lambda: told() == [("A", 1)])
        assert is_counted()
    before = start_before()
    move("B")
    wait_for("the release before has moved her", lambda: told() == [("B", 1)])
    assert not is_counted()
    assert stored() == [(partition, "A", 1)]
    before.terminate()
    before.wait(60)
    with running_processor(kafka_settings, database_url, log):
        move("C")
        wait_for("she is on C", lambda: told() == [("C", 1)])
        assert is_counted()
        assert stored() == [(partition, "C", 1)]
    # That was no fault.
    assert "written anew" not in log.read_text()
    # But this is one.
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE live_screens SET foreground = 7")
    with running_processor(kafka_settings, database_url, log):
        move("C")
        wait_for("it is put right", lambda: stored() == [(partition, "C", 1)])
        assert "written anew" in log.read_text()


class Fleet:
    """Phones that beat twice a second and change nothing, and what is stored of them."""

    def __init__(self, kafka: KafkaSettings, database_url: str) -> None:
        self._kafka, self._url = kafka, database_url
        self._by_partition: dict[int, list[Event]] = {}
        for n in range(20):
            beat = Heartbeat(user=f"user-{n}", token="t", device_id="phone", screen="Home")
            place = partition_of(beat.user, kafka.partitions)
            self._by_partition.setdefault(place, []).append(beat)
        self.beats = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    async def _run(self) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._kafka.kafka_bootstrap, acks="all")
        await producer.start()
        topic = topic_name(self._kafka, EVENTS)
        try:
            while not self._stopped.is_set():
                for place, beats in self._by_partition.items():
                    await producer.send_and_wait(topic, encode_batch(beats), partition=place)
                self.beats += 1
                await asyncio.sleep(0.5)
        finally:
            await producer.stop()

    def log_time(self) -> int:
        query = "SELECT coalesce(min(to_ms(log_time)), 0) FROM stream_offsets WHERE foreground > 0"
        return int(rows(self._url, query)[0][0])

    def goes_on(self) -> None:
        """Until whoever has the partitions now has stored something of each."""
        wait_for("all are online", self._all_are_online)
        since = self.log_time()
        wait_for("it goes on", lambda: self.log_time() > since)

    def _all_are_online(self) -> bool:
        return rows(self._url, "SELECT sum(foreground)::int FROM stream_offsets") == [(20,)]

    def wait(self) -> None:
        """The same, and until it has stored more than a phone may be silent; nobody went offline by
        then."""
        self.goes_on()
        until = self.log_time() + 1000 * (OFFLINE_AFTER_SECONDS + 1)
        wait_for("it is stored", lambda: self.log_time() > until)
        assert rows(self._url, "SELECT user_id FROM changes WHERE reason <> 'started'") == []
        assert self._all_are_online()


# Daily, that the switch loses no deadline: tests/integration/processor/test_signs_of_life.py.
@pytest.mark.long
def test_nobody_is_offline_while_partitions_go_back_and_forth(
    kafka_settings: KafkaSettings,
    database_url: str,
    start_before: Callable[[], Process],
    tmp_path: Path,
) -> None:
    """Deadlines are where the one that takes a partition over looks for them, or it takes none."""

    def stop(process: Process) -> None:
        process.terminate()
        process.wait(60)

    def times_loaded() -> int:
        return (tmp_path / "before.log").read_text().count("users online")

    apart = "SELECT count(*) FROM signs_of_life"
    after = partial(
        running_processor, kafka_settings, database_url, tmp_path / "after.log", **SHORT
    )
    with Fleet(kafka_settings, database_url) as fleet:
        before = start_before()
        fleet.goes_on()
        with pytest.raises(SignsOfLifeError, match="end all processors of earlier releases"):
            keep_signs_of_life(database_url, "apart")
        stop(before)
        with after() as processor:
            fleet.wait()
            assert rows(database_url, apart) == [(0,)]
            keep_signs_of_life(database_url, "apart")
            fleet.wait()
            assert rows(database_url, apart) == [(20,)]
            processor.stop()
        stands = stored_through(database_url)
        loaded = times_loaded()
        refused = start_before()
        wait_for("it loads", lambda: times_loaded() > loaded)
        beats = fleet.beats
        wait_for("there is something to store", lambda: fleet.beats > beats + 4)
        # It stores nothing. Whether it ends is that release's own affair.
        assert stored_through(database_url) == stands
        refused.kill()
        refused.wait()
        with after() as processor:
            fleet.goes_on()
            keep_signs_of_life(database_url, "together")
            fleet.wait()
            processor.stop()
        before = start_before()
        fleet.wait()
        stop(before)


def test_it_reads_what_this_release_writes_and_leaves_an_opt_out_to_its_successor(
    kafka_settings: KafkaSettings,
    database_url: str,
    processor_before: tuple[Process, Path],
    tmp_path: Path,
) -> None:
    process, log = processor_before
    partition = partition_of(ADA, kafka_settings.partitions)

    def write(*values: bytes) -> None:
        asyncio.run(produce(kafka_settings, [(partition, value) for value in values]))

    screens = "SELECT screen FROM changes ORDER BY log_offset, event_index"
    write(batch(Heartbeat(user=ADA, token="t", screen="A")))
    wait_for("it stores what is of version 1", lambda: rows(database_url, screens) == [("A",)])
    # Somebody allowed version 2 too early.
    write(encode_batch([OptOut(user=ADA, request="r")]))
    write(batch(Heartbeat(user=ADA, token="t", screen="B")))
    told = "start a newer release of the processor"
    wait_for("it says what to do", lambda: told in log.read_text())
    # It stores nothing more. How long it takes to end is that release's own affair.
    process.kill()
    process.wait()
    assert rows(database_url, screens) == [("A",)]
    with running_processor(kafka_settings, database_url, tmp_path / "after.log"):
        wait_for("her history is gone", lambda: rows(database_url, screens) == [])
        # What was published goes with the next record, which ingest writes every second.
        write(batch(Tick()))
        wait_for("ada is gone", lambda: traces(database_url, ADA) == [])
