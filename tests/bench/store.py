"""``make bench-store``: what a heartbeat that changes nothing costs the processor's own code and
PostgreSQL, straight into the store: without Kafka and Faust.

Three ways in turns, each with a PostgreSQL of its own: whole rows of ``presence``, as before signs
of life were told apart; their columns in ``presence``; and ``signs_of_life``, narrow rows of their
own. A pass has every user once, in an order of chance, so many in a batch. Then come passes in
which everybody goes to another screen. CPU is that of all of a server's processes.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from unittest.mock import patch
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from deploy.local.child import RunningChild
from deploy.local.postgres import LocalPostgres
from processor.core import partition as partition_module
from processor.core.analytics.screen_names import ScreenNames
from processor.core.effects import Effects
from processor.core.effects import Record as Events
from processor.core.log.last_read import LastRead
from processor.core.partition import Partition
from processor.settings import ProcessorSettings
from processor.store.batch import Batch
from processor.store.claim import claim_deployment
from processor.store.store import Store
from schemas.database.migrate import migrate
from schemas.log.events import Heartbeat
from tests.bench.cpu import cpu_seconds
from tests.bench.smoke import Smoke, check_measured
from tests.rigs.rig import rows

EVENTS_PER_RECORD = 100
#: Log time of a pass: a heartbeat interval.
PASS_MS = 90_000
WHOLE_ROWS, TOGETHER, APART = "whole rows", "together", "apart"
SCREENS = [f"Screen {n:02}" for n in range(40)]
TABLES = ("presence", "signs_of_life")
SIZE = """
SELECT n_tup_upd, n_tup_hot_upd, pg_table_size(relid) FROM pg_stat_user_tables WHERE relname = %s
"""
LIVE = "SELECT coalesce(sum(pg_column_size(t.*) + 4), 0)::bigint FROM {} AS t"
console = Console()


@dataclass
class Way:
    """A store, the partition that goes into it, and CPU seconds so far, by what they were for."""

    name: str
    server: RunningChild
    url: str
    store: Store
    partition: Partition
    events: int = 0
    processor: dict[str, float] = field(default_factory=dict)
    postgres: dict[str, float] = field(default_factory=dict)
    #: By what had been going on and table: updates since the last look, and its size.
    tables: dict[tuple[str, str], str] = field(default_factory=dict)
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict)

    async def run(self, what: str, batches: list[list[Heartbeat]], step_ms: float) -> None:
        """A pass of so many batches, each ``step_ms`` of log time after the one before."""
        began_there, began = cpu_seconds(self.server.pid), time.process_time()
        for batch in batches:
            await self._store(batch, step_ms)
        here, there = time.process_time() - began, cpu_seconds(self.server.pid) - began_there
        self.processor[what] = self.processor.get(what, 0.0) + here
        self.postgres[what] = self.postgres.get(what, 0.0) + there

    async def look(self, what: str) -> None:
        """How its tables are now, after passes of ``what``."""
        connection = await self.store.connected()
        await connection.execute("SELECT pg_stat_force_next_flush()")
        await connection.commit()
        for name in TABLES:
            [(updates, hot, size)] = rows(self.url, SIZE, name)
            [(live,)] = rows(self.url, LIVE.format(name))
            before = self._seen.get(name, (0, 0))
            self._seen[name] = (updates, hot)
            updates, hot = updates - before[0], hot - before[1]
            told = [f"{hot / updates:.0%} HOT"] if updates else []
            if live:
                told += [f"{size / 1e6:.0f} MB", f"{size / live:.2f} of its rows"]
            self.tables[what, name] = ", ".join(told) or "empty"

    async def _store(self, events: list[Heartbeat], step_ms: float) -> None:
        state = self.partition
        expected, now_ms = state.next_offset, int((state.log_time_ms or 0) + step_ms)
        effects = Effects()
        for begin in range(0, len(events), EVENTS_PER_RECORD):
            told = tuple(events[begin : begin + EVENTS_PER_RECORD])
            state.apply(Events(state.next_offset, now_ms, told), effects)
        batch = Batch(
            state=state,
            expected_offset=expected,
            published_through=expected,
            users=effects.written(state.users),
            heard=effects.only_heard(state.users),
            effects=effects,
            live_screens=state.tally.live.take(),
            last_read=LastRead(state.next_offset - 1, now_ms, 0),
        )
        await self.store.commit([batch])


def heartbeat(n: int, screen: str | None) -> Heartbeat:
    return Heartbeat(
        user=f"user-{n:08d}",
        token=f"sha256:{n:022d}",
        name=f"First{n % 977} Last{n % 7919}",
        device_info=f"Pixel {n % 9} / Android {12 + n % 4}",
        platform="android",
        app_version=f"4.{n % 13}.{n % 5}",
        screen=screen,
    )


@contextmanager
def ways(directory: Path) -> Iterator[list[Way]]:
    with ExitStack() as stack:
        found = []
        for name in (WHOLE_ROWS, TOGETHER, APART):
            postgres = LocalPostgres(directory / name.replace(" ", "-"))
            postgres.prepare()
            server = RunningChild(postgres.child())
            stack.callback(server.stop)
            asyncio.run(postgres.wait_ready(120, server))
            migrate(postgres.dsn)
            state = Partition(
                0, 1, ProcessorSettings().policy, next_offset=0, screen_names=ScreenNames()
            )
            found.append(Way(name, server, postgres.dsn, Store(postgres.dsn), state))
        yield found


async def measure(found: list[Way], users: int, size: int, passes: int) -> None:
    random = Random(33)
    for way in found:
        await claim_deployment(way.store, "events", str(UUID(int=1)), {0: 0})
        if way.name != APART:
            connection = await way.store.connected()
            await connection.execute("UPDATE deployment SET signs_of_life = 'together'")
            await connection.commit()
        way.partition.log_time_ms = 1_700_000_000_000
    everybody = list(range(users))
    screens = [random.choice(SCREENS) for _ in everybody]
    kinds = ["began", "began the table", *["heartbeat"] * passes, *["navigation"] * passes]
    for what in kinds:
        random.shuffle(everybody)
        if what == "navigation":
            screens = [random.choice([s for s in SCREENS if s != was]) for was in screens]
        told = [heartbeat(n, screens[n]) for n in everybody]
        batches = [told[n : n + size] for n in range(0, users, size)]
        for way in found:
            gc.collect()
            # Whole rows for everybody, as if no event were a sign of life and nothing else.
            with ExitStack() as stack:
                if way.name == WHOLE_ROWS:
                    for decided in ("is_flat", "only_heard"):
                        stack.enter_context(
                            patch.object(partition_module, decided, lambda *_: False)
                        )
                await way.run(what, batches, PASS_MS / len(batches))
            await way.look(what)
    for way in found:
        await way.store.close()


def main(
    users: int = 200_000, batch: int = 5_000, passes: int = 3, *, smoke: Smoke = False
) -> None:
    if smoke:
        users, batch, passes = 200, 100, 1
    table = Table("", "CPU µs", WHOLE_ROWS, TOGETHER, APART)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory, ways(Path(directory)) as found:
        asyncio.run(measure(found, users, batch, passes))
        events = users * passes
        for what in ("heartbeat", "navigation"):
            for part in ("processor", "postgres"):
                cells = [1e6 * getattr(way, part)[what] / events for way in found]
                table.add_row(f"a {what}", part, *(f"{cell:.1f}" for cell in cells))
                figures[f"{what} {part}"] = sum(cells)
            for name in TABLES:
                table.add_row(f"after a {what}", name, *(way.tables[what, name] for way in found))
    check_measured(figures)
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
