"""Depth is bounded by us: the same bytes are refused by every Python."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import nesting
from schemas.nesting import MAX_DEPTH, json_is_too_deep, msgpack_is_too_deep

texts = st.text() | st.sampled_from(['"', "\\", "[[[[", '{"', '\\"{', "x" * 300])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=12,
)


def depth_of(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(depth_of, value.values() if isinstance(value, dict) else value), default=0)


@settings(max_examples=60)
@given(values, st.integers(0, 4))
def test_what_is_deeper_than_the_bound_is_told_from_what_is_not(value: Any, bound: int) -> None:
    is_too_deep = depth_of(value) > bound
    with patch.object(nesting, "MAX_DEPTH", bound):
        assert json_is_too_deep(json.dumps(value)) is is_too_deep
        assert msgpack_is_too_deep(msgspec.msgpack.encode(value)) is is_too_deep


@pytest.mark.parametrize("opening", ["[", '{"a":', '["]]",', '[{"\\"]":'])
def test_what_never_ends_is_as_deep_as_it_begins(opening: str) -> None:
    each = opening.count("[") + opening.count("{")
    assert json_is_too_deep(opening * (MAX_DEPTH // each + 1))
    assert not json_is_too_deep(opening * (MAX_DEPTH // each))


def test_brackets_in_texts_or_beside_each_other_do_not_nest() -> None:
    assert not json_is_too_deep(json.dumps({"a": "[" * 1000, "b": [[]] * 1000, "c\\": '"{' * 1000}))
    assert not json_is_too_deep('["' + "[" * 1000)


@settings(max_examples=60)
@given(st.binary(max_size=40))
def test_any_bytes_can_be_looked_at(noise: bytes) -> None:
    assert not msgpack_is_too_deep(msgspec.msgpack.encode("x" * MAX_DEPTH) + noise)
    assert msgpack_is_too_deep(b"\x91" * (MAX_DEPTH + 1) + noise)
    with patch.object(nesting, "MAX_DEPTH", 2):
        assert msgpack_is_too_deep(noise) in (False, True)
