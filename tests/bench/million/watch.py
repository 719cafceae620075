"""What a deployment does under its fleet, minute by minute, and what of it was asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rich.table import Table

from tests.bench.cpu import cpu_seconds
from tests.bench.million.deployment import Deployment, wait_online
from tests.bench.million.fleet import Fleet, Heard
from tests.bench.million.recount import recount
from tests.bench.servers import drained

#: What is aimed at.
MAX_LAG_SECONDS = 2.0
MAX_P99_MS = 250.0
MAX_GROWTH = 1.1
PARTS = ("ingest", "processor", "postgres", "kafka", "fleet")


@dataclass(frozen=True)
class Minute:
    """``shown`` and ``truth`` are of one moment at its end; the rest is of all of it."""

    seconds: float
    heard: Heard
    max_lag_seconds: float
    shown: int
    truth: int
    signs_of_life: int
    cpu_seconds: dict[str, float]
    memory_mb: dict[str, float]

    @property
    def held(self) -> float:
        """Of the beats that were due: those that were answered 200."""
        return self.heard.answered / self.heard.due if self.heard.due else 0.0

    @property
    def per_second(self) -> float:
        return self.signs_of_life / self.seconds

    def cpu_micros(self, part: str) -> float:
        """For each sign of life."""
        return 1e6 * self.cpu_seconds[part] / self.signs_of_life if self.signs_of_life else 0.0


class Watch:
    def __init__(self, deployment: Deployment, fleet: Fleet) -> None:
        self._deployment, self._fleet = deployment, fleet
        self._began = time.monotonic()
        self._cpu = self._cpu_now()
        self._signs = deployment.signs_of_life

    def minute(self, seconds: float, leavers: int = 0) -> Minute:
        """So long under load; then so many log out, and the count is compared."""
        lag = 0.0
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            lag = max(lag, self._deployment.shown()[1])
            time.sleep(min(1.0, left))
        if leavers:
            self._fleet.leave(leavers)
        heard, truth = self._fleet.take(), self._fleet.online
        wait_online(self._deployment, truth, within_seconds=MAX_LAG_SECONDS)
        shown, age = self._deployment.shown()
        now, cpu, signs = time.monotonic(), self._cpu_now(), self._deployment.signs_of_life
        minute = Minute(
            now - self._began,
            heard,
            max(lag, age),
            shown,
            truth,
            signs - self._signs,
            {part: cpu[part] - self._cpu[part] for part in PARTS},
            self._deployment.memory_mb(),
        )
        self._began, self._cpu, self._signs = now, cpu, signs
        return minute

    def _cpu_now(self) -> dict[str, float]:
        return {
            **self._deployment.cpu(),
            "fleet": sum(map(cpu_seconds, self._fleet.pids)),
        }


def tables(minutes: list[Minute], title: str) -> list[Table]:
    """A line for each minute: what was held, and what it took."""
    held = Table("signs/s", "held", "lag s", "p50 ms", "p99 ms", "shown", "truth", title=title)
    took = Table(
        *(f"{part}, µs" for part in PARTS),
        *(f"{part} MB" for part in PARTS[:3]),
        title="cores, and CPU µs a sign of life; memory",
    )
    for minute in minutes:
        held.add_row(
            f"{minute.per_second:,.0f}",
            f"{minute.held:.1%}",
            f"{minute.max_lag_seconds:.1f}",
            *(f"{minute.heard.wait_ms(share):,.0f}" for share in (0.5, 0.99)),
            *(f"{people:,}" for people in (minute.shown, minute.truth)),
        )
        cores = {part: minute.cpu_seconds[part] / minute.seconds for part in PARTS}
        took.add_row(
            *(f"{cores[part]:.2f}  {minute.cpu_micros(part):.0f}" for part in PARTS),
            *(f"{minute.memory_mb[part]:,.0f}" for part in PARTS[:3]),
        )
    return [held, took]


def shortfalls(minutes: list[Minute]) -> list[str]:
    """What was not held, a line each."""
    if not minutes:
        return ["nothing was measured"]
    found = []
    for number, minute in enumerate(minutes, 1):
        if minute.shown != minute.truth:
            found.append(f"minute {number}: {minute.shown:,} are shown, {minute.truth:,} are there")
    worst = max(minute.max_lag_seconds for minute in minutes)
    if worst > MAX_LAG_SECONDS:
        found.append(f"lag {worst:.1f} s, at most {MAX_LAG_SECONDS:g} is aimed at")
    slowest = max(minute.heard.wait_ms(0.99) for minute in minutes)
    if not slowest <= MAX_P99_MS:
        found.append(f"accept p99 {slowest:,.0f} ms, at most {MAX_P99_MS:g} is aimed at")
    due = sum(minute.heard.due for minute in minutes)
    answered = sum(minute.heard.answered for minute in minutes)
    if answered < 0.999 * due:
        found.append(f"{answered / due:.1%} of the rate was held")
    if failed := sum(minute.heard.failed for minute in minutes):
        found.append(f"{failed:,} calls were not answered 200")
    if closed := minutes[-1].heard.closed_sockets:
        found.append(f"{closed:,} sockets were closed")
    for part in ("ingest", "processor"):
        before, after = minutes[0].memory_mb[part], minutes[-1].memory_mb[part]
        if after > MAX_GROWTH * before:
            found.append(f"{part}'s memory grew from {before:,.0f} to {after:,.0f} MB")
    return found


def contradictions(deployment: Deployment, fleet: Fleet, answered: int) -> list[str]:
    """Once the fleet has stopped: where the log, counted again, says another thing than the store,
    the phones, or ingest."""
    drained(deployment.run)
    stored, false = deployment.online, deployment.falsely_offline
    # Sockets go on renewing: the log is read up to between these two.
    at_least = deployment.signs_of_life
    log = recount(deployment.run.kafka_settings)
    at_most = deployment.signs_of_life
    found = []
    if false:
        found.append(f"{false:,} were shown offline, and were there")
    if stored != log.online:
        found.append(f"{len(stored ^ log.online):,} users differ between the store and the log")
    if len(log.online) != fleet.online:
        found.append(f"{len(log.online):,} are online by the log, {fleet.online:,} by the phones")
    if log.events["heartbeat"] < answered:
        found.append(
            f"{answered:,} beats were answered 200, the log has {log.events['heartbeat']:,}"
        )
    if not at_least <= log.signs_of_life <= at_most:
        found.append(
            f"the log has {log.signs_of_life:,} signs of life, ingest tells of {at_least:,}"
        )
    return found
