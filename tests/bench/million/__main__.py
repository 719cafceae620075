"""``make bench-million``: a million users online, a sign of life every 90 s each, beside the load
generator on the same machine.

A third each: HTTP kept alive, a connection for each heartbeat, sockets with renewals (as many as
there are open files; the rest are kept alive, and it says so). Everybody comes online within the
first interval, or within ``--arrival-seconds``, and beats once more, until no calls wait behind
that. Then, minute by minute: the share of the rate that was held, the greatest age of what is
shown, how long calls waited from when they were due, and whether the count is that of the phones,
some of whom log out each minute. It ends with a recount of the log. What falls short is said, and
the exit status is 1; so is what the kernel dropped, which no part of ours can mend.

``--processors 1,2,4`` does it with so many processors, one after the other, and compares the CPU.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.bench.million.deployment import PARTITIONS, Deployment, deployment, wait_online
from tests.bench.million.fleet import CONNECTIONS, INTERPRETER, Fleet, fleet, shares
from tests.bench.million.kernel import packets
from tests.bench.million.watch import MAX_P99_MS, Minute, Watch, contradictions, shortfalls, tables
from tests.bench.smoke import Smoke
from tests.bench.sockets import allow_open_files

#: Of an event's CPU with one processor, in the processors and PostgreSQL.
MAX_DEARER = 1.1
#: Whether calls wait behind the arrival is asked so often, for so many intervals at most.
LOOKS_AN_INTERVAL, MOST_INTERVALS = 9, 4
#: A file takes what is as wide as the tables.
console = Console(width=None if sys.stdout.isatty() else 110)


@dataclass(frozen=True)
class Scale:
    users: int
    minutes: int
    seconds_between: float
    most_sockets: int = 1_000_000
    minute_seconds: float = 60.0
    quick_start: bool = False
    #: Within which everybody comes online: one interval at least.
    arrival_seconds: float = 0.0
    #: Of ingest.
    workers: int = 1

    @property
    def leavers(self) -> int:
        """Who log out each minute."""
        return max(1, self.users // 10_000)


SMALLEST = Scale(users=300, minutes=2, seconds_between=3, minute_seconds=3, quick_start=True)


def begun(stack: ExitStack, scale: Scale, processors: int) -> tuple[Deployment, Fleet, int]:
    """A deployment with everybody online, its fleet, and how many beats were answered by then."""
    who = shares(scale.users, scale.most_sockets)
    console.print(
        f"{scale.users:,} users, a sign of life every {scale.seconds_between:g} s: "
        f"{scale.users / scale.seconds_between:,.0f} a second. {who.kept_alive:,} over "
        f"{CONNECTIONS:,} connections kept alive, {who.one_each:,} with a connection for each "
        f"call, {who.sockets:,} sockets; the first under {Path(INTERPRETER).name}. "
        f"{PARTITIONS} partitions, processors: {processors}, workers of ingest: {scale.workers}. "
        f"Load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores."
    )
    run = stack.enter_context(
        deployment(
            scale.users,
            scale.seconds_between,
            processors,
            scale.workers,
            quick_start=scale.quick_start,
        )
    )
    arrival = max(scale.arrival_seconds, scale.seconds_between)
    running = stack.enter_context(
        fleet(run.ingest.port, run.secret, who, scale.seconds_between, arrival)
    )
    time.sleep(arrival)
    seconds = wait_online(run, scale.users, within_seconds=scale.seconds_between)
    console.print(
        f"Everybody comes online in {arrival:g} s: {run.shown()[0]:,} are shown "
        f"{seconds:.1f} s later. Load of the machine: {os.getloadavg()[0]:.1f}."
    )
    return run, running, _settled(running, scale.seconds_between)


def _settled(running: Fleet, seconds_between: float) -> int:
    """How many beats were answered until calls did not wait behind the arrival any more: one
    interval at least, and then as long as it weighs."""
    began, answered = time.monotonic(), 0
    look_seconds = seconds_between / LOOKS_AN_INTERVAL
    while True:
        time.sleep(look_seconds)
        heard = running.take()
        answered += heard.answered
        seconds = time.monotonic() - began
        waits_ms = heard.wait_ms(0.99)
        in_time = not waits_ms > MAX_P99_MS  # without a call, too
        if seconds >= seconds_between and (in_time or seconds >= MOST_INTERVALS * seconds_between):
            break
    console.print(
        f"Measured from {seconds:.0f} s after that: of the calls of the last {look_seconds:.3g} s, "
        f"99 % were answered within {waits_ms:,.0f} ms."
    )
    return answered


def measured(scale: Scale, processors: int) -> tuple[list[Minute], list[str]]:
    """The minutes, and what the recount contradicts."""
    before = packets()
    with ExitStack() as stack:
        run, running, answered = begun(stack, scale, processors)
        watch = Watch(run, running)
        minutes = [watch.minute(scale.minute_seconds, scale.leavers) for _ in range(scale.minutes)]
        running.stop()
        answered += sum(minute.heard.answered for minute in minutes) + running.take().answered
        for each in tables(minutes, f"Processors: {processors}; a line for each minute"):
            console.print(each)
        seen = packets() - before
        if seen.not_let_in or seen.not_tracked:
            console.print(f"The kernel of this machine: {seen}.")
        return minutes, contradictions(run, running, answered)


def told(short: list[str], held: str = "Everything that is aimed at was held") -> None:
    """Say what fell short, or what was ``held``; end with the status."""
    for line in short or [f"{held}; the recount of the log agrees."]:
        console.print(line)
    raise SystemExit(bool(short))


def micros(minutes: list[Minute]) -> float:
    """CPU µs of the processors and PostgreSQL for each sign of life."""
    spent = sum(m.cpu_seconds["processor"] + m.cpu_seconds["postgres"] for m in minutes)
    return 1e6 * spent / max(1, sum(minute.signs_of_life for minute in minutes))


def main(
    users: int = 1_000_000,
    minutes: int = 10,
    seconds_between: float = 90.0,
    sockets: Annotated[int, typer.Option(help="At most; the rest are kept alive.")] = 1_000_000,
    processors: Annotated[str, typer.Option(help="So many, one run after the other.")] = "1",
    arrival_seconds: Annotated[
        float, typer.Option(help="Everybody comes within; 0: one interval.")
    ] = 0,
    workers: Annotated[int, typer.Option(help="Processes of ingest.")] = 1,
    smoke: Smoke = False,
) -> None:
    allow_open_files()
    scale = (
        SMALLEST
        if smoke
        else Scale(
            users,
            minutes,
            seconds_between,
            sockets,
            arrival_seconds=arrival_seconds,
            workers=workers,
        )
    )
    short: list[str] = []
    costs: dict[int, float] = {}
    for count in [int(number) for number in processors.split(",")]:
        found, wrong = measured(scale, count)
        costs[count] = micros(found)
        # In seconds there is no rate to hold and no memory to be flat.
        short += wrong if smoke else [*shortfalls(found), *wrong]
    first, *others = costs
    for count in others:
        dearer = costs[count] / costs[first]
        console.print(
            f"Processors: {count}: {costs[count]:.1f} µs of the processors and PostgreSQL for a "
            f"sign of life, {dearer:.2f} of {costs[first]:.1f}"
        )
        if dearer > MAX_DEARER and not smoke:
            short.append(f"{count} processors cost {dearer:.2f} of {first}, at most {MAX_DEARER:g}")
    told(short)


if __name__ == "__main__":
    typer.run(main)
