"""Clocks that are wrong, and are put right."""

from __future__ import annotations

from typing import Final

from tests.faults.judge import Loss
from tests.faults.kinds import Round, told
from tests.faults.names import INGESTS
from tests.faults.stack import Stack


def ingest_off_by_hours(round_: Round) -> None:
    """An ingest's clock is hours off for some seconds: presence runs on the broker's."""
    name = round_.choose(INGESTS)
    # Tokens of the fleet are good for a week, and have no beginning.
    round_.stack.clocks.set(name, round_.chance.choice([-3, -1, 1, 3]) * 3600)
    try:
        round_.last(5, 10)
    finally:
        round_.stack.clocks.set(name, 0)


def broker_ahead(round_: Round) -> Loss:
    """The broker's clock jumps one to five minutes ahead, and back after some seconds: an outage,
    then a step back of log time."""
    name = round_.choose(round_.stack.brokers)
    round_.stack.clocks.set(name, round_.chance.uniform(60, 300))
    try:
        round_.last(4, 8)
    finally:
        round_.stack.clocks.set(name, 0)
    return Loss(clock=True)


def broker_behind(round_: Round) -> Loss:
    """The broker's clock steps 20 to 300 s back, and ahead to the right time after some seconds."""
    name = round_.choose(round_.stack.brokers)
    round_.stack.clocks.set(name, -round_.chance.uniform(20, 300))
    try:
        round_.last(4, 8)
    finally:
        round_.stack.clocks.set(name, 0)
    return Loss(clock=True)


def _no_clock(stack: Stack) -> str | None:
    return None if stack.clocks.available else "no C compiler for a clock of its own"


KINDS: Final = [
    told("ingest-clock", ingest_off_by_hours, _no_clock),
    told("broker-ahead", broker_ahead, _no_clock),
    told("broker-behind", broker_behind, _no_clock),
]
