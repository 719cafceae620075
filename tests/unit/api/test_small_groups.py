"""Groups of few users are merged, and what is left does not give them away."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from api.analytics.small_groups import SUPPRESSED, added, merged_places, suppress
from api.http.documents import Row

sizes = st.lists(st.integers(0, 60), max_size=9)
leasts = st.integers(2, 30)


def merge(rows: list[Row]) -> Row:
    return {"name": SUPPRESSED, "day": rows[0]["day"], "users": added(rows, "users")}


def told(rows: list[Row], least: int) -> list[Row]:
    return suppress(
        rows, least, size=lambda row: row["users"], merge=merge, within=lambda row: row["day"]
    )


@given(sizes, leasts)
def test_no_group_below_the_least_size_is_told_apart(found: list[int], least: int) -> None:
    merged = merged_places(found, least)
    assert all(place in merged for place, size in enumerate(found) if size < least)


@given(sizes, leasts)
def test_nothing_is_merged_where_all_are_large_enough(found: list[int], least: int) -> None:
    assert (merged_places(found, least) == set()) is all(size >= least for size in found)


@given(sizes, leasts)
def test_who_knows_the_total_cannot_take_the_others_from_it(found: list[int], least: int) -> None:
    """What is merged is of two groups and of the least size, or nothing else is told."""
    merged = merged_places(found, least)
    if merged and len(merged) < len(found):
        assert len(merged) >= 2
        assert sum(found[place] for place in merged) >= least


@given(sizes, leasts)
def test_no_more_is_merged_than_it_takes(found: list[int], least: int) -> None:
    """No choice of fewer groups would do; and those that are merged are the smallest."""
    merged = merged_places(found, least)
    if not merged:
        return
    kept = [size for place, size in enumerate(found) if place not in merged]
    assert max(found[place] for place in merged) <= min(kept, default=10**9)
    small = {place for place, size in enumerate(found) if size < least}
    for count in range(len(small), len(merged)):
        for chosen in combinations(merged, count):
            is_enough = count >= 2 and sum(found[place] for place in chosen) >= least
            assert not (small <= set(chosen) and is_enough)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 60)), max_size=12), leasts)
def test_sums_stay_within_each_part(found: list[tuple[int, int]], least: int) -> None:
    rows: list[Row] = [
        {"name": str(number), "day": day, "users": users}
        for number, (day, users) in enumerate(found)
    ]
    left = told(rows, least)

    def by_day(of: list[Row]) -> Counter[int]:
        counts: Counter[int] = Counter()
        for row in of:
            counts[row["day"]] += row["users"]
        return counts

    assert by_day(left) == by_day(rows)
    assert all(row["users"] >= least for row in left if row["name"] != SUPPRESSED)
    # Those that are told are where they were.
    names = [row["name"] for row in left if row["name"] != SUPPRESSED]
    assert names == sorted(names, key=int)


def test_of_one_small_group_the_next_smallest_goes_too() -> None:
    rows: list[Row] = [
        {"name": name, "day": 1, "users": users}
        for name, users in (("Home", 90), ("Cart", 40), ("Help", 3), ("Pay", 12))
    ]
    assert told(rows, 10) == [*rows[:2], {"name": SUPPRESSED, "day": 1, "users": 15}]
    assert told(rows, 2) == rows


def test_what_is_not_known_of_one_is_not_known_of_all() -> None:
    assert added([{"n": 1}, {"n": None}], "n") is None
    assert added([{"n": 1}, {"n": 2}], "n") == 3
