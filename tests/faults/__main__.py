"""``make test-faults``: twenty minutes of faults, one after the other, under a fleet of phones.

Real Kafka (one broker, or with ``--brokers 3`` three) and PostgreSQL, two ingests, two processors
and the API as processes of their own; phones go on through everything.

A round is a pause, one fault, and the time until all are ready again and
less than two seconds behind. Then all of this must hold:

1. `rollcall audit`, in a process of its own, finds no difference.
2. Every event that was acknowledged is in the log, at most as often as it was sent; but for what
   the fault itself took, which is counted apart.
3. No phone was shown offline while it was there, or heard of within offline_after.

Every kind comes before one comes again. What happens by chance follows from ``--seed``; at which
event of a fleet a fault falls does not.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import tempfile
import time
import traceback
from pathlib import Path
from typing import Annotated, Final

import psycopg
import typer
from aiokafka.errors import KafkaError
from rich.console import Console

from tests.ending import end_by_sigterm
from tests.faults.brokers import THREE
from tests.faults.fleet import Fleet
from tests.faults.judge import Judge, Loss, Verdict
from tests.faults.kinds import Kind, Round, all_kinds
from tests.faults.links import Background
from tests.faults.names import BEAT_SECONDS, INGESTS
from tests.faults.recount import Recount
from tests.faults.report import Outcome, table, write_json
from tests.faults.stack import Stack, until

RECOVERY_SECONDS: Final = 90.0
#: Each begins and ends within seconds, and together they are under 45 s.
SMOKE: Final = ("kill-processor", "poison")
PHONES: Final = 60
PHONES_OF_SMOKE: Final = 20
console = Console()


def say(line: str) -> None:
    """A line as it is, however wide."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def plan(kinds: list[Kind], chance: random.Random, rounds: int) -> list[Kind]:
    """Each kind once, in an order of chance, then each again."""
    planned: list[Kind] = []
    while len(planned) < rounds:
        planned += chance.sample(kinds, len(kinds))
    return planned[:rounds]


def one_round(
    number: int, kind: Kind, seed: int, stack: Stack, fleet: Fleet, judge: Judge, round_: Round
) -> Outcome:
    """A fault, recovery, the verdict."""
    said: list[str] = []
    began = time.monotonic()
    loss = Loss()
    try:
        loss = kind.act(round_) or loss
    except Exception:  # noqa: BLE001 - the round is judged all the same
        said.append(traceback.format_exc())
    fault_seconds = time.monotonic() - began
    over_at = time.time()
    recovery = recovered(stack, round_.recount)
    if recovery is None:
        said += stack.not_ready()
    try:
        verdict = judge.verdict(loss, over_at)
    except Exception:  # noqa: BLE001 - the other rounds go on
        verdict = Verdict(said=[traceback.format_exc()])
    said += verdict.said + [f"a phone ended: {error!r}" for error in fleet.failed]
    holds = verdict.holds and recovery is not None and not fleet.failed
    return Outcome(
        number,
        kind.name,
        round_.chosen,
        seed,
        round(fault_seconds, 1),
        None if recovery is None else round(recovery, 1),
        verdict.differences,
        verdict.acknowledged,
        verdict.missing,
        verdict.taken,
        verdict.repeated,
        verdict.false_offline,
        verdict.in_part,
        holds and not any("Traceback" in line for line in said),
        said,
    )


def recovered(stack: Stack, recount: Recount) -> float | None:
    """Seconds until all are ready, less than ``LAG_SECONDS`` behind, and have stored what was in
    the log then; ``None`` if that does not come."""

    def stored(ends: dict[int, int]) -> bool:
        next_offsets = stack.next_offsets()
        return all(next_offsets.get(number, 0) >= end for number, end in ends.items())

    def settled() -> bool:
        if stack.not_ready():
            return False
        try:
            ends = recount.go_on()
            # What is noticed only now makes it begin again.
            return until(lambda: stored(ends), 10) is not None and not stack.not_ready()
        except (KafkaError, OSError, TimeoutError, psycopg.Error):
            return False

    return until(settled, RECOVERY_SECONDS)


