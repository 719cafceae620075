"""``make bench-capacity``: what a user, a visit and a heartbeat take in memory and on disk.

What docs/operations.md plans with. Memory: resident size of a process that holds so many users
online. Disk: a made-up day of people who go from screen to screen is replayed through Kafka and a
processor, and each table is measured with its indexes. Kafka: records as ingest makes them.
"""

from __future__ import annotations

import csv
import gzip
import os
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from random import Random

import cramjam
import psutil
import typer
from rich.console import Console
from rich.table import Column, Table

from processor.core.effects import Effects, Record
from processor.core.partition import Partition
from processor.settings import ProcessorSettings
from schemas.log.events import Heartbeat, encode_batch
from tests.bench.servers import Servers, kafka_environment, rows_outside_transaction, servers
from tests.bench.smoke import Smoke, check_measured
from tests.rigs.rig import ProcessorProcess, rows, wait_for

DAY = datetime(2026, 3, 2, tzinfo=UTC)
SCREENS = [f"Screen {n:02}" for n in range(40)]
VISITS_PER_SESSION = 10
EVENTS_PER_RECORD = 100
#: Of a batch of one record, beside its compressed value.
RECORD_OVERHEAD_BYTES = 75
console = Console()


def heartbeat(n: int, screen: str | None) -> Heartbeat:
    """Of one of so many phones, as the published integration sends it."""
    return Heartbeat(
        user=f"user-{n:08d}",
        token=f"sha256:{urlsafe_b64encode(sha256(b'%d' % n).digest()[:16]).decode().rstrip('=')}",
        name=f"First{n % 977} Last{n % 7919}",
        device_info=f"Pixel {n % 9} / Android {12 + n % 4}",
        platform="android",
        app_version=f"4.{n % 13}.{n % 5}",
        screen=screen,
    )


def memory_bytes_per_user(users: int) -> float:
    """Of a processor for each user online, with one device over HTTP."""
    process = psutil.Process()
    policy = ProcessorSettings().policy
    partition = Partition(0, 1, policy, next_offset=0)
    before = process.memory_info().rss
    for offset, first in enumerate(range(0, users, EVENTS_PER_RECORD)):
        events = tuple(
            heartbeat(n, SCREENS[n % len(SCREENS)]) for n in range(first, first + EVENTS_PER_RECORD)
        )
        partition.apply(Record(offset, 1_000_000 + offset, events), Effects())
    assert partition.tally.foreground == users
    return (process.memory_info().rss - before) / users


def kafka_bytes_per_heartbeat(random: Random) -> float:
    """In a record of a hundred, as the broker stores it: of one replica."""
    records = 50
    size = 0
    for _ in range(records):
        people = random.sample(range(1_000_000), EVENTS_PER_RECORD)
        # One heartbeat in five tells another screen.
        told = [random.choice(SCREENS) if random.random() < 0.2 else None for _ in people]
        events = [heartbeat(n, screen) for n, screen in zip(people, told, strict=True)]
        size += RECORD_OVERHEAD_BYTES + len(cramjam.lz4.compress(encode_batch(events)))
    return size / records / EVENTS_PER_RECORD


