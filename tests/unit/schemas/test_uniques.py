"""Sketches of users: as exact as they say, the same bytes each time, and silent about who they are
for whoever has no key."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import datasketches
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.measures.sketches import (
    LG_K,
    NOBODY,
    RELATIVE_ERROR,
    Key,
    Users,
    UserSets,
    estimate,
    sketch_of,
)

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
KEYS = {MARCH: b"m" * 32, APRIL: b"a" * 32}
KEY = KEYS[MARCH]

some_users = st.sets(st.text(min_size=1), max_size=100)


def users(first: int, last: int) -> list[str]:
    return [f"user-{n}" for n in range(first, last)]


def unkeyed(user_ids: Iterable[str]) -> bytes:
    """As the release before made them."""
    sketch = datasketches.hll_sketch(LG_K, datasketches.tgt_hll_type.HLL_4)
    for user_id in user_ids:
        sketch.update(user_id)
    return bytes(sketch.serialize_compact())


def sketch_under(key: Key, user_ids: Iterable[str]) -> bytes:
    return unkeyed(user_ids) if key is None else sketch_of(user_ids, KEYS[key])


def together(*sets: tuple[Key, bytes | None, int]) -> UserSets:
    found = UserSets()
    for key, sketch, count in sets:
        found.add(key, sketch, Users(count, count))
    return found


def merged(*sketches: bytes) -> bytes:
    found = together(*((MARCH, sketch, estimate(sketch)) for sketch in sketches)).sketch()
    assert found is not None
    assert found[0] == MARCH
    return found[1]


@given(some_users, some_users)
def test_few_users_are_counted_exactly_merged_or_not(one: set[str], other: set[str]) -> None:
    sketches = [sketch_of(one, KEY), sketch_of(other, KEY)]
    assert estimate(sketches[0]) == len(one)
    both = together(*((MARCH, sketch, estimate(sketch)) for sketch in sketches))
    assert both.users() == Users(len(one | other), len(one | other))
    if one | other:
        assert estimate(merged(*sketches)) == len(one | other)


@pytest.mark.parametrize("total", [1_000, 20_000, pytest.param(200_000, marks=pytest.mark.long)])
def test_many_users_are_counted_within_three_standard_errors(total: int) -> None:
    whole = sketch_of(users(0, total), KEY)
    assert estimate(whole) == pytest.approx(total, rel=3 * RELATIVE_ERROR)
    halves = [users(0, total * 2 // 3), users(total // 3, total)]
    both = merged(*(sketch_of(half, KEY) for half in halves))
    assert estimate(both) == pytest.approx(total, rel=3 * RELATIVE_ERROR)


def test_the_same_users_under_the_same_key_give_the_same_bytes() -> None:
    hours = [sketch_of(users(0, 3_000), KEY), sketch_of(users(2_000, 5_000), KEY)]
    assert sketch_of(users(0, 3_000), KEY) == hours[0]
    assert merged(*hours) == merged(*hours)
    assert len(merged(*hours)) < 3_000


def test_nobody_is_no_user() -> None:
    assert estimate(sketch_of([], KEY)) == estimate(NOBODY) == 0
    assert UserSets().users() == Users(0, 0)
    assert UserSets().sketch() is None


@given(st.lists(st.tuples(st.sampled_from([MARCH, APRIL, None]), some_users), max_size=6))
def test_of_several_keys_there_are_bounds_and_the_truth_is_within(
    sets: list[tuple[Key, set[str]]],
) -> None:
    found = together(*((key, sketch_under(key, ids), len(ids)) for key, ids in sets))
    by_key: dict[Key, set[str]] = {}
    for key, ids in sets:
        by_key.setdefault(key, set()).update(ids)
    counts = [len(ids) for ids in by_key.values()]
    assert found.users() == Users(max(counts, default=0), sum(counts))
    everyone = set().union(*by_key.values())
    assert found.users().at_least <= len(everyone) <= found.users().at_most
    # A sketch that can be stored is of one key.
    held = found.sketch()
    assert (held is not None) == (sum(map(bool, counts)) == 1)
    if held is not None:
        assert by_key[held[0]] == everyone


@given(st.lists(st.tuples(some_users, st.booleans()), min_size=1, max_size=6))
def test_a_set_whose_sketch_was_dropped_counts_as_a_key_of_its_own(
    sets: list[tuple[set[str], bool]],
) -> None:
    found, kept, counts = UserSets(), set[str](), [0]
    for number, (ids, is_dropped) in enumerate(sets):
        if is_dropped:
            counts.append(len(ids))
            gone = (None, NOBODY)[number % 2]
            found.add(None, gone, Users(len(ids), len(ids)))
        else:
            kept |= ids
            found.add(MARCH, sketch_of(ids, KEY), Users(len(ids), len(ids)))
    counts.append(len(kept))
    assert found.users() == Users(max(counts), sum(counts))


def is_in(sketch: bytes, hashed: bytes) -> bool:
    """What somebody can ask who has the sketch: whether it is the same with one more."""
    return merged(sketch, hashed) == merged(sketch)


def test_a_person_is_found_with_the_key_and_not_without_it() -> None:
    group, strangers = users(0, 100), users(1_000, 2_000)
    keyed = sketch_of(group, KEY)
    # This is what the key is for: with it the question is answered, as it is where there is none.
    assert all(is_in(keyed, sketch_of([user], KEY)) for user in group)
    assert not any(is_in(keyed, sketch_of([user], KEY)) for user in strangers)
    plain = unkeyed(group)
    assert all(is_in(plain, unkeyed([user])) for user in group)
    # Once it is destroyed a guess at it, or at none, finds members no more often than strangers.
    for guess in (b"", b"x" * 32, KEYS[APRIL]):
        assert not any(is_in(keyed, sketch_of([user], guess)) for user in [*group, *strangers])
    assert not any(is_in(keyed, unkeyed([user])) for user in [*group, *strangers])
