"""Signatures as Standard Webhooks 1.0.0 has them (``v1``, HMAC-SHA256). PURE.

Signed is ``{id}.{timestamp}.{body}``. A header has a signature of each secret that counts, so that
a receiver changes its secret at any moment of a rotation.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what every secret begins with
#: The specification wants 24 to 64.
SECRET_BYTES: Final = 32
LEAST_SECRET_BYTES, MOST_SECRET_BYTES = 24, 64
#: How old a message may be, or how far ahead, that a receiver of ours takes.
TOLERANCE_SECONDS: Final = 300
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_VERSION: Final = "v1"


class NotVerifiedError(ValueError):
    """The message is not from who has the secret, or not of now; says why."""


def new_secret() -> str:
    """A secret that nobody has ever had."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def secret_key(secret: str) -> bytes:
    """The bytes of a secret. Raises ``ValueError`` that says what one looks like."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or not (
        LEAST_SECRET_BYTES <= len(key) <= MOST_SECRET_BYTES
    ):
        raise ValueError(
            f"a secret is {SECRET_PREFIX} and the base64 of {LEAST_SECRET_BYTES} to "
            f"{MOST_SECRET_BYTES} bytes"
        )
    return key


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature of the header."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"{_VERSION},{base64.b64encode(digest).decode()}"


def signed_headers(
    keys: Iterable[bytes], message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """The three headers. ``timestamp``: of this attempt, Unix seconds."""
    signatures = (signature(key, message_id, timestamp, body) for key in keys)
    return {ID: message_id, TIMESTAMP: str(timestamp), SIGNATURE: " ".join(signatures)}


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> None:
    """For ``rollcall webhooks listen``. Raises :class:`NotVerifiedError`."""
    message_id, timestamp, found = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if not (message_id and found and timestamp.isdecimal() and len(timestamp) <= 20):
        raise NotVerifiedError(f"{ID}, {TIMESTAMP} or {SIGNATURE} is missing or malformed")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise NotVerifiedError(f"{TIMESTAMP} is not within {TOLERANCE_SECONDS} s of now")
    wanted = signature(secret_key(secret), message_id, int(timestamp), body).encode()
    matches = [hmac.compare_digest(wanted, each.encode()) for each in found.split(" ")]
    if not any(matches):
        raise NotVerifiedError(f"no signature of {SIGNATURE} is of this secret and body")
