"""The keys of a JSON Web Key Set (RFC 7517) that verify signatures. PURE.

Sets in the field hold more than keys to verify with: broken keys, keys of kinds that we do not
have, and one key twice under one id (for signatures and for encryption, or a plain copy). What
cannot verify is passed over, a key that is there twice counts once, and two different keys may
share an id. Secrets are never read: anybody who can fetch the set could sign with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import jwt

from schemas.tokens.jwt_keys import algorithms_of_key
from schemas.untrusted.nesting import load_json

_KINDS: Final = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
_MEMBERS: Final = ("kty", "crv", "n", "e", "x", "y")
_FIREBASE: Final = (
    "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
)


class NoKeysError(ValueError):
    """The document holds no key that can be used. The message says what it looks like."""


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key that can verify. ``algorithms`` is what its kind serves, or the one that it names."""

    key_id: object
    key: Any
    algorithms: tuple[str, ...]


def read_key_set(document: bytes) -> list[ListedKey]:
    """The keys, in the set's order. Raises :class:`NoKeysError` if there is none."""
    try:
        found = load_json(document)
    except ValueError as error:
        raise NoKeysError("it is not a JSON Web Key Set") from error
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise NoKeysError(_looks_like(found))
    if not found["keys"]:
        raise NoKeysError("the key set is empty")
    keys: dict[tuple[object, ...], ListedKey] = {}
    for entry in found["keys"]:
        listed = _read(entry)
        if listed is not None:
            members = tuple(str(entry.get(member)) for member in _MEMBERS)
            keys.setdefault((str(listed.key_id), listed.algorithms, *members), listed)
    if not keys:
        raise NoKeysError("none of its keys verifies signatures (RSA, EC or Ed25519)")
    return list(keys.values())


def _read(entry: Any) -> ListedKey | None:
    if not isinstance(entry, dict) or entry.get("use") not in (None, "sig"):
        return None
    operations = entry.get("key_ops")
    if isinstance(operations, list) and "verify" not in operations:
        return None
    kind = entry.get("kty")
    reader = _KINDS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        return None
    public = {name: value for name, value in entry.items() if name not in ("d", "p", "q")}
    try:
        key = jwt.get_algorithm_by_name(reader).from_jwk(public)
    # What PyJWT lets through for members that are none, among others.
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, LookupError, RecursionError):
        return None
    algorithms = algorithms_of_key(key)
    named = entry.get("alg")
    if named is not None:
        algorithms = tuple(name for name in algorithms if name == named)
    return ListedKey(entry.get("kid"), key, algorithms) if algorithms else None


def _looks_like(found: Any) -> str:
    if isinstance(found, dict):
        if isinstance(found.get("jwks_uri"), str):
            return f"it is a discovery document: set its jwks_uri, {found['jwks_uri'][:200]}"
        values = list(found.values())
        if values and all(isinstance(v, str) and "BEGIN CERTIFICATE" in v for v in values):
            return f"it holds certificates, not a JSON Web Key Set: for Firebase set {_FIREBASE}"
    return "it is not a JSON Web Key Set"
