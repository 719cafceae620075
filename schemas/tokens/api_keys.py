"""API keys of services (a CRM, a script): how they look, how they are stored, what they may do.

``rck_`` (so that people and secret scanners know one when they see it), then 256 random bits.
Stored is their SHA-256: a slow, salted hash protects what people choose and an attacker could try
one by one; nobody tries 2^256 keys, so that a fast hash hides them as well and costs no call a
tenth of a second. A key is found by its hash: how long that takes may tell of stored hashes, and
whoever had one of those would still have no key.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

KEY_PREFIX: Final = "rck_"
_RANDOM_BYTES: Final = 32
_SCOPE: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}:[a-z][a-z0-9_-]{0,63}")

#: Of keys that are not revoked: every process that takes keys holds them all.
MAX_KEYS: Final = 1_000
#: What calls ask for in this version.
KNOWN_SCOPES: Final = (
    *("presence:read", "presence:export"),
    *("presence:privacy", "presence:audit", "presence:manage"),
)


def new_key() -> str:
    """A key that nobody has ever had."""
    return KEY_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def is_api_key(token: str) -> bool:
    """Whether a Bearer token claims to be one."""
    return token.startswith(KEY_PREFIX)


def key_digest(key: str) -> bytes:
    """What is stored of a key: 32 bytes."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def parse_scopes(text: str) -> list[str]:
    """Scopes separated by spaces, each once. Raises ``ValueError`` naming what is none."""
    scopes = list(dict.fromkeys(text.split()))
    for scope in scopes:
        if not _SCOPE.fullmatch(scope):
            raise ValueError(f"{scope!r} is no scope: write one like {KNOWN_SCOPES[0]}")
    if not scopes:
        raise ValueError(f"name at least one scope, such as {KNOWN_SCOPES[0]}")
    return scopes
