"""When to read again what costs as much as the fleet is large. PURE.

The policy: no sooner than ``least_seconds`` after the last read began, and no more than a
tenth of the time is spent on reading. So a small fleet is told every second, and a large one as
often as its database bears.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_SHARE: Final = 1 / 10


@dataclass(slots=True)
class Pace:
    """Is asked with a monotonic clock, in seconds."""

    least_seconds: float
    _next: float = -math.inf

    def is_due(self, now: float) -> bool:
        return now >= self._next

    def took(self, started: float, ended: float) -> None:
        """A read began and ended, with or without an answer."""
        self._next = started + max(self.least_seconds, (ended - started) / _SHARE)

    def at_once(self) -> None:
        """What was read is of no use any more."""
        self._next = -math.inf
