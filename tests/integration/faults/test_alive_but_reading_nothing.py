"""A consumer that fetches no more knows no lag: the log's end tells
(processor/watch/log_watch.py)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from schemas.log.events import Heartbeat, Tick, partition_of
from schemas.log.settings import KafkaSettings
from tests.integration.faults.processors import running
from tests.rigs.rig import batch, produce, rows, wait_for

#: As the watch is, with everything quicker.
QUICK = """
import asyncio, functools, os
from processor import __main__
from processor.kafka import offsets
from processor.watch import log_watch, reading
log_watch.Reading = functools.partial(reading.Reading, 5.0)
log_watch.ASK_EVERY_SECONDS = log_watch.FETCH_SECONDS = 0.5
"""
FETCHES_NOTHING_AFTER_A_SIGN = (
    QUICK
    + """
getmany = offsets._FetchingThread.getmany
async def nothing(self, partitions, timeout):
    if not os.path.exists("fetch-nothing"):
        return await getmany(self, partitions, timeout)
    open("fetches-nothing", "w").close()
    await asyncio.sleep(0.1)
    return {}
offsets._FetchingThread.getmany = nothing
__main__.main()
"""
)


def beat(kafka: KafkaSettings, user: str) -> None:
    record = batch(Heartbeat(user=user, token="t"))
    asyncio.run(produce(kafka, [(partition_of(user, kafka.partitions), record)]))


def test_a_processor_that_is_alive_and_reads_nothing_ends_and_another_goes_on(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "processor.log"
    with running(kafka_settings, database_url, log, FETCHES_NOTHING_AFTER_A_SIGN) as processor:
        beat(kafka_settings, "ada")
        wait_for("it works", lambda: rows(database_url, "SELECT user_id FROM presence"))
        wait_for("it is ready", lambda: processor.readiness == "ready")
        (tmp_path / "fetch-nothing").touch()
        wait_for("it fetches nothing", (tmp_path / "fetches-nothing").exists)
        beat(kafka_settings, "bob")
        wait_for("it ends", lambda: processor.process.exit_status is not None)
        assert processor.process.exit_status == 70
        assert "1 of partition " in processor.log
        assert "Kafka's consumer gives none of them" in processor.log
    with running(kafka_settings, database_url, tmp_path / "another.log"):
        wait_for("it goes on", lambda: len(rows(database_url, "SELECT FROM presence")) == 2)


def test_a_processor_whose_log_is_silent_stays_and_says_that_nothing_was_written(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    script = f"{QUICK}\n__main__.main()"
    with running(kafka_settings, database_url, tmp_path / "a.log", script) as processor:
        asyncio.run(produce(kafka_settings, [(0, batch(Tick()))]))
        wait_for("it looked", lambda: "nothing was written to partitions" in processor.log)
        assert processor.readiness == "ready"
        beat(kafka_settings, "ada")
        wait_for("it works", lambda: rows(database_url, "SELECT user_id FROM presence"))
        assert processor.process.stop() == 0
