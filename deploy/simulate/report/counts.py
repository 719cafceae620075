"""The public count beside the truth, over time, in bounded memory. PURE."""

from __future__ import annotations

from typing import Final, NamedTuple

MOST_KEPT: Final = 600


class Counted(NamedTuple):
    """``at`` in seconds since the report began; how many were online in truth, and how many the
    count had of them."""

    at: float
    true: int
    shown: int

    @property
    def error(self) -> int:
        return self.shown - self.true


class Counts:
    """Every look is in the sums. Of the series every n-th look is kept, n a power of two, so that
    there are never more than ``MOST_KEPT``."""

    def __init__(self) -> None:
        self.looks = 0
        self.error_sum = 0
        self.errors: dict[int, int] = {}
        self.kept: list[Counted] = []
        self._every = 1

    def add(self, counted: Counted) -> None:
        """One look at the count."""
        if self.looks % self._every == 0:
            self.kept.append(counted)
            if len(self.kept) > MOST_KEPT:
                del self.kept[1::2]
                self._every *= 2
        self.looks += 1
        self.error_sum += counted.error
        size = abs(counted.error)
        self.errors[size] = self.errors.get(size, 0) + 1

    @property
    def mean_error(self) -> float:
        """Above nothing: the count tends to be too high."""
        return self.error_sum / self.looks if self.looks else 0.0

    @property
    def mean_absolute_error(self) -> float:
        if not self.looks:
            return 0.0
        return sum(size * times for size, times in self.errors.items()) / self.looks

    def absolute_percentile(self, share: float) -> int:
        """The least error that ``share`` of the looks do not exceed, whatever its sign."""
        so_far = 0
        for size in sorted(self.errors):
            so_far += self.errors[size]
            if so_far >= share * self.looks:
                return size
        return 0
