"""Webhooks' secrets at rest: AES-256-GCM under ``ROLLCALL_ENCRYPTION_KEY``. PURE but for chance.

Stored is a nonce, then what AES-GCM makes of the secret and the webhook's id: a row's secret does
not open in another row.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES: Final = 12
_INFO: Final = b"rollcall-webhook-secrets"


class AnotherKeyError(RuntimeError):
    """What is stored was not encrypted under this key."""


class SecretBox:
    """``open(close(secret, id), id)`` is the secret."""

    def __init__(self, key: str) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO).derive(key.encode())
        self._cipher = AESGCM(derived)

    def close(self, secret: str, webhook_id: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), webhook_id.encode())

    def open(self, stored: bytes, webhook_id: str) -> str:
        """Raises :class:`AnotherKeyError`."""
        nonce, rest = stored[:_NONCE_BYTES], stored[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, rest, webhook_id.encode()).decode()
        except (InvalidTag, ValueError):
            raise AnotherKeyError(
                f"the secret of webhook {webhook_id} does not open: set ROLLCALL_ENCRYPTION_KEY to "
                "the key that it was made under, or rotate its secret"
            ) from None
