"""Signatures of webhooks, and how secrets are stored."""

from __future__ import annotations

import pytest

from schemas.webhooks.secret_box import AnotherKeyError, SecretBox
from schemas.webhooks.signing import (
    SIGNATURE,
    NotVerifiedError,
    new_secret,
    secret_key,
    signature,
    signed_headers,
    verify,
)

NOW = 1_674_087_231
BODY = b'{"type":"presence.changes"}'
KEY_TEXT = "an encryption key of 32 characters"


def test_the_signature_is_the_one_of_the_published_libraries() -> None:
    """The vector of the libraries' own tests."""
    key = secret_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_new_secret_is_one_and_no_other_is_like_it() -> None:
    assert len(secret_key(new_secret())) == 32
    assert new_secret() != new_secret()


@pytest.mark.parametrize("bad", ["", "whsec_", "whsec_QQ==", "whsec_!!!!", "MfKQ9r8GKYqrTwjUPD8I"])
def test_what_is_no_secret_is_told_what_one_looks_like(bad: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and the base64 of 24 to 64 bytes"):
        secret_key(bad)


def test_during_a_rotation_both_secrets_verify() -> None:
    old, new = new_secret(), new_secret()
    headers = signed_headers(map(secret_key, (new, old)), "msg_1", NOW, BODY)
    for secret in (old, new):
        verify(secret, headers, BODY, NOW + 299)


def test_what_is_not_signed_so_is_refused() -> None:
    secret = new_secret()
    headers = signed_headers([secret_key(secret)], "msg_1", NOW, BODY)
    with pytest.raises(NotVerifiedError, match="no signature"):
        verify(secret, headers, BODY + b" ", NOW)
    with pytest.raises(NotVerifiedError, match="no signature"):
        verify(new_secret(), headers, BODY, NOW)
    with pytest.raises(NotVerifiedError, match="no signature"):
        verify(secret, headers | {"webhook-id": "msg_2"}, BODY, NOW)
    with pytest.raises(NotVerifiedError, match="not within 300 s"):
        verify(secret, headers, BODY, NOW + 301)
    with pytest.raises(NotVerifiedError, match="missing"):
        verify(secret, {**headers, SIGNATURE: ""}, BODY, NOW)


def test_a_stored_secret_opens_under_its_key_and_in_its_row_alone() -> None:
    box, secret = SecretBox(KEY_TEXT), new_secret()
    stored = box.close(secret, "wh_1")
    assert secret.encode() not in stored
    assert box.open(stored, "wh_1") == secret
    assert box.close(secret, "wh_1") != stored
    with pytest.raises(AnotherKeyError, match="wh_2 does not open"):
        box.open(stored, "wh_2")
    with pytest.raises(AnotherKeyError, match="ROLLCALL_ENCRYPTION_KEY"):
        SecretBox(KEY_TEXT[::-1]).open(stored, "wh_1")