def run(
    directory: Path,
    kinds: list[Kind],
    rounds: int,
    minutes: float,
    seed: int,
    brokers: int,
    phones: int,
) -> list[Outcome]:
    """The rounds, as many as there is time for."""
    outcomes: list[Outcome] = []
    background = Background()
    stack = Stack(directory, background, brokers)
    try:
        here = [kind for kind in kinds if kind.missing(stack) is None]
        for kind in kinds:
            if (why := kind.missing(stack)) is not None:
                say(f"not here: {kind.name}: {why}")
        if not here:
            return outcomes
        doors = [stack.links[f"phones to {name}"] for name in INGESTS]
        fleet = Fleet(phones, doors, stack.secret, seed, BEAT_SECONDS, background)
        fleet.start()
        recount = Recount(stack.kafka_settings)
        judge = Judge(stack, fleet, recount)
        chance = random.Random(f"{seed} rounds")
        until(lambda: len(fleet.truth.users()) > phones // 2, 60)
        ends_at = time.monotonic() + 60 * minutes
        for number, kind in enumerate(plan(here, chance, rounds), 1):
            if time.monotonic() > ends_at:
                break
            own = random.Random(f"{seed} {number} {kind.name}")
            round_ = Round(stack, fleet, recount, background, own)
            round_.last(0.5, 4)
            outcome = one_round(number, kind, seed, stack, fleet, judge, round_)
            outcomes.append(outcome)
            say(outcome.line())
            if not outcome.holds:
                for line in outcome.said:
                    say(f"    {line}")
        for what in judge.sees() if outcomes and outcomes[-1].holds else []:
            raise SystemExit(f"the judge does not see {what}: what it said above is worth nothing")
        troubles = ", ".join(f"{n} × {what}" for what, n in fleet.truth.troubles.most_common(8))
        say(f"what phones met: {troubles}")
    finally:
        stack.stop()
        background.stop()
    return outcomes


def main(
    seed: Annotated[int | None, typer.Option(help="Chances; another one by default.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds at most.")] = 40,
    minutes: Annotated[float, typer.Option(help="No round begins later.")] = 20.0,
    only: Annotated[list[str] | None, typer.Option(help="This kind alone.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="All but this kind.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all of it here.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep all logs, whatever came.")] = False,
    brokers: Annotated[int, typer.Option(help="1 or 3: three have kinds of their own.")] = 1,
    smoke: Annotated[bool, typer.Option("--smoke", help="Two cheap rounds.")] = False,
) -> None:
    """One fault after the other under a fleet of phones; fails if one round does not hold."""
    if brokers not in (1, THREE):
        raise SystemExit(f"--brokers {brokers}: take 1 or {THREE}")
    kinds = [kind for kind in all_kinds() if kind.brokers in (None, brokers)]
    names = [kind.name for kind in kinds]
    if unknown := {*(only or []), *(without or [])} - {*names}:
        raise SystemExit(
            f"no kind {', '.join(sorted(unknown))} with --brokers {brokers}:"
            f" take {', '.join(names)}"
        )
    wanted = set(only or names) - set(without or [])
    if smoke:
        wanted, rounds, minutes = set(SMOKE), len(SMOKE), 1.0
    # It tells each attempt to reach a Kafka that is away.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    chosen = seed if seed is not None else random.SystemRandom().randrange(1_000_000)
    directory = Path(tempfile.mkdtemp(prefix="rollcall-faults-"))
    say(f"seed {chosen}; logs in {directory}")
    end_by_sigterm()
    kinds = [kind for kind in kinds if kind.name in wanted]
    phones = PHONES_OF_SMOKE if smoke else PHONES
    outcomes = run(directory, kinds, rounds, minutes, chosen, brokers, phones)
    console.print(table(outcomes))
    if json_file is not None:
        write_json(json_file, chosen, outcomes)
    failed = [outcome for outcome in outcomes if not outcome.holds]
    if failed or not outcomes:
        write_json(directory / "rounds.json", chosen, outcomes)
        say(f"{len(failed)} rounds did not hold: see {directory}")
        raise SystemExit(1)
    if not keep:
        shutil.rmtree(directory)


if __name__ == "__main__":
    os.umask(0o022)
    typer.run(main)
