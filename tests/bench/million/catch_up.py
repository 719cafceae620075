"""``make bench-catch-up``: processors stopped for ten minutes under that fleet, then started again.

Aimed at: they store what waited, and what goes on coming, at five times the rate at which it comes
or better, and nobody was shown offline who was there.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import Annotated

import typer

from tests.bench.million.__main__ import SMALLEST, Scale, begun, console, told
from tests.bench.million.deployment import wait_online
from tests.bench.million.watch import MAX_LAG_SECONDS, contradictions
from tests.bench.smoke import Smoke
from tests.bench.sockets import allow_open_files
from tests.rigs.rig import wait_for

TIMES_THE_RATE = 5.0
#: Beyond these it hangs, or is slower than what comes.
MAX_START_SECONDS = 300.0


def main(
    users: int = 1_000_000,
    minutes_away: float = 10.0,
    seconds_between: float = 90.0,
    sockets: Annotated[int, typer.Option(help="At most; the rest are kept alive.")] = 2_000,
    processors: int = 1,
    smoke: Smoke = False,
) -> None:
    allow_open_files()
    scale = SMALLEST if smoke else Scale(users, 0, seconds_between, sockets)
    away_seconds = 3.0 if smoke else 60 * minutes_away
    with ExitStack() as stack:
        run, running, answered = begun(stack, scale, processors)
        run.stop_processors()
        stopped, signs = time.monotonic(), run.signs_of_life
        time.sleep(away_seconds)
        started, old = time.monotonic(), run.shown()[1]
        run.start_processors(processors)
        wait_for(
            "the first record is stored",
            lambda: run.shown()[1] < old + time.monotonic() - started - 0.1,
            seconds=MAX_START_SECONDS,
        )
        storing, waiting = time.monotonic(), run.signs_of_life - signs
        wait_for(
            "the count is current",
            lambda: run.shown()[1] <= MAX_LAG_SECONDS,
            seconds=MAX_START_SECONDS + away_seconds,
        )
        current, came = time.monotonic(), run.signs_of_life - signs
        heard = running.take()
        wait_online(run, running.online, within_seconds=MAX_LAG_SECONDS)
        shown = run.shown()[0]
        running.stop()
        answered += heard.answered + running.take().answered
        short = contradictions(run, running, answered)
        truth = running.online
    rate = came / (current - stopped)
    stored = came / (current - storing)
    console.print(
        f"Away for {started - stopped:.0f} s at {rate:,.0f} signs of life a second: {waiting:,} "
        f"waited. The first was stored {storing - started:.1f} s after the start, the count was "
        f"current {current - started:.1f} s after it. Stored: {stored:,.0f} a second, "
        f"{stored / rate:.1f} times the rate; {came / (current - started):,.0f} with the start "
        f"counted. Accept p99 {heard.wait_ms(0.99):,.0f} ms, {heard.failed:,} calls not answered "
        f"200. Load of the machine: {os.getloadavg()[0]:.1f}."
    )
    if shown != truth:
        short.append(f"{shown:,} are shown, {truth:,} are there")
    if stored < TIMES_THE_RATE * rate and not smoke:
        short.append(f"{stored / rate:.1f} times the rate, {TIMES_THE_RATE:g} is aimed at")
    told(short, "Processors caught up, and nobody was shown offline who was there")


if __name__ == "__main__":
    typer.run(main)
