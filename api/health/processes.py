"""The processes of a deployment, as they were found at one moment. PURE."""

from __future__ import annotations

from dataclasses import dataclass

from api.health.told import Readiness, Told


@dataclass(frozen=True, slots=True)
class Process:
    """A target at one address. ``told`` is what it said last, at ``answered_at`` (Unix seconds);
    ``problem`` is why it does not answer now. ``address`` is ``None`` where the name leads to none.
    ``is_gone``: its name does not lead to it any more."""

    target: str
    address: str | None
    problem: str | None = None
    told: Told | None = None
    readiness: Readiness | None = None
    answered_at: float | None = None
    heartbeats_per_second: float | None = None
    is_gone: bool = False

    @property
    def answers(self) -> bool:
        return self.problem is None


@dataclass(frozen=True, slots=True)
class Poll:
    """Everybody at one moment. ``left_out`` are addresses beyond the bound."""

    processes: tuple[Process, ...]
    left_out: int
    asked_at: float
