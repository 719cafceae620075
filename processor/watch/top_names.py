"""Names that come from outside, as labels: those seen most, and ``other`` for the rest. PURE.

Labels of metrics must be few, and apps may send any number of versions. Names are counted in a
bounded table (space-saving: a new one takes the place of the rarest, with its count), and ranked
again now and then; one that falls out of the first ones loses its label. Counts are halved at each
ranking, so that the versions of last year give way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

OTHER: Final = "other"
#: Names that are counted, for each that may be a label.
COUNTED_PER_LABEL: Final = 10
RANK_EVERY: Final = 1000


class TopNames:
    """At most ``most`` labels and :data:`OTHER`; ``dropped`` is told which one is none any more."""

    def __init__(self, most: int, dropped: Callable[[str], None]) -> None:
        self._most = most
        self._dropped = dropped
        self._counts: dict[str, int] = {}
        self._labels: set[str] = set()
        self._until_ranking = RANK_EVERY

    def label(self, name: str) -> str:
        """The label of ``name``, which was seen once more."""
        self._count(name)
        self._until_ranking -= 1
        if not self._until_ranking:
            self._rank()
        if name not in self._labels and len(self._labels) < self._most:
            self._labels.add(name)
        return name if name in self._labels else OTHER

    def _count(self, name: str) -> None:
        counts = self._counts
        if name in counts or len(counts) < self._most * COUNTED_PER_LABEL:
            counts[name] = counts.get(name, 0) + 1
        else:
            rarest = min(counts, key=counts.__getitem__)
            counts[name] = counts.pop(rarest) + 1

    def _rank(self) -> None:
        self._until_ranking = RANK_EVERY
        ranked = sorted(self._counts, key=lambda name: (-self._counts[name], name))
        labels = set(ranked[: self._most])
        for name in self._labels - labels:
            self._dropped(name)
        self._labels = labels
        self._counts = {name: count // 2 for name, count in self._counts.items()}
