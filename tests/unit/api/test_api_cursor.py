"""A cursor goes on in its own list, and nothing else is one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from api.presence.filters import UserFilter
from api.signing.cursor import MAX_CURSOR_CHARACTERS, Position, decode_cursor, encode_cursor
from schemas.http.problems import ProblemError

KEY = bytes(range(32))
storable = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=256)
positions = st.builds(
    Position,
    at_us=st.none() | st.integers(0, 10**16),
    user_id=storable,
    seen=st.integers(0, 2**40),
)
contexts = st.binary(max_size=64)


def refused(cursor: str, context: bytes) -> bool:
    with pytest.raises(ProblemError) as caught:
        decode_cursor(cursor, context, Position, KEY)
    return caught.value.code == "bad_cursor" and caught.value.errors[0].field == "cursor"


@given(positions, contexts)
def test_a_cursor_gives_its_position_back(position: Position, context: bytes) -> None:
    cursor = encode_cursor(position, context, KEY)
    assert decode_cursor(cursor, context, Position, KEY) == position
    assert len(cursor) <= MAX_CURSOR_CHARACTERS
    assert set(cursor) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


@given(positions, contexts, contexts)
def test_a_cursor_of_another_list_is_refused(position: Position, one: bytes, other: bytes) -> None:
    assume(one != other)
    assert refused(encode_cursor(position, one, KEY), other)


@given(positions, contexts, st.data())
def test_a_cursor_that_was_changed_anywhere_is_refused(
    position: Position, context: bytes, data: st.DataObject
) -> None:
    cursor = encode_cursor(position, context, KEY)
    place = data.draw(st.integers(0, len(cursor) - 1))
    replacement = data.draw(st.characters() | st.sampled_from("Aa0-_="))
    assume(replacement != cursor[place])
    assert refused(cursor[:place] + replacement + cursor[place + 1 :], context)


@given(positions, contexts, st.data())
def test_a_cursor_that_was_cut_or_grew_is_refused(
    position: Position, context: bytes, data: st.DataObject
) -> None:
    cursor = encode_cursor(position, context, KEY)
    cut = data.draw(st.integers(0, len(cursor) - 1))
    assert refused(cursor[:cut], context)
    assert refused(cursor + data.draw(st.text(min_size=1, max_size=8)), context)


@given(positions, contexts, st.binary(min_size=32, max_size=32))
def test_a_cursor_that_somebody_else_made_is_refused(
    position: Position, context: bytes, key: bytes
) -> None:
    assume(key != KEY)
    assert refused(encode_cursor(position, context, key), context)


@pytest.mark.parametrize(
    "position",
    [
        Position(2**63 - 1, "u", 1),
        Position(-(2**63), "u", 1),
        Position(1, "a\0b", 1),
        Position(1, "u" * 257, 1),
        Position(None, "u", -5),
        Position(None, "u", 2**63),
    ],
)
def test_a_cursor_that_asks_for_what_nobody_stores_is_refused(position: Position) -> None:
    assert refused(encode_cursor(position, b"list", KEY), b"list")


@given(st.text(), contexts)
def test_what_never_was_a_cursor_is_refused(text: str, context: bytes) -> None:
    assert refused(text, context)


def test_the_context_of_a_list_is_all_of_its_filters_and_its_sort_but_not_its_limit() -> None:
    lists = [
        UserFilter("online"),
        UserFilter("known"),
        UserFilter("online", sort="user_id"),
        UserFilter("online", screen="a"),
        UserFilter("online", app_version="a"),
        UserFilter("online", device="a"),
        UserFilter("online", q="a"),
        UserFilter("online", state="background"),
        UserFilter("online", at=datetime(2024, 5, 17, tzinfo=UTC)),
        UserFilter("online", at=datetime(2024, 5, 17, 0, 0, 0, 1, tzinfo=UTC)),
    ]
    assert len({users.context for users in lists}) == len(lists)
