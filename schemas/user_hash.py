"""The name of a user where their id must not stand: a hash under a key of the deployment's own.

Opt-outs, erasures and the audit of reads hold it. It is never changed: under another key the same
user would be another one to all of these.
"""

from __future__ import annotations

import hmac
from typing import Final

from pydantic import Field, SecretStr, field_validator

from schemas.service.settings import Settings

MIN_KEY_BYTES: Final = 32


class UserHashSettings(Settings):
    """The key of users' hashes: one and the same for all services of a deployment."""

    user_hash_key: SecretStr | None = Field(
        None,
        description="Secret text of 32 bytes or more, under which user ids are hashed in opt-outs, "
        "erasures and the audit of reads: the same for all services, and never changed (make one "
        "with `openssl rand -base64 48`).",
    )

    @field_validator("user_hash_key")
    @classmethod
    def _is_long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value().encode()) < MIN_KEY_BYTES:
            raise ValueError(
                f"must be {MIN_KEY_BYTES} bytes or more; make one with `openssl rand -base64 48`"
            )
        return key

    @property
    def user_hash_secret(self) -> bytes | None:
        """The key as :func:`user_hash` takes it; ``None``: it is not set."""
        key = self.user_hash_key
        return None if key is None else key.get_secret_value().encode()


def user_hash(key: bytes, user: str) -> bytes:
    """32 bytes: HMAC-SHA256 of the user's id."""
    return hmac.digest(key, user.encode(), "sha256")
