"""``make test-hostile``: ten minutes of everything that was seen to hurt, beside 500 honest phones.

A real Kafka and PostgreSQL, ingest and the API as processes of their own, the attackers in another
process, the phones in a third. It fails unless all of this holds, and says what did not:

1. No honest call was refused, and their p99 is below a second.
2. Every event of an honest phone that was accepted is in the log.
3. After the first minute the memory of ingest and of the API stays within ± 10 %, and in the second
   half of the time within ± 5 %: what still grows then is a leak.
4. Both still run, and every attack did something.

What happens by chance follows from ``--seed``. With ``--only`` or ``--without`` one attack is
looked at alone, or left out.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Annotated, Any, Final

import psutil
import typer
from rich.console import Console

from schemas.log.events import Heartbeat
from schemas.log.settings import KafkaSettings
from tests.bench.servers import answers, kafka_environment, servers, service
from tests.bench.smoke import Smoke
from tests.hostile.attacks import NAMES
from tests.hostile.log import events_in_log
from tests.hostile.memory import Held, Memory
from tests.hostile.target import Target
from tests.rigs.rig import free_port, wait_for

#: Room that idle connections are to fill; everything else is as it is delivered.
ROOM: Final = {
    "ROLLCALL_MAX_HTTP_CONNECTIONS": "2000",
    # Full within the first minute. By default it takes a hundred thousand, which hides a leak for
    # as long as it fills.
    "ROLLCALL_TOKEN_CACHE_SIZE": "2000",
}
console = Console()


@dataclass(frozen=True)
class Plan:
    """How long, and what counts as flat."""

    seconds: float
    phones: int
    seed: int
    attacks: tuple[str, ...]
    #: Between two calls of a phone: some thousand calls in all.
    interval_seconds: float
    #: Until caches, pools and the attackers' crowds are full.
    settled_seconds: float
    swing: float
    #: In the second half, where nothing fills any more.
    late_swing: float
    p99_ms: float = 1_000.0


@dataclass(frozen=True)
class Outcome:
    """What was seen."""

    ms: list[float]
    refused: dict[str, int]
    accepted: set[tuple[str, str]]
    logged: set[tuple[str, str]]
    memory: dict[str, Held]
    did: dict[str, dict[str, int]]
    ended: list[str]

    @property
    def p99_ms(self) -> float:
        return quantiles(self.ms, n=100)[98] if len(self.ms) > 1 else float("inf")


def observe(plan: Plan) -> Outcome:
    """Start everything, let it run, stop it."""
    with tempfile.TemporaryDirectory(prefix="rollcall-test-") as temporary, ExitStack() as stack:
        directory = Path(temporary)
        run = stack.enter_context(servers(directory, quick_start=True))
        target = Target(free_port(), free_port(), secrets.token_hex(32))
        admin_port, api_admin_port = free_port(), free_port()
        environment = {
            **kafka_environment(run.kafka_settings),
            **ROOM,
            "ROLLCALL_DATABASE_URL": run.database_url,
            "ROLLCALL_JWT_SECRET": target.secret,
            "ROLLCALL_USER_HASH_KEY": target.secret,
            "ROLLCALL_INGEST_PORT": str(target.ingest_port),
            "ROLLCALL_INGEST_ADMIN_PORT": str(admin_port),
            "ROLLCALL_API_PORT": str(target.api_port),
            "ROLLCALL_API_ADMIN_PORT": str(api_admin_port),
        }
        processes = {}
        for name, ready in (
            ("ingest", f"http://127.0.0.1:{admin_port}/readyz"),
            ("api", f"http://127.0.0.1:{target.api_port}/api/online-users-count"),
        ):
            pid = stack.enter_context(service(directory, name, ["-m", name], **environment))
            wait_for(f"{name} is ready", partial(answers, ready))
            started = psutil.Process(pid)
            [processes[name]] = started.children() or [started]  # a fork has no guard
        try:
            with Memory(processes) as memory:
                phones, did = attacked(plan, target)
        finally:
            for name in processes:
                log = (directory / f"{name}.log").read_text(errors="replace").splitlines()
                console.print(f"{name} logged {len(log)} lines, last: {log[-1:]}", markup=False)
        return Outcome(
            phones["ms"],
            phones["refused"],
            {(user, screen) for user, screen in phones["accepted"]},
            logged_by_honest(run.kafka_settings),
            memory.held(plan.settled_seconds),
            did,
            [name for name, process in processes.items() if not process.is_running()],
        )


def attacked(plan: Plan, target: Target) -> tuple[dict[str, Any], dict[str, dict[str, int]]]:
    """What the phones tell, and what the attackers did."""
    attackers = _start("attackers", target.dump(), str(plan.seed), *plan.attacks)
    try:
        arguments = (plan.seed, plan.seconds, plan.phones, plan.interval_seconds)
        phones = _start("phones", target.dump(), *map(str, arguments))
        try:
            told, _ = phones.communicate(timeout=plan.seconds + 120)
        finally:
            phones.kill()
        attackers.terminate()
        did, _ = attackers.communicate(timeout=60)
    finally:
        attackers.kill()
    if phones.returncode or attackers.returncode:
        raise SystemExit("the phones or the attackers failed: see above")
    return json.loads(told), json.loads(did)


def _start(module: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"tests.hostile.{module}", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def logged_by_honest(kafka: KafkaSettings) -> set[tuple[str, str]]:
    """User and screen of each heartbeat of an honest phone that is in the log."""
    return {
        (event.user, event.screen or "")
        for event in asyncio.run(events_in_log(kafka))
        if isinstance(event, Heartbeat) and event.user.startswith("honest-")
    }


def faults(plan: Plan, seen: Outcome) -> list[str]:
    """What does not hold, a line each."""
    missing = seen.accepted - seen.logged
    found = [
        *(f"refused {count} times: {why}" for why, count in sorted(seen.refused.items())),
        *([f"p99 of honest calls is {seen.p99_ms:.0f} ms"] if seen.p99_ms >= plan.p99_ms else []),
        *([f"{len(missing)} accepted events are not in the log"] if missing else []),
        *(
            f"memory of {name} is not flat{when}: {span.least:.0f} to {span.most:.0f} MB,"
            f" ± {span.swing:.1%}, at most ± {most:.0%}"
            for name, held in seen.memory.items()
            for when, span, most in (
                ("", held.settled, plan.swing),
                (" in the second half", held.second_half, plan.late_swing),
            )
            if span.swing > most
        ),
        *(f"{name} has ended" for name in seen.ended),
        *(f"{name} did nothing" for name, did in seen.did.items() if not sum(did.values())),
    ]
    if not seen.accepted or not seen.memory:
        found.append("nothing was measured")
    return found


def _range(name: str, held: Held) -> str:
    all_of_it, half = held.settled, held.second_half
    return (
        f"{name} {all_of_it.least:.0f} to {all_of_it.most:.0f} MB (± {all_of_it.swing:.1%},"
        f" second half ± {half.swing:.1%})"
    )


def main(
    seconds: float = 600,
    phones: int = 500,
    seed: int = 1,
    only: Annotated[list[str] | None, typer.Option(help="This attack alone.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="All but this attack.")] = None,
    smoke: Smoke = False,
) -> None:
    """Attack a stack of its own, and fail if an honest phone noticed."""
    unknown = {*(only or []), *(without or [])} - {*NAMES}
    if unknown:
        raise SystemExit(f"no attack {', '.join(unknown)}: take {', '.join(NAMES)}")
    attacks = tuple(n for n in NAMES if n in (only or NAMES) and n not in (without or []))
    if smoke:
        # What is full after a minute is not after seconds, and the beginning is most of it: what
        # stops a door shows, and what leaks by its size.
        plan = Plan(10, phones, seed, attacks, 3, 5, 0.5, 0.5, p99_ms=5_000)
    else:
        plan = Plan(seconds, phones, seed, attacks, 8, min(60, seconds / 3), 0.1, 0.05)
    seen = observe(plan)
    for name, did in seen.did.items():
        told = ", ".join(f"{count} {what}" for what, count in sorted(did.items()))
        console.print(f"{name}: {told}", markup=False, highlight=False)
    console.print(
        f"{len(seen.ms)} honest calls, p99 {seen.p99_ms:.0f} ms; {len(seen.accepted)} events"
        f" accepted, {len(seen.accepted & seen.logged)} of them in the log; resident: "
        + ", ".join(_range(n, h) for n, h in seen.memory.items()),
        highlight=False,
    )
    for name, held in seen.memory.items():
        minutes = " ".join(f"{mb:.0f}" for mb in held.by_minute)
        console.print(f"{name}, MB by minute: {minutes}", highlight=False)
    found = faults(plan, seen)
    for line in found:
        console.print(f"✗ {line}", markup=False, highlight=False)
    if found:
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
