"""Depth is bounded by us: the same bytes are refused by every Python."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.untrusted import nesting
from schemas.untrusted.nesting import (
    MAX_DEPTH,
    NestedTooDeeplyError,
    json_is_too_deep,
    load_json,
    msgpack_is_too_deep,
)

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


@given(st.binary(max_size=40))
def test_any_bytes_can_be_looked_at(noise: bytes) -> None:
    assert not msgpack_is_too_deep(msgspec.msgpack.encode("x" * MAX_DEPTH) + noise)
    assert msgpack_is_too_deep(b"\x91" * (MAX_DEPTH + 1) + noise)
    with patch.object(nesting, "MAX_DEPTH", 2):
        assert msgpack_is_too_deep(noise) in (False, True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_document_of_somebody_else_is_read_to_the_bound(encoding: str) -> None:
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert depth_of(load_json(deepest.encode(encoding))) == MAX_DEPTH
    with pytest.raises(NestedTooDeeplyError):
        load_json(f"[{deepest}]".encode(encoding))


@pytest.mark.parametrize("document", [b"", b"\xff", b"{", b"\xff\xfe\x00"])
def test_a_document_that_is_no_json_is_a_value_error(document: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        load_json(document)
    assert not isinstance(caught.value, NestedTooDeeplyError)
