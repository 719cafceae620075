"""Compressed bodies, unpacked no further than a body may be long."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.http.content_encoding import unpacked
from schemas.http.problems import ProblemError

LIMIT = 16_384


@given(st.binary(max_size=2_000), st.sampled_from(["gzip", "X-GZIP", " gzip , identity"]))
def test_what_was_packed_is_read_as_it_was(body: bytes, encoding: str) -> None:
    assert unpacked(gzip.compress(body, mtime=0), encoding, LIMIT) == body


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "gzip, deflate"]))
def test_any_bytes_are_unpacked_or_given_back(body: bytes, encoding: str) -> None:
    assert len(unpacked(body, encoding, LIMIT)) <= max(LIMIT, len(body))


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "gzip, deflate"])
def test_a_bomb_costs_what_a_body_does(encoding: str) -> None:
    bomb = gzip.compress(bytes(50_000_000), mtime=0)
    if encoding == "gzip, gzip":
        bomb = gzip.compress(bomb, mtime=0)
    elif encoding == "gzip, deflate":
        bomb = zlib.compress(bomb)
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(ProblemError) as caught:
        unpacked(bomb, encoding, LIMIT)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == "body_too_large"
    assert time.process_time() - started < 0.1
    assert most_bytes < 20 * LIMIT
