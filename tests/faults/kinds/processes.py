"""Processes that end, freeze, come and go."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from tests.faults.kinds import Kind, Round, told
from tests.faults.names import API, INGESTS, POSTGRES, PROCESSORS, SERVICES, THIRD
from tests.rigs.rig import wait_for

#: Processes of each kind; a fault takes one of them.
TARGETS: Final = {
    "ingest": INGESTS,
    "processor": PROCESSORS,
    "api": (API,),
    "postgres": (POSTGRES,),
}


def kill(among: Sequence[str], round_: Round) -> None:
    """SIGKILL; a supervisor starts it again."""
    name = round_.choose(among)
    managed = round_.stack.managed[name]
    starts = managed.starts
    managed.kill()
    wait_for(f"{name} starts again", lambda: managed.starts > starts)


def freeze(among: Sequence[str], round_: Round) -> None:
    """SIGSTOP for 2 to 9 s, then SIGCONT: its work is another's meanwhile, and it does not know."""
    managed = round_.stack.managed[round_.choose(among)]
    managed.send(signal.SIGSTOP)
    try:
        round_.last(2, 9)
    finally:
        managed.send(signal.SIGCONT)


def processor_joins(round_: Round) -> None:
    """A third processor joins for some seconds, and leaves in order."""
    third = round_.stack.managed[THIRD]
    third.start()
    try:
        round_.last(4, 8)
    finally:
        third.stop()


def processor_leaves(round_: Round) -> None:
    """A processor leaves in order and comes back after some seconds."""
    managed = round_.stack.managed[round_.choose(PROCESSORS)]
    managed.stop()
    try:
        round_.last(1, 8)
    finally:
        managed.start()


def all_processors_away(round_: Round) -> None:
    """Both processors are killed and away for longer than offline_after: nobody goes offline."""
    for name in PROCESSORS:
        round_.stack.managed[name].kill(stays_away=True)
    try:
        round_.last(16, 20)
    finally:
        for name in PROCESSORS:
            round_.stack.managed[name].start()


def rolling_restart(round_: Round) -> None:
    """Every service ends by SIGTERM and starts again, one after the other."""
    for name in SERVICES:
        round_.stack.managed[name].restart()
        wait_for(f"{name} is ready", partial(round_.stack.is_ready, name))


def kill_and_freeze(targets: Mapping[str, Sequence[str]], brokers: int | None = None) -> list[Kind]:
    """Both of each of these."""
    return [
        Kind(
            f"{verb}-{name}",
            " ".join(str(act.__doc__).split()),
            partial(act, among),
            brokers=brokers,
        )
        for verb, act in (("kill", kill), ("freeze", freeze))
        for name, among in targets.items()
    ]


KINDS: Final = [
    *kill_and_freeze(TARGETS),
    told("processor-joins", processor_joins),
    told("processor-leaves", processor_leaves),
    told("processors-away", all_processors_away),
    told("rolling-restart", rolling_restart),
]
