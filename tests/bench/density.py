"""``make bench-density``: one processor of a deployment for a hundred million users: eight of its
hundred partitions, a million users online in them.

Straight into the store, without Kafka and Faust. Everybody comes online; then another process takes
the partitions over, as after a restart: what it takes to load them, in time, CPU and memory. There
everybody beats at the rate of a fleet, one in so many with another screen, in batches of a second
over all partitions: CPU µs of the processor's own code and of PostgreSQL for each event.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from uuid import UUID

import psutil
import typer
from rich.console import Console

from deploy.local.child import RunningChild
from deploy.local.postgres import LocalPostgres
from processor.core.effects import Effects
from processor.core.effects import Record as Events
from processor.core.log.last_read import LastRead
from processor.core.partition import Partition
from processor.settings import ProcessorSettings
from processor.store.batch import Batch
from processor.store.claim import claim_deployment
from processor.store.store import Store
from schemas.database.migrate import migrate
from schemas.log.events import Heartbeat, partition_of
from tests.bench.cpu import cpu_seconds
from tests.bench.smoke import Smoke, check_measured
from tests.bench.store import EVENTS_PER_RECORD, SCREENS, heartbeat

BEGAN_MS = 1_700_000_000_000
console = Console()


@dataclass(frozen=True)
class Scale:
    users: int
    mine: int
    partitions: int
    seconds_between: float
    seconds: int
    #: One event in so many names another screen.
    navigation_in: int


def people(scale: Scale) -> Iterator[tuple[int, int]]:
    """Numbers of users, each with their partition, which is one of ours."""
    found = 0
    for n in count():
        partition = partition_of(f"user-{n:08d}", scale.partitions)
        if partition < scale.mine:
            yield n, partition
            found += 1
            if found == scale.users:
                return


async def stored(store: Store, states: list[Partition], events: list[list[Heartbeat]]) -> None:
    """A batch of all partitions, a second of log time after the one before."""
    batches = []
    for state, told in zip(states, events, strict=True):
        expected, now_ms = state.next_offset, (state.log_time_ms or BEGAN_MS) + 1_000
        effects = Effects()
        for begin in range(0, len(told), EVENTS_PER_RECORD):
            some = tuple(told[begin : begin + EVENTS_PER_RECORD])
            state.apply(Events(state.next_offset, now_ms, some), effects)
        if state.next_offset == expected:
            continue
        batches.append(
            Batch(
                state=state,
                expected_offset=expected,
                published_through=state.next_offset,
                users=effects.written(state.users),
                heard=effects.only_heard(state.users),
                effects=effects,
                live_screens=state.tally.live.take(),
                last_read=LastRead(state.next_offset - 1, now_ms, 0),
            )
        )
    await store.commit(batches)


async def everybody_online(url: str, scale: Scale) -> None:
    """Within an interval, as a fleet does."""
    store, policy = Store(url), ProcessorSettings().policy
    await claim_deployment(
        store, "events", str(UUID(int=1)), dict.fromkeys(range(scale.partitions), 0)
    )
    states = [Partition(p, scale.partitions, policy, next_offset=0) for p in range(scale.mine)]
    for each in batches_of(scale, "Home"):
        await stored(store, states, each)
    await store.close()


def batches_of(scale: Scale, screen: str | None = None) -> Iterator[list[list[Heartbeat]]]:
    """Everybody once, as many in a batch as come in a second; on ``screen``, or each still there or
    on another one."""
    a_second = max(1, int(scale.users / scale.seconds_between))
    events: list[list[Heartbeat]] = [[] for _ in range(scale.mine)]
    for place, (n, partition) in enumerate(people(scale), 1):
        shown = screen
        if screen is None and place % scale.navigation_in == 0:
            shown = SCREENS[int(time.monotonic_ns()) % len(SCREENS)]
        events[partition].append(heartbeat(n, shown))
        if place % a_second == 0 or place == scale.users:
            yield events
            events = [[] for _ in range(scale.mine)]


async def taken_over(url: str, postgres_pid: int, scale: Scale) -> dict[str, float]:
    """The figures of a process that has just begun."""
    store, policy = Store(url), ProcessorSettings().policy
    await store.connected()
    here, states = psutil.Process(), []
    before, began = here.memory_info().rss, time.monotonic()
    used, used_there = time.process_time(), cpu_seconds(postgres_pid)
    for number in range(scale.mine):
        async with store.load(number) as found:
            state = Partition(
                number,
                scale.partitions,
                policy,
                next_offset=found.next_offset,
                log_time_ms=found.log_time_ms,
                screen_names=found.screen_names,
            )
            async for users in found.online:
                state.load_online(users)
        state.tally.live.restore(found.live_screens)
        states.append(state)
    online = sum(len(state.users) for state in states)
    figures = {
        "online": float(online),
        "load_seconds": time.monotonic() - began,
        "load_processor": 1e6 * (time.process_time() - used) / online,
        "load_postgres": 1e6 * (cpu_seconds(postgres_pid) - used_there) / online,
        "bytes": (here.memory_info().rss - before) / online,
        "resident_mb": here.memory_info().rss / 1e6,
    }
    events, taken, there = 0, 0.0, 0.0
    later = batches_of(scale)
    for _ in range(scale.seconds):
        each = next(later, None)
        if each is None:
            later = batches_of(scale)
            each = next(later)
        used, used_there = time.process_time(), cpu_seconds(postgres_pid)
        await stored(store, states, each)
        taken += time.process_time() - used
        there += cpu_seconds(postgres_pid) - used_there
        events += sum(map(len, each))
    await store.close()
    return {
        **figures,
        "events": float(events),
        "event_processor": 1e6 * taken / events,
        "event_postgres": 1e6 * there / events,
        "core": (taken + there) / scale.seconds,
        "resident_mb_at_the_end": here.memory_info().rss / 1e6,
    }


def measured(url: str, postgres_pid: int, scale: Scale) -> dict[str, float]:
    return asyncio.run(taken_over(url, postgres_pid, scale))


@contextmanager
def postgres(directory: Path) -> Iterator[tuple[str, int]]:
    local = LocalPostgres(directory / "postgres")
    local.prepare()
    server = RunningChild(local.child())
    try:
        asyncio.run(local.wait_ready(120, server))
        migrate(local.dsn)
        yield local.dsn, server.pid
    finally:
        server.stop()


def main(
    users: int = typer.Option(1_000_000, help="Online, in the processor's partitions."),
    mine: int = typer.Option(8, help="Partitions of the processor."),
    partitions: int = typer.Option(100, help="Of the deployment."),
    seconds_between: float = typer.Option(90.0, help="Signs of life of a user."),
    seconds: int = typer.Option(120, help="Of the fleet's time, once all is loaded."),
    navigation_in: int = typer.Option(5, help="One event in so many names another screen."),
    smoke: Smoke = False,
) -> None:
    scale = Scale(users, mine, partitions, seconds_between, seconds, navigation_in)
    if smoke:
        scale = Scale(300, 2, 10, 6, 4, 5)
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as temporary:
        directory = Path(temporary)
        directory.chmod(0o755)
        with postgres(directory) as (url, pid):
            began = time.monotonic()
            asyncio.run(everybody_online(url, scale))
            console.print(
                f"{scale.users:,} users come online in {scale.mine} of {scale.partitions} "
                f"partitions: stored in {time.monotonic() - began:.0f} s. Load of the machine: "
                f"{os.getloadavg()[0]:.1f}."
            )
            # Another process, whose memory is that of a restart.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                figures = pool.submit(measured, url, pid, scale).result()
    check_measured(figures)
    if figures["online"] != scale.users:
        raise SystemExit(f"{figures['online']:,.0f} users were loaded, not {scale.users:,}")
    console.print(
        f"Loaded in {figures['load_seconds']:.1f} s: {figures['load_processor']:.1f} µs a user of "
        f"the processor, {figures['load_postgres']:.1f} of PostgreSQL; {figures['bytes']:,.0f} "
        f"bytes a user, {figures['resident_mb']:,.0f} MB in all "
        f"({figures['resident_mb_at_the_end']:,.0f} at the end)"
    )
    console.print(
        f"{figures['events']:,.0f} events in {scale.seconds} s of the fleet, one in "
        f"{scale.navigation_in} with a screen: {figures['event_processor']:.1f} µs an event of "
        f"the processor, {figures['event_postgres']:.1f} of PostgreSQL; {figures['core']:.2f} of a "
        "core at that rate, without Kafka"
    )


if __name__ == "__main__":
    typer.run(main)
