"""A batch that waits for company, on a real Kafka and a real PostgreSQL: nothing is lost by it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processor.settings import ProcessorSettings
from schemas.log.events import Heartbeat, Logout, partition_of
from schemas.log.settings import KafkaSettings
from tests.metrics_page import Scrape
from tests.rigs.rig import (
    ProcessorProcess,
    batch,
    free_port,
    processor_environment,
    produce,
    rows,
    stored_through,
    wait_for,
)

WAIT_SECONDS: float = ProcessorSettings.model_fields["batch_wait_seconds"].default
TRIES = 15


@contextmanager
def started(environment: dict[str, str], log: Path) -> Iterator[ProcessorProcess]:
    process = ProcessorProcess(environment, log)
    try:
        yield process
    finally:
        if process.exit_status is None:
            process.kill()


def test_what_waits_outlives_a_kill_and_a_logout_ends_the_wait(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    port = free_port()
    environment = processor_environment(
        kafka_settings,
        database_url,
        BATCH_WAIT_SECONDS=str(WAIT_SECONDS),
        PROCESSOR_ADMIN_PORT=str(port),
    )
    users = [
        name
        for n in range(4_000)
        if partition_of(name := f"waits-{n}", kafka_settings.partitions) == 0
    ]
    beats = batch(*(Heartbeat(user=user, token=user, screen="Home") for user in users))

    def append(value: bytes) -> None:
        asyncio.run(produce(kafka_settings, [(0, value)]))

    def stored() -> int:
        return stored_through(database_url).get(0, 0)

    for attempt in range(TRIES):
        with started(environment, tmp_path / f"killed-{attempt}.log") as process:
            append(beats)
            wait_for("they are stored", lambda: stored() % 2 == 1)
            # Nobody sees what these change: they wait the longest.
            append(beats)
            process.kill()
        if (before := stored()) % 2 == 1:
            break
    else:
        raise AssertionError(f"in {TRIES} tries no batch waited {WAIT_SECONDS} s for the kill")

    with started(environment, tmp_path / "other.log") as process:
        wait_for("what waited is stored", lambda: stored() == before + 1)
        append(beats)
        append(batch(Logout(user=users[0], token=users[0])))
        wait_for("all are stored", lambda: stored() == before + 3)
        assert rows(
            database_url,
            "SELECT state::text, count(*) FROM current_presence GROUP BY 1 ORDER BY 1",
        ) == [("foreground", len(users) - 1), ("offline", 1)]
        assert rows(database_url, "SELECT count(*) FROM changes") == [(len(users) + 1,)]
        waited = Scrape.of_port(port).value("rollcall_processor_batch_wait_seconds_sum")
        assert waited is not None
        assert waited > WAIT_SECONDS / 4
        began = time.monotonic()
        assert process.stop() == 0
        assert time.monotonic() - began < 30
