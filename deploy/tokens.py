"""Development tokens: HS256, signed with the key of a data directory.

`rollcall up` makes the key; `rollcall token` signs with it. In production tokens come from the
app's own backend or identity provider.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

import jwt

SECRET_VARIABLE = "ROLLCALL_JWT_SECRET"  # noqa: S105 - the name of one
READ_SCOPE = "presence:read"


class NoKeyError(RuntimeError):
    """There is nothing to sign with. The message names the remedy."""


def make_dev_key(data_dir: Path) -> str:
    """The key of the data directory, made if there is none: 32 random bytes in hexadecimal."""
    file = _key_file(data_dir)
    file.touch(mode=0o600)
    if not file.read_text():
        file.write_text(secrets.token_hex(32) + "\n")
    return signing_key(data_dir, {})


def signing_key(data_dir: Path, environment: Mapping[str, str] = os.environ) -> str:
    """`ROLLCALL_JWT_SECRET` if set, else the key of the data directory.

    Raises `NoKeyError`.
    """
    secret = environment.get(SECRET_VARIABLE)
    if secret:
        return secret
    file = _key_file(data_dir)
    try:
        key = file.read_text().strip()
    except FileNotFoundError:
        key = ""
    except OSError as error:
        raise NoKeyError(f"cannot read {file}: {error.strerror}") from error
    if not key:
        raise NoKeyError(
            f"no key in {file}: start `rollcall up` with this --data-dir first, "
            f"or set {SECRET_VARIABLE}"
        )
    return key


def make_token(
    key: str,
    *,
    user: str,
    expires_seconds: float,
    device_id: str | None = None,
    name: str | None = None,
    scope: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> str:
    """One JWT, in the claims that services with this environment expect."""
    now = int(time.time())
    claims: dict[str, object] = {
        environment.get("ROLLCALL_USER_CLAIM") or "sub": user,
        "iat": now,
        "exp": now + int(expires_seconds),
        "jti": secrets.token_urlsafe(12),
    }
    optional = {
        "device_id": device_id,
        environment.get("ROLLCALL_NAME_CLAIM") or "name": name,
        "scope": scope,
        "iss": environment.get("ROLLCALL_JWT_ISSUER"),
        "aud": environment.get("ROLLCALL_JWT_AUDIENCE"),
    }
    claims |= {claim: value for claim, value in optional.items() if value}
    return jwt.encode(claims, key, algorithm="HS256")


def _key_file(data_dir: Path) -> Path:
    return data_dir / "dev-key"
