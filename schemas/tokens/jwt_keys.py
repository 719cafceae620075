"""Keys of JSON Web Tokens, and the algorithms that each kind of key serves (RFC 7518).

The kind of key decides, never the token's header: a public key is never taken for a secret, and a
secret serves an algorithm only if it is as long as that algorithm's hash.
"""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache
from typing import Any, Final, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import HMACAlgorithm

#: HMAC -> the shortest secret, in bytes.
SECRET_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
#: RFC 7518, section 3.3.
LEAST_RSA_BITS: Final = 2048
RSA_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
PUBLIC_ALGORITHMS: Final = (*RSA_ALGORITHMS, *_CURVES.values(), "EdDSA")
# What a file of variables leaves around a value, depending on who reads it.
_AROUND: Final = " \t\r\n\"'"
#: Before a secret that is written as the base64 of its bytes.
BASE64_PREFIX: Final = "base64:"


class CheckedSecrets(HMACAlgorithm):
    """PyJWT's own, which looks at each secret once, and not for each token, whether it is rather a
    public key: a tenth of what a token costs that was not seen before."""

    prepare_key = lru_cache(maxsize=16)(HMACAlgorithm.prepare_key)


for _name in SECRET_BYTES:
    jwt.unregister_algorithm(_name)
    jwt.register_algorithm(
        _name, CheckedSecrets(getattr(HMACAlgorithm, _name.replace("HS", "SHA")))
    )


class KeySource(Protocol):
    """Finds the keys that a token may have been signed with."""

    async def keys_for(self, key_id: object, algorithm: str) -> list[Any]:
        """At least one. Raises ``UnknownKeyError`` or ``KeysUnavailableError``
        (``schemas/tokens/jwks.py``)."""
        ...

    async def renew(self) -> bool:
        """None of those keys signed it. Whether there may be others now."""
        ...

    @property
    def version(self) -> int:
        """Another one whenever the keys are others."""
        ...

    async def close(self) -> None: ...


class FixedKey:
    """One secret or public key from the settings."""

    def __init__(self, key: Any) -> None:
        self._keys = [key]
        self.version = 0

    async def keys_for(self, key_id: object, algorithm: str) -> list[Any]:
        return self._keys

    async def renew(self) -> bool:
        return False

    async def close(self) -> None:
        """Nothing to let go of."""


def secret_bytes(text: str) -> bytes:
    """The bytes of a secret as it is configured: those of the text, or of what follows
    ``base64:``. Raises ``ValueError``."""
    if not text.startswith(BASE64_PREFIX):
        return text.encode("utf-8", "surrogatepass")
    decoded = decoded_base64(text.removeprefix(BASE64_PREFIX))
    if decoded is None:
        raise ValueError("what follows base64: is no base64")
    return decoded


def decoded_base64(text: str) -> bytes | None:
    """The bytes of base64 in either alphabet, padded or not; ``None`` for anything else."""
    plain = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def other_reading(secret: str | None) -> bytes | None:
    """What a secret would be if it were base64: where every signature fails, perhaps it is."""
    if not secret or secret.startswith(BASE64_PREFIX):
        return None
    return decoded_base64(secret)


def algorithms_of_secret(secret: bytes) -> tuple[str, ...]:
    """What a secret is long enough for."""
    return tuple(name for name, least in SECRET_BYTES.items() if len(secret) >= least)


def public_key(pem: str) -> Any:
    """The key in a PEM text. Line breaks may be written as ``\\n``, as in a ``.env`` file.

    Raises ``ValueError`` where it is none.
    """
    try:
        return load_pem_public_key(pem.replace("\\n", "\n").strip(_AROUND).encode())
    except Exception as error:  # cryptography's own kinds, and ValueError
        raise ValueError("not a public key in PEM") from error


def algorithms_of_key(key: Any) -> tuple[str, ...]:
    """What a public key serves; empty where that is nothing of ours."""
    if isinstance(key, rsa.RSAPublicKey):
        return RSA_ALGORITHMS if key.key_size >= LEAST_RSA_BITS else ()
    if isinstance(key, ec.EllipticCurvePublicKey):
        algorithm = _CURVES.get(key.curve.name)
        return (algorithm,) if algorithm else ()
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return ("EdDSA",)
    return ()
