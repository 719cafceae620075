"""Kafka lost the end of the log and wrote on from there: noticed however long ago that was."""

from __future__ import annotations

import asyncio
from pathlib import Path

from schemas.log.events import Heartbeat, Tick, partition_of
from schemas.log.settings import KafkaSettings
from tests.integration.faults.processors import running
from tests.integration.faults.test_lost_records import refusal
from tests.rigs.rig import (
    ProcessorProcess,
    batch,
    processor_environment,
    produce,
    rows,
    stored_through,
    wait_for,
)

#: As the watch is, with everything quicker; what it looks back at can be made another log's.
LOOKS_BACK = """
import os
from msgspec.structs import replace
from processor import __main__, pipeline
from processor.watch import log_watch
log_watch.ASK_EVERY_SECONDS = 0.2
log_watch.LOOK_BACK_SECONDS = 0.0
told, again = pipeline.Pipeline.last_reads, log_watch.read_again
def last_reads(self):
    reads = told(self)
    if not os.path.exists("torn"):
        return reads
    return {p: replace(read, checksum=read.checksum ^ 1) for p, read in reads.items()}
async def read_again(settings, topic, reads, base):
    await again(settings, topic, reads, base)
    print(f"saw {sorted(read.offset for read in reads.values())} again", flush=True)
pipeline.Pipeline.last_reads, log_watch.read_again = last_reads, read_again
__main__.main()
"""
ANN = partition_of("ann", 4)
REST = [p for p in range(4) if p != ANN]


def test_a_log_with_another_record_where_the_last_one_was_is_refused_for_good(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    environment = processor_environment(kafka_settings, database_url)
    records = [(p, batch(Tick())) for p in REST] * 2
    asyncio.run(produce(kafka_settings, [*records, (ANN, batch(Tick())), (ANN, batch(Tick()))]))
    processor = ProcessorProcess(environment, tmp_path / "1.log")
    try:
        wait_for("all are stored", lambda: set(stored_through(database_url).values()) == {2})
        assert processor.stop() == 0
        assert asyncio.run(refusal(kafka_settings, database_url)) is None

        # What a torn log comes to: the offset that was stored, and more, hold other records.
        other = batch(Heartbeat(user="ann", token="t"))
        asyncio.run(produce(kafka_settings, [(ANN, other)] * 3))
        rows(
            database_url,
            "UPDATE stream_offsets SET next_offset = 4, "
            "last_read = jsonb_set(last_read, '{offset}', '3') "
            f'WHERE "partition" = {ANN} RETURNING 1',
        )
        for _ in range(2):  # it does not expire by itself
            said = asyncio.run(refusal(kafka_settings, database_url)) or ""
            assert f"partition {ANN}: at offset 3 Kafka has another record" in said
            assert "restore the database to the same time" in said
    finally:
        processor.kill()


def test_a_processor_that_gets_a_torn_partition_ends_before_it_counts_anything(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    """It was running when the log was torn: the check is where it begins to read, too."""
    environment = processor_environment(kafka_settings, database_url)
    asyncio.run(produce(kafka_settings, [(p, batch(Tick())) for p in range(4)]))
    processor = ProcessorProcess(environment, tmp_path / "1.log")
    second = None
    try:
        wait_for("all are stored", lambda: set(stored_through(database_url).values()) == {1})
        rows(
            database_url,
            "UPDATE stream_offsets SET last_read = jsonb_set(last_read, '{checksum}', '7') "
            f'WHERE "partition" = {ANN} RETURNING 1',
        )
        # Another one joins: partitions are given anew, and read from the last record on.
        script = "import processor.__main__ as p, processor.startup as s\n"
        script += "async def nothing(*_): pass\n"
        script += "s.read_again = nothing\np.main()\n"
        second = ProcessorProcess(environment, tmp_path / "2.log", script=script)
        ended = wait_for(
            "whoever has the partition ends",
            lambda: next((p for p in (processor, second) if p and p.exit_status is not None), None),
        )
        assert ended.exit_status == 1
        assert f"partition {ANN}: at offset 0 Kafka has another record" in ended.log.read_text()
        assert stored_through(database_url)[ANN] == 1
    finally:
        processor.kill()
        if second is not None:
            second.kill()


def test_a_processor_that_runs_looks_back_at_what_it_read_and_ends_if_that_is_gone(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "processor.log"
    with running(kafka_settings, database_url, log, LOOKS_BACK) as processor:
        asyncio.run(produce(kafka_settings, [(p, batch(Tick())) for p in range(4)] * 3))
        wait_for("it looked back", lambda: "saw [2, 2, 2, 2] again" in processor.log)
        asyncio.run(produce(kafka_settings, [(ANN, batch(Tick()))]))
        wait_for("it looked back again", lambda: "saw [2, 2, 2, 3] again" in processor.log)
        assert processor.process.exit_status is None
        (tmp_path / "torn").touch()
        wait_for("it ends", lambda: processor.process.exit_status is not None)
        assert processor.process.exit_status == 70
        assert "Kafka has another record than the one that was processed" in processor.log
