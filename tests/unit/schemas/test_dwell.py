"""Dwell histograms: every duration has its bucket, percentiles keep their stated error."""

from __future__ import annotations

from collections import Counter
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.measures.dwell import BUCKETS, RELATIVE_ERROR, bucket_of, percentile_ms

DAY_MS = 86_400_000


def counts_of(durations: list[int]) -> list[int]:
    found = Counter(bucket_of(duration) for duration in durations)
    return [found[bucket] for bucket in range(max(found, default=-1) + 1)]


def test_buckets_begin_where_they_say() -> None:
    assert [bucket_of(ms) for ms in (0, 249, 250, 297, 298, 499, 500, 1000)] == [
        *(0, 0, 1, 1, 2, 4, 5, 9),
    ]
    assert bucket_of(10**12) == BUCKETS - 1


@given(st.integers(0, 2 * DAY_MS), st.integers(0, 2 * DAY_MS))
def test_longer_durations_are_in_no_earlier_bucket(one: int, other: int) -> None:
    assert (bucket_of(one) <= bucket_of(other)) or one > other


@given(
    st.lists(st.integers(250, DAY_MS), min_size=1, max_size=50),
    st.sampled_from([0.01, 0.5, 0.9, 0.95, 1.0]),
)
def test_a_percentile_is_within_the_stated_error_of_the_exact_one(
    durations: list[int], fraction: float
) -> None:
    exact = sorted(durations)[ceil(fraction * len(durations)) - 1]
    estimate = percentile_ms(counts_of(durations), fraction)
    assert estimate == pytest.approx(exact, rel=RELATIVE_ERROR + 0.002)  # whole milliseconds


def test_nothing_has_no_percentile() -> None:
    assert percentile_ms([], 0.5) is None
    assert percentile_ms([0, 0], 0.5) is None
