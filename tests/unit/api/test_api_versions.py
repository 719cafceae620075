"""Versions in the order in which they were made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.measures.versions import OPERATORS, Comparison, Operator, version_key

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


def holding(version: str) -> dict[str, list[str]]:
    """Of all texts those on each side of ``version``."""
    return {op: [t for t in IN_ORDER if Comparison(op, version).holds(t)] for op in OPERATORS}


def test_a_comparison_has_the_same_order() -> None:
    found = holding("1.0.0-rc.1")
    place = IN_ORDER.index("1.0.0-rc.1")
    assert found["<"] == IN_ORDER[:place]
    assert found["<="] == IN_ORDER[: place + 1]
    assert found["="] == ["1.0.0-rc.1"]
    assert found[">="] == IN_ORDER[place:]
    assert found[">"] == IN_ORDER[place + 1 :]


def test_who_names_no_build_means_every_build() -> None:
    found = holding("1.0")
    assert found["="] == ["1.0.0", "1.0.0 (41)", "1.0.0+102"]
    assert found["<"] == IN_ORDER[: IN_ORDER.index("1.0.0")]
    assert found[">"] == IN_ORDER[IN_ORDER.index("v1.0.1") :]
    assert holding("1.0.0+102")["="] == ["1.0.0+102"]
    assert holding("1.0.0+50")["<"][-2:] == ["1.0.0", "1.0.0 (41)"]


@pytest.mark.parametrize(
    ("op", "version", "text"),
    [
        ("=", "nightly", "Nightly"),
        ("=", "v1.2", "1.2.0"),
        (">", "nightly", "0.1"),
        (">=", "1", "1"),
    ],
)
def test_a_comparison_holds(op: Operator, version: str, text: str) -> None:
    assert Comparison(op, version).holds(text)


@given(st.text(max_size=12), st.text(max_size=12))
def test_a_text_is_on_one_side_of_a_version_or_equals_it(version: str, text: str) -> None:
    held = {op: Comparison(op, version).holds(text) for op in OPERATORS}
    assert held["<"] + held["="] + held[">"] == 1
    assert held["<="] == (held["<"] or held["="])
    assert held[">="] == (held[">"] or held["="])
    assert Comparison("=", version).holds(version)
