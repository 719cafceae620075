"""The keyed hash of users, and its key."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from pydantic import ValidationError

from schemas.user_hash import UserHashSettings, user_hash

KEY = "k" * 32


def test_a_users_hash_is_the_hmac_sha256_of_the_id() -> None:
    expected = hmac.new(KEY.encode(), "ada/ü|1".encode(), hashlib.sha256).digest()
    assert user_hash(KEY.encode(), "ada/ü|1") == expected


def test_another_key_makes_another_user_of_them() -> None:
    assert user_hash(b"a" * 32, "ada") != user_hash(b"b" * 32, "ada")


def test_a_short_key_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_USER_HASH_KEY", "k" * 31)
    with pytest.raises(ValidationError, match=r"must be 32 bytes or more.*openssl rand"):
        UserHashSettings()


def test_the_key_is_not_in_what_the_settings_print(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_USER_HASH_KEY", KEY)
    settings = UserHashSettings()
    assert settings.user_hash_secret == KEY.encode()
    assert KEY not in repr(settings)
    assert KEY not in str(settings)
