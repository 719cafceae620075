"""The public count as a picture: well-formed whatever the label says."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from api.presence.answers import Count, CountByState
from api.presence.badge import MAX_LABEL, badge, parse_label

ANSWER = Count(
    count=1283,
    by_state=CountByState(foreground=1000, background=283),
    as_of="2026-03-30T12:00:00.412Z",
    window_seconds=300.0,
    stale=False,
)
SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str | None]:
    return [each.text for each in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 - our own


def test_it_shows_the_count_and_when_it_was() -> None:
    svg = badge(ANSWER, "online")
    assert texts(svg) == ["online", "1,283"]
    assert "<title" in svg
    assert "online: 1,283 (as of 2026-03-30T12:00:00.412Z)" in svg
    assert "prefers-color-scheme:dark" in svg
    assert "stale" not in svg.split("</style>")[1]


def test_a_stale_count_says_so() -> None:
    svg = badge(replace(ANSWER, stale=True, as_of=None), "online")
    assert texts(svg) == ["online", "1,283, stale"]
    assert ET.fromstring(svg).attrib["class"] == "stale"  # noqa: S314
    assert "as of no time yet" in svg


@given(st.text(min_size=1, max_size=MAX_LABEL))
def test_any_label_that_is_taken_is_text_and_nothing_else(label: str) -> None:
    try:
        taken = parse_label(label)
    except ValueError:
        return
    assert texts(badge(ANSWER, taken)) == [label, "1,283"]


@pytest.mark.parametrize(
    "label", ["", "x" * (MAX_LABEL + 1), "a\x00", "a\u202eb", "\ufffe", "\ud800", "a\nb"]
)
def test_a_label_that_is_none_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|has|must|holds)"):
        parse_label(label)


def test_markup_in_a_label_is_shown() -> None:
    svg = badge(ANSWER, '<script>&"')
    assert texts(svg)[0] == '<script>&"'
    assert "<script" not in svg
