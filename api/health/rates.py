"""Counters of processes as events a second. PURE.

- A counter is compared with what it was up to :data:`WINDOW_SECONDS` before. Where nobody looked
  for longer nothing is known of now: there is no rate until it was read twice.
- A process that starts again counts from 0. What is less than before counts as begun anew, so that
  a rate is never negative; what it had counted between our last look and its end is lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from itertools import pairwise
from typing import Final

WINDOW_SECONDS: Final = 20.0
#: Between two readings that are compared.
LEAST_SECONDS: Final = 0.5


class Rates:
    """Of counters by the address of their process. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._readings: dict[str, deque[tuple[float, float]]] = {}

    def add(self, address: str, at: float, count: float) -> None:
        """A reading, later than the one before it."""
        readings = self._readings.setdefault(address, deque())
        if readings and at - readings[-1][0] < LEAST_SECONDS:
            return
        readings.append((at, count))
        while at - readings[0][0] > WINDOW_SECONDS:
            readings.popleft()

    def keep_only(self, addresses: Collection[str]) -> None:
        """Forget all others."""
        for address in self._readings.keys() - set(addresses):
            del self._readings[address]

    def per_second(self, address: str) -> float | None:
        """Since the first reading of the window; ``None`` with one alone."""
        readings = self._readings.get(address)
        if readings is None or len(readings) < 2:
            return None
        counted = 0.0
        for (_, before), (_, after) in pairwise(readings):
            counted += after - before if after >= before else after
        return counted / (readings[-1][0] - readings[0][0])
