"""What keys of services look like, and which scopes they may have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tokens.api_keys import is_api_key, key_digest, new_key, parse_scopes


def test_a_key_is_known_by_its_prefix_and_is_random() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        assert is_api_key(key)
        assert len(key) == len("rck_") + 43  # 256 bits, six a character
    assert not is_api_key("eyJhbGciOiJIUzI1NiJ9.e30.x")


@given(st.text())
def test_any_text_has_a_digest(text: str) -> None:
    assert len(key_digest(text)) == 32


def test_scopes_are_separated_by_blanks_and_each_counts_once() -> None:
    assert parse_scopes(" presence:read presence:export  presence:read") == [
        "presence:read",
        "presence:export",
    ]


@pytest.mark.parametrize(
    "scope", ["presence", "presence:", ":read", "Presence:read", "presence:read,", "a:b:c", "é:x"]
)
def test_a_scope_of_a_bad_form_is_refused_by_name(scope: str) -> None:
    with pytest.raises(ValueError, match="presence:read"):
        parse_scopes(f"presence:read {scope}")


@pytest.mark.parametrize("text", ["", "  "])
def test_a_key_without_a_scope_is_good_for_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="at least one"):
        parse_scopes(text)
