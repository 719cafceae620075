"""Sketches of users: as exact as they say, and the same bytes each time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.measures.sketches import RELATIVE_ERROR, estimate, merged, sketch_of


def users(first: int, last: int) -> list[str]:
    return [f"user-{n}" for n in range(first, last)]


@given(st.sets(st.text(min_size=1), max_size=100), st.sets(st.text(min_size=1), max_size=100))
def test_few_users_are_counted_exactly_merged_or_not(one: set[str], other: set[str]) -> None:
    assert estimate(sketch_of(one)) == len(one)
    assert estimate(merged([sketch_of(one), sketch_of(other)])) == len(one | other)


@pytest.mark.parametrize("total", [1_000, 20_000, 200_000])
def test_many_users_are_counted_within_three_standard_errors(total: int) -> None:
    assert estimate(sketch_of(users(0, total))) == pytest.approx(total, rel=3 * RELATIVE_ERROR)
    halves = [users(0, total * 2 // 3), users(total // 3, total)]
    together = merged(sketch_of(half) for half in halves)
    assert estimate(together) == pytest.approx(total, rel=3 * RELATIVE_ERROR)


def test_the_same_users_give_the_same_bytes() -> None:
    hours = [sketch_of(users(0, 3_000)), sketch_of(users(2_000, 5_000))]
    assert sketch_of(users(0, 3_000)) == hours[0]
    assert merged(hours) == merged(hours)
    assert len(merged(hours)) < 3_000


def test_nobody_is_no_user() -> None:
    assert estimate(sketch_of([])) == 0
    assert estimate(merged([])) == 0
