"""The release before this round at the log and the database of this one, as while a deployment is
upgraded: its own code, from Git."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.log.events import Heartbeat, OptOut, Tick, encode_batch, partition_of
from schemas.log.settings import KafkaSettings
from tests.rigs.privacy_rig import running_processor, traces
from tests.rigs.rig import batch, processor_environment, produce, rows, wait_for

#: The last commit before event version 2 was read.
BEFORE = "2f43560"
ROOT = Path(__file__).parents[2]
ADA = "ada-1c55b9e0"


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
def processor_before(
    release_before: Path, kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """It, running, and its log."""
    log = tmp_path / "before.log"
    environment = {
        **os.environ,
        **processor_environment(kafka_settings, database_url),
        "ROLLCALL_PROCESSOR_ADMIN_PORT": "0",
        "PYTHONPATH": str(release_before),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "processor"],
            cwd=release_before,
            env=environment,
            stdout=output,
            stderr=output,
        )
        yield process, log
        process.kill()
        process.wait()


def test_it_reads_what_this_release_writes_and_leaves_an_opt_out_to_its_successor(
    kafka_settings: KafkaSettings,
    database_url: str,
    processor_before: tuple[subprocess.Popen[bytes], Path],
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
