"""Whether the processor gets anywhere; asked by the watchdog."""

from __future__ import annotations


class Progress:
    """Counts whatever shows that the processor is not stuck. ``pausing``: between two attempts at
    something that is away."""

    def __init__(self) -> None:
        self.steps = 0
        self.pausing = False

    def made(self) -> None:
        self.steps += 1
