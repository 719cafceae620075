"""Development tokens: signed by secret, that of a data directory.

`rollcall up` makes the key; `rollcall token` signs with it. In production tokens come from the
app's own backend or identity provider. Where staff has an issuer of its own (`ROLLCALL_STAFF_…`), a
token with a scope is staff's, else a phone's.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

import jwt

from deploy.given import given
from schemas.tokens.jwt_keys import algorithms_of_secret, secret_bytes

SECRET_VARIABLE = "ROLLCALL_JWT_SECRET"  # noqa: S105 - the name of one
STAFF_SECRET_VARIABLE = "ROLLCALL_STAFF_JWT_SECRET"  # noqa: S105 - the name of one
CANARY_CLAIM_VARIABLE = "ROLLCALL_CANARY_CLAIM"
#: Of the tokens that are made here, where it is not set.
CANARY_CLAIM = "rollcall_canary"
FOREIGN_STAFF_KEYS = ("ROLLCALL_STAFF_JWKS_URL", "ROLLCALL_STAFF_JWT_PUBLIC_KEY")
#: Of a data directory: the key under which webhooks' secrets are stored.
ENCRYPTION_KEY_FILE = "encryption-key"
#: All that staff may do.
STAFF_SCOPES = "presence:read presence:export"


class NoKeyError(RuntimeError):
    """There is nothing to sign with. The message names the remedy."""


def make_dev_key(data_dir: Path) -> str:
    """The key of the data directory, made if there is none: 32 random bytes in hexadecimal."""
    _make_key(_key_file(data_dir))
    return signing_key(data_dir, {})


def _make_key(file: Path) -> str:
    file.touch(mode=0o600)
    if not file.read_text():
        file.write_text(secrets.token_hex(32) + "\n")
    return file.read_text().strip()


def keep_user_hash_key(data_dir: Path) -> str:
    """The key by which users who opted out are known, made with the data directory and never
    changed."""
    return _make_key(data_dir / "user-hash-key")


def keep_encryption_key(data_dir: Path) -> str:
    """The key under which webhooks' secrets are stored, made with the data directory."""
    return _make_key(data_dir / ENCRYPTION_KEY_FILE)


def is_staffs(scope: str | None, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a token with this scope is to be of staff's own issuer."""
    apart = (STAFF_SECRET_VARIABLE, *FOREIGN_STAFF_KEYS)
    return bool(scope) and any(given(name, environment) for name in apart)


def signing_key(
    data_dir: Path, environment: Mapping[str, str] = os.environ, *, scope: str | None = None
) -> str:
    """What to sign a token of this scope with.

    `ROLLCALL_STAFF_JWT_SECRET` for staff's, else `ROLLCALL_JWT_SECRET` if set (as a variable, or in
    the folder of secrets), else the key of the data directory. Raises `NoKeyError`.
    """
    if is_staffs(scope, environment):
        staff_secret = given(STAFF_SECRET_VARIABLE, environment)
        if staff_secret:
            return staff_secret
        issuer = next(name for name in FOREIGN_STAFF_KEYS if given(name, environment))
        raise NoKeyError(
            f"tokens with a scope come from the issuer of {issuer}: take one there, "
            "or make a key with rollcall key create"
        )
    secret = given(SECRET_VARIABLE, environment)
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
    canary: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> str:
    """One JWT, in the claims that services with this environment expect."""
    issuer = "ROLLCALL_STAFF_JWT_" if is_staffs(scope, environment) else "ROLLCALL_JWT_"
    now = int(time.time())
    # A claim that is named by a path is made flat: one whose name has dots counts too.
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
        "iss": _first(environment.get(f"{issuer}ISSUER")),
        environment.get("ROLLCALL_AUDIENCE_CLAIM") or "aud": _first(
            environment.get(f"{issuer}AUDIENCE")
        ),
    }
    claims |= {claim: value for claim, value in optional.items() if value}
    if canary:
        claims[environment.get(CANARY_CLAIM_VARIABLE) or CANARY_CLAIM] = True
    secret = secret_bytes(key)
    named = environment.get("ROLLCALL_JWT_ALGORITHMS", "").replace(" ", "").split(",")
    possible = algorithms_of_secret(secret)
    algorithm = next((name for name in named if name in possible), "HS256")
    return jwt.encode(claims, secret, algorithm=algorithm)


def _first(listed: str | None) -> str | None:
    return listed.split(",")[0].strip() if listed else None


def _key_file(data_dir: Path) -> Path:
    return data_dir / "dev-key"
