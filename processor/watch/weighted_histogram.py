"""A histogram whose observations stand for many: prometheus_client's takes one at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import inf

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class WeightedHistogram(Collector):
    """Of one process and one thread. ``edges`` are ascending upper bounds, inclusive."""

    def __init__(self, name: str, documentation: str, edges: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._edges = (*map(float, edges), inf)
        self._counts = [0] * len(self._edges)
        self._sum = 0.0

    def observe(self, value: float, weight: int) -> None:
        """``weight`` observations of ``value``."""
        self._counts[bisect_left(self._edges, value)] += weight
        self._sum += value * weight

    def collect(self) -> Iterable[HistogramMetricFamily]:
        counts = accumulate(self._counts)
        yield HistogramMetricFamily(
            self._name,
            self._documentation,
            buckets=[
                ("+Inf" if edge == inf else str(edge), count)
                for edge, count in zip(self._edges, counts, strict=True)
            ],
            sum_value=self._sum,
        )
