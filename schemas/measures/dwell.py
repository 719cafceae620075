"""Histograms of durations: mergeable counts of geometric buckets, and percentiles from them.

Bucket 0 holds what is shorter than 250 ms, bucket n (1 to 76) what is from 250 ms · 2^((n-1)/4) to
below 250 ms · 2^(n/4); the last one, which begins at 31 hours, everything longer. A percentile is
given as the geometric middle of its bucket, which is within 9.1 % of everything in it. Counts are
lists whose element n is that of bucket n; missing elements are 0.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import ceil
from typing import Final

SHORTEST_MS: Final = 250
BUCKETS_PER_DOUBLING: Final = 4
BUCKETS: Final = 77
#: How far a percentile may be from the exact one, relative to it (durations of 250 ms to 31 h).
RELATIVE_ERROR: Final = 2 ** (1 / (2 * BUCKETS_PER_DOUBLING)) - 1

# The first whole millisecond of each bucket from 1 on.
_STARTS_MS: Final = [
    ceil(SHORTEST_MS * 2 ** (n / BUCKETS_PER_DOUBLING)) for n in range(BUCKETS - 1)
]
# The geometric middle of each.
_MIDDLES_MS: Final = [SHORTEST_MS // 2] + [
    round(SHORTEST_MS * 2 ** ((n - 0.5) / BUCKETS_PER_DOUBLING)) for n in range(1, BUCKETS)
]


def bucket_of(duration_ms: int) -> int:
    """The bucket that holds a duration."""
    return bisect_right(_STARTS_MS, duration_ms)


def bounds_ms(bucket: int) -> tuple[int, int | None]:
    """The shortest duration that a bucket holds, and the first that it does not; the last one holds
    whatever is longer."""
    edges = [0, *_STARTS_MS]
    return edges[bucket], edges[bucket + 1] if bucket + 1 < len(edges) else None


def percentile_ms(counts: Sequence[int], fraction: float) -> int | None:
    """The duration below which ``fraction`` of those counted lie; ``None`` of none.

    The nearest-rank percentile: of n durations in order, the ``ceil(fraction · n)``-th.
    """
    so_far = list(accumulate(counts))
    if not so_far or not so_far[-1]:
        return None
    return _MIDDLES_MS[bisect_left(so_far, max(1, ceil(fraction * so_far[-1])))]
