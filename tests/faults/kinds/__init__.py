"""The kinds of faults, by subject. Each does one thing, and undoes what does not undo itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.faults.fleet import Fleet
from tests.faults.judge import Loss
from tests.faults.links import Background
from tests.faults.recount import Recount
from tests.faults.stack import Stack


@dataclass(frozen=True)
class Round:
    """What a fault may use: the stack, the fleet, the log's reader, chances of its own."""

    stack: Stack
    fleet: Fleet
    recount: Recount
    background: Background
    chance: Random
    #: What chance chose, for the line of the round.
    chosen: list[str] = field(default_factory=list)

    def choose(self, among: Sequence[str]) -> str:
        """One of them, by chance."""
        self.chosen.append(self.chance.choice(among))
        return self.chosen[-1]

    def last(self, least_seconds: float, most_seconds: float) -> None:
        """The fault goes on for a while."""
        time.sleep(self.chance.uniform(least_seconds, most_seconds))


class NothingHappenedError(RuntimeError):
    """The fault did not do what it is named for."""


@dataclass(frozen=True)
class Kind:
    """``act`` returns when the fault is over. ``missing`` says what it lacks here, if anything.
    With ``brokers`` it is for a run with so many alone."""

    name: str
    does: str
    act: Callable[[Round], Loss | None]
    missing: Callable[[Stack], str | None] = lambda _: None
    brokers: int | None = None


def all_kinds() -> list[Kind]:
    """In an order that stays."""
    from tests.faults.kinds import brokers, clocks, kafka, network, postgres, processes, upgrade

    modules = (processes, brokers, kafka, postgres, network, clocks, upgrade)
    return [kind for module in modules for kind in module.KINDS]


def told(
    name: str,
    act: Callable[[Round], Loss | None],
    missing: Callable[[Stack], str | None] = lambda _: None,
    *,
    brokers: int | None = None,
) -> Kind:
    """A kind that does what the docstring of its function says."""
    return Kind(name, " ".join((act.__doc__ or "").split()), act, missing, brokers)