def write_day(file: Path, users: int, visits: int, random: Random) -> None:
    """A day of ``users`` people with ``visits`` each, in sessions of ten screens, as CSV."""
    with gzip.open(file, "wt", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["user", "screen", "time", "platform"])
        for n in range(users):
            screen = random.choice(SCREENS)
            for _ in range(max(1, visits // VISITS_PER_SESSION)):
                at = DAY + timedelta(seconds=random.uniform(0, 23 * 3600))
                for _ in range(min(visits, VISITS_PER_SESSION)):
                    screen = random.choice([name for name in SCREENS if name != screen])
                    out.writerow([f"user-{n:08d}", screen, at.isoformat(), "android"])
                    at += timedelta(seconds=random.expovariate(1 / 20))


@contextmanager
def replayed_day(running: Servers, directory: Path, file: Path) -> Iterator[str]:
    """URL of a database in which a processor has stored that day, rolled up."""
    rows_outside_transaction(running.database_url, "CREATE DATABASE day")
    url = running.database_url.rpartition("/")[0] + "/day"
    environment = {
        **os.environ,
        **kafka_environment(running.kafka_settings),
        "ROLLCALL_DATABASE_URL": url,
        "ROLLCALL_ALLOW_CREATE_TIME": "1",
        "ROLLCALL_TOPIC_PREFIX": "replay.",
        "ROLLCALL_PARTITIONS": "2",
        "ROLLCALL_OFFLINE_AFTER_SECONDS": "300",
        "ROLLCALL_OUTAGE_GAP_SECONDS": "60",
        "ROLLCALL_CLIENT_INTERVAL_SECONDS": "1e12",
        **{
            f"ROLLCALL_{kept}_RETENTION_DAYS": "36500"
            for kept in ("CHANGES", "SPANS", "SAMPLES", "MINUTES", "USER_DAYS", "ROLLUPS")
        },
    }
    columns = ["--user", "user", "--screen", "screen", "--time", "time", "--platform", "platform"]
    for command in (["migrate"], ["topics"], ["replay", str(file), *columns]):
        subprocess.run(
            [sys.executable, "-m", "deploy.cli", *command],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    processor = ProcessorProcess(environment, directory / "processor.log")
    try:
        rolled_up = (
            "SELECT 1 FROM rollup_progress WHERE rollup = 'days' AND through > '2026-03-02'::date"
        )
        wait_for("the day is stored and rolled up", lambda: rows(url, rolled_up), 1800)
        yield url
    finally:
        processor.stop()


TABLE_SIZES = """
SELECT parent.relname, sum(pg_total_relation_size(part.oid))::bigint
FROM pg_class AS parent
LEFT JOIN pg_inherits ON inhparent = parent.oid
JOIN pg_class AS part ON part.oid = coalesce(inhrelid, parent.oid)
WHERE parent.relkind IN ('r', 'p') AND NOT parent.relispartition
  AND parent.relnamespace = 'public'::regnamespace
GROUP BY 1 ORDER BY 2 DESC
"""


def main(
    users: int = typer.Option(3000, help="People of the made-up day."),
    visits: int = typer.Option(60, help="Visits of each."),
    online: int = typer.Option(200_000, help="Users online in memory."),
    smoke: Smoke = False,
) -> None:
    if smoke:
        users, visits, online = 20, 10, 200
    random = Random(20261125)
    console.print(
        f"Processor: {memory_bytes_per_user(online):,.0f} bytes of memory for each user online "
        f"(of {online:,})"
    )
    console.print(
        f"Kafka: {kafka_bytes_per_heartbeat(random):,.0f} bytes a heartbeat and replica, in "
        f"records of {EVENTS_PER_RECORD}"
    )
    table = Table(
        Column("table"),
        *(Column(name, justify="right") for name in ("rows", "bytes a row", "rows a visit", "MB")),
        title=f"PostgreSQL, with indexes: {users:,} users with {visits} visits on one day",
    )
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rollcall-bench-")))
        running = stack.enter_context(servers(directory, quick_start=smoke))
        file = directory / "day.csv.gz"
        write_day(file, users, visits, random)
        [(wal_before,)] = rows(running.database_url, "SELECT pg_current_wal_lsn() - '0/0'")
        started = time.monotonic()
        url = stack.enter_context(replayed_day(running, directory, file))
        console.print(f"Stored and rolled up in {time.monotonic() - started:.0f} s")
        [(wal_bytes,)] = rows(url, "SELECT pg_current_wal_lsn() - '0/0'")
        console.print(
            f"PostgreSQL's log: {(wal_bytes - wal_before) / users / visits:,.0f} bytes a visit"
        )
        changes = sum(
            segment.stat().st_size
            for segment in running.kafka_storage.glob("replay.presence.changes-*/*.log")
        )
        [(published,)] = rows(url, "SELECT count(*) FROM changes")
        console.print(f"Kafka: {changes / published:,.0f} bytes a change on presence.changes")
        for name, size in rows(url, TABLE_SIZES):
            [(count,)] = rows(url, f'SELECT count(*) FROM "{name}"')
            if count:
                check_measured({name: size / count})
                table.add_row(
                    *(name, f"{count:,}", f"{size / count:,.0f}"),
                    *(f"{count / users / visits:.2f}", f"{size / 1e6:,.1f}"),
                )
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
