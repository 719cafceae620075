"""Versions in the order in which they were made."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api.versions import version_key

IN_ORDER = [
    "nightly",
    "0.9",
    "1.0.0-alpha",
    "1.0.0-alpha.2",
    "1.0.0-alpha.10",
    "1.0.0-beta",
    "1.0.0-rc.1",
    "1.0.0rc2",
    "1.0.0",
    "1.0.0 (41)",
    "1.0.0+102",
    "v1.0.1",
    "1.9",
    "1.10.0",
    "2024.5",
    "2024.12.1",
]


def test_numbers_compare_as_numbers_and_previews_come_before() -> None:
    backwards = IN_ORDER[::-1]
    assert sorted(backwards, key=version_key) == IN_ORDER


def test_what_is_missing_is_nought() -> None:
    assert version_key("1.2")[:-1] == version_key("1.2.0")[:-1] == version_key("v1.2.0.0")[:-1]


@given(st.lists(st.text(max_size=20)))
def test_any_texts_have_an_order_that_is_always_the_same(texts: list[str]) -> None:
    backwards = texts[::-1]
    assert sorted(texts, key=version_key) == sorted(backwards, key=version_key)


@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=3), st.integers(0, 2))
def test_a_higher_number_is_a_later_version(numbers: list[int], place: int) -> None:
    later = list(numbers)
    later[place] += 1
    one, other = (".".join(map(str, each)) for each in (numbers, later))
    assert version_key(one) < version_key(other)
