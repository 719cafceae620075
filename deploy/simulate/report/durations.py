"""Durations of which percentiles are wanted, in bounded memory. PURE."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

#: A class of durations is so much wider than the one below: that is how exact a percentile is.
_GROWTH: Final = 1.02
_SHORTEST_SECONDS: Final = 0.001


class Durations:
    """Counts them in classes 2 % wide: some hundred, however many there are."""

    def __init__(self) -> None:
        self._classes: Counter[int] = Counter()
        self.count = 0
        self.longest = 0.0

    def add(self, seconds: float) -> None:
        """One more. Below a millisecond, and below nothing (clocks apart), is a millisecond."""
        shown = max(_SHORTEST_SECONDS, seconds)
        self._classes[math.ceil(math.log(shown / _SHORTEST_SECONDS, _GROWTH))] += 1
        self.count += 1
        self.longest = max(self.longest, seconds)

    def curve(self, points: int = 50) -> list[tuple[float, float]]:
        """Seconds, and the share that took no longer: one more point wherever that has grown by a
        part of ``points``, and the last one."""
        found: list[tuple[float, float]] = []
        so_far, told = 0, 0.0
        for number in sorted(self._classes):
            so_far += self._classes[number]
            share = so_far / self.count
            if share - told >= 1 / points or so_far == self.count:
                found.append((round(_SHORTEST_SECONDS * _GROWTH**number, 3), round(share, 4)))
                told = share
        return found

    def percentile(self, share: float) -> float | None:
        """The least duration (to 2 %) that ``share`` of them do not exceed; ``None`` of none."""
        if not self.count:
            return None
        wanted, so_far = math.ceil(share * self.count), 0
        for number in sorted(self._classes):
            so_far += self._classes[number]
            if so_far >= wanted:
                break
        return round(min(self.longest, _SHORTEST_SECONDS * _GROWTH**number), 3)
