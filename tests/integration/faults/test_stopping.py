"""A service that is told to stop ends in bounded time, whatever hangs, and says what hung."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from processor.__main__ import STOP_SECONDS
from processor.kafka.publishing import CLOSE_SECONDS
from schemas.log.events import Heartbeat, partition_of
from schemas.log.settings import KafkaSettings
from tests.rigs.api_harness import SECRET
from tests.rigs.rig import (
    ProcessorProcess,
    batch,
    free_port,
    processor_environment,
    produce,
    rows,
    wait_for,
)

#: For a slow machine, over what is promised.
MARGIN_SECONDS = 30.0
#: A question to Kafka as aiokafka ends it when it is cancelled while it closes its connections.
SWALLOWS_CANCELLATION = """
import asyncio, contextlib
from processor import __main__
from processor.kafka import app
async def ask(settings):
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)
    return 3600.0
app.events_retention_seconds = ask
__main__.main()
"""
#: Faults of ours that cannot be ordered from outside, in a processor that is real otherwise.
KAFKA_THREAD_HANGS = """
import time
from processor import __main__
from processor.kafka import offsets
async def hang(self):
    time.sleep(1000)
offsets._FetchingThread.on_thread_stop = hang
__main__.FAUST_STOP_SECONDS = 2.0
__main__.main()
"""
LOOP_HANGS = """
import time
from processor import __main__, pipeline
async def hang(self):
    time.sleep(1000)
pipeline.Pipeline.close = hang
__main__.STOP_SECONDS = 3.0
__main__.main()
"""
ACKNOWLEDGEMENT_LOST = """
import asyncio
from aiokafka import AIOKafkaProducer
from processor import __main__
async def send_batch(self, builder, topic, partition):
    return asyncio.get_running_loop().create_future()
AIOKafkaProducer.send_batch = send_batch
__main__.main()
"""
API_HANGS = """
import asyncio
from api import __main__, app
from api.feed.hub import Hub
async def hang(self):
    await asyncio.get_running_loop().create_future()
Hub.close = hang
app.CLOSE_SECONDS = 0.5
__main__.main()
"""

Start = Callable[..., ProcessorProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[ProcessorProcess] = []

    def start_one(
        kafka: KafkaSettings, url: str, script: str | None = None, **settings: str
    ) -> ProcessorProcess:
        environment = processor_environment(kafka, url, **settings)
        log = tmp_path / f"{len(started)}.log"
        started.append(ProcessorProcess(environment, log, script=script))
        return started[-1]

    yield start_one
    for process in started:
        if process.exit_status is None:
            process.kill()


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Takes connections, and never says anything on them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def working(start: Start, kafka: KafkaSettings, url: str, script: str) -> ProcessorProcess:
    """A processor that has stored a user."""
    processor = start(kafka, url, script)
    record = batch(Heartbeat(user="ada", token="t"))
    asyncio.run(produce(kafka, [(partition_of("ada", kafka.partitions), record)]))
    wait_for("it works", lambda: rows(url, "SELECT user_id FROM presence"))
    return processor


def seconds_to_end(processor: ProcessorProcess) -> float:
    processor.send(signal.SIGTERM)
    started = time.monotonic()
    wait_for("it ends", lambda: processor.exit_status is not None)
    return time.monotonic() - started


def test_a_question_to_kafka_that_swallows_its_cancellation_does_not_keep_a_processor(
    start: Start, kafka_settings: KafkaSettings, database_url: str
) -> None:
    processor = working(start, kafka_settings, database_url, SWALLOWS_CANCELLATION)
    seconds_to_end(processor)
    assert processor.exit_status == 0
    assert "did not stop" not in processor.log.read_text()


def test_a_processor_whose_kafka_thread_hangs_ends_and_says_so(
    start: Start, kafka_settings: KafkaSettings, database_url: str
) -> None:
    processor = working(start, kafka_settings, database_url, KAFKA_THREAD_HANGS)
    assert seconds_to_end(processor) < STOP_SECONDS + MARGIN_SECONDS
    assert processor.exit_status == 1
    assert "Faust did not stop in 2 s" in processor.log.read_text()


def test_a_processor_whose_event_loop_hangs_while_it_stops_ends_and_says_where(
    start: Start, kafka_settings: KafkaSettings, database_url: str
) -> None:
    processor = working(start, kafka_settings, database_url, LOOP_HANGS)
    assert seconds_to_end(processor) < STOP_SECONDS + MARGIN_SECONDS
    assert processor.exit_status == 1
    told = processor.log.read_text()
    assert "not stopped 3 s after being told to (publishing changes)" in told
    assert "in hang" in told


def test_changes_that_kafka_does_not_acknowledge_do_not_keep_a_processor_from_stopping(
    start: Start, kafka_settings: KafkaSettings, database_url: str
) -> None:
    processor = working(start, kafka_settings, database_url, ACKNOWLEDGEMENT_LOST)
    assert seconds_to_end(processor) < CLOSE_SECONDS + MARGIN_SECONDS
    assert processor.exit_status == 0
    assert f"changes not published in {CLOSE_SECONDS:g} s" in processor.log.read_text()
    # They are stored, so that another one publishes them.
    assert rows(database_url, "SELECT max(published_through) FROM stream_offsets") == [(0,)]


def test_a_processor_that_waits_for_a_kafka_which_does_not_answer_stops_at_once(
    start: Start, kafka_settings: KafkaSettings, database_url: str, silent_server: str
) -> None:
    processor = start(kafka_settings, database_url, KAFKA_BOOTSTRAP=silent_server)

    def asks() -> bool:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'rollcall-processor'"
        )
        return rows(database_url, query) != [(0,)]

    wait_for("it has asked the database, and asks Kafka", asks)
    assert seconds_to_end(processor) < MARGIN_SECONDS
    assert processor.exit_status == 0


def test_an_api_that_hangs_while_it_stops_ends_and_says_so(
    start: Start, kafka_settings: KafkaSettings, database_url: str
) -> None:
    settings = {
        "API_PORT": str(free_port()),
        "API_ADMIN_PORT": str(free_port()),
        "API_STATEMENT_TIMEOUT_SECONDS": "0.1",
        "DRAIN_SECONDS": "0",
        "JWT_SECRET": SECRET,
    }
    api = start(kafka_settings, database_url, API_HANGS, **settings)
    wait_for("it works", lambda: "Listening on" in api.log.read_text())
    assert seconds_to_end(api) < MARGIN_SECONDS
    assert api.exit_status == 1
    assert "not stopped 4.7 s after being told to" in api.log.read_text()
