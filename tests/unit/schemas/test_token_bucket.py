"""Token buckets by key: at once, in the long run, and under a flood of keys."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.http.token_bucket import BucketPolicy, TokenBuckets

ONE_A_SECOND = BucketPolicy(per_second=1, burst=60)


def test_a_burst_is_as_many_as_it_says_and_then_one_by_one() -> None:
    buckets = TokenBuckets(ONE_A_SECOND)
    assert [buckets.take("u", 100.0) for _ in range(60)] == [0.0] * 60
    assert buckets.take("u", 100.0) == 1.0
    assert buckets.take("u", 100.25) == 0.75
    assert buckets.take("u", 101.0) == 0.0
    assert buckets.take("u", 101.0) == 1.0


@pytest.mark.parametrize("per_second", [0.3, 1, 7, 50, 999])
def test_rounding_costs_no_token(per_second: float) -> None:
    buckets = TokenBuckets(BucketPolicy(per_second, burst=500))
    now = 1_234_567.891
    assert not any(buckets.take("u", now) for _ in range(500))
    assert buckets.take("u", now) > 0


def test_what_was_refused_took_nothing() -> None:
    buckets = TokenBuckets(ONE_A_SECOND)
    buckets.take("u", 0.0, 60)
    for _ in range(1_000):
        assert buckets.take("u", 0.5) == 0.5
    assert buckets.take("u", 1.0) == 0.0


def test_waiting_as_long_as_told_is_enough() -> None:
    buckets = TokenBuckets(BucketPolicy(per_second=3, burst=5))
    buckets.take("u", 10.0, 5)
    wait_seconds = buckets.take("u", 10.1, 4)
    assert buckets.take("u", 10.1 + wait_seconds - 0.01, 4) > 0
    assert buckets.take("u", 10.1 + wait_seconds, 4) == 0.0


def test_more_than_the_burst_is_never_there() -> None:
    buckets = TokenBuckets(ONE_A_SECOND)
    assert buckets.take("u", 0.0, 61) == 1.0
    assert buckets.take("u", 1e9, 61) == 1.0
    assert buckets.take("u", 1e9, 60) == 0.0


def test_keys_do_not_share() -> None:
    buckets = TokenBuckets(ONE_A_SECOND)
    buckets.take("a", 0.0, 60)
    assert buckets.take("b", 0.0, 60) == 0.0
    assert buckets.take("a", 0.0) > 0


def test_asking_takes_nothing() -> None:
    buckets = TokenBuckets(BucketPolicy(per_second=1, burst=1))
    assert [buckets.wait_seconds("u", 0.0) for _ in range(10)] == [0.0] * 10
    assert len(buckets) == 0
    assert buckets.take("u", 0.0) == 0.0
    assert buckets.wait_seconds("u", 0.25) == 0.75
    assert buckets.wait_seconds("u", 1.0) == 0.0


def test_full_buckets_are_forgotten() -> None:
    buckets = TokenBuckets(ONE_A_SECOND)
    for second in range(10_000):  # one event each, by ever other users, ten a second
        for number in range(10):
            assert buckets.take(f"{second}-{number}", float(second)) == 0.0
    assert len(buckets) < 50


def test_a_flood_of_strangers_does_not_free_one_who_owes() -> None:
    buckets = TokenBuckets(BucketPolicy(per_second=1, burst=60, max_keys=100))
    buckets.take("greedy", 0.0, 60)
    for number in range(10_000):
        assert buckets.take(f"stranger-{number}", 0.5) == 0.0
        assert len(buckets) <= 100
    assert buckets.take("greedy", 0.5) == 0.5


@given(
    rate=st.sampled_from([Fraction(1, 4), Fraction(1), Fraction(2), Fraction(64)]),
    burst=st.integers(1, 10),
    steps=st.lists(
        st.tuples(
            st.sampled_from("abc"), st.integers(1, 4), st.integers(0, 160).map(lambda n: n / 32)
        ),
        max_size=80,
    ),
)
def test_it_decides_as_a_bucket_that_is_really_filled(
    rate: Fraction, burst: int, steps: list[tuple[str, int, float]]
) -> None:
    """The oracle keeps every bucket for ever and counts its tokens exactly."""
    buckets = TokenBuckets(BucketPolicy(float(rate), burst))
    held: dict[str, Fraction] = {}
    seen: dict[str, Fraction] = {}
    now = Fraction(1_000)
    for key, tokens, pause_seconds in steps:
        now += Fraction(pause_seconds)
        since = now - seen.get(key, now)
        held[key] = min(Fraction(burst), held.get(key, Fraction(burst)) + since * rate)
        seen[key] = now
        wait_seconds = buckets.take(key, float(now), tokens)
        if held[key] >= tokens:
            held[key] -= tokens
            assert wait_seconds == 0.0
        else:
            assert wait_seconds == pytest.approx(float((tokens - held[key]) / rate))


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(1, 5), st.floats(0, 3)), min_size=1, max_size=200
    ),
    st.integers(1, 20),
)
def test_no_more_keys_are_remembered_than_allowed(
    steps: list[tuple[int, int, float]], max_keys: int
) -> None:
    buckets = TokenBuckets(BucketPolicy(per_second=1, burst=5, max_keys=max_keys))
    now = 0.0
    for key, tokens, pause_seconds in steps:
        now += pause_seconds
        buckets.take(str(key), now, tokens)
        assert len(buckets) <= max_keys
