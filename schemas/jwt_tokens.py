"""JSON Web Tokens: signature, times, issuer and audience.

Algorithms are a fixed allow-list that follows from the kind of key, never from the token's header
alone (RFC 8725, section 3.1). A cached identity is never used past the token's own expiry.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import jwt
from jwt.types import Options

from schemas.jwks import JwksClient, KeysUnavailableError, UnknownKeyError
from schemas.problems import ProblemError
from schemas.tokens import (
    MAX_TOKEN_CHARACTERS,
    ClaimRules,
    Identity,
    TokenRefusedError,
    VerifiedTokens,
    check_not_expired,
)

SECRET_ALGORITHMS: Final = ("HS256",)
PUBLIC_ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")


class KeySource(Protocol):
    """Finds the key that a token says it was signed with."""

    async def key_for(self, key_id: str | None, algorithm: str) -> Any: ...

    async def close(self) -> None: ...


class FixedKey:
    """One secret or public key from the settings."""

    def __init__(self, key: str) -> None:
        self._key = key

    async def key_for(self, key_id: str | None, algorithm: str) -> Any:
        return self._key

    async def close(self) -> None:
        """Nothing to let go of."""


@dataclass(frozen=True, slots=True)
class JwtIssuer:
    """Whose JWTs count: exactly one of ``secret``, ``public_key`` (PEM) and ``jwks_url`` is set.

    ``variables`` begins the names of the settings that this is from, for messages. ``algorithms``
    narrows what the key serves; empty: all of it.
    """

    variables: str
    secret: str | None
    public_key: str | None
    jwks_url: str | None
    jwks_refresh_seconds: float
    jwks_cooldown_seconds: float
    algorithms: tuple[str, ...]
    rules: ClaimRules
    cache_size: int


def allowed_algorithms(issuer: JwtIssuer) -> tuple[str, ...]:
    """The algorithms that the issuer's kind of key can have been used with.

    Raises ``ValueError`` naming the setting: an algorithm that the key does not serve, or a key
    that serves none.
    """
    possible = SECRET_ALGORITHMS if issuer.secret else PUBLIC_ALGORITHMS
    if issuer.public_key:
        possible = (_algorithm_of(issuer.public_key, f"{issuer.variables}JWT_PUBLIC_KEY"),)
    for name in issuer.algorithms:
        if name not in possible:
            raise ValueError(
                f"{issuer.variables}JWT_ALGORITHMS names {name}, but this kind of key serves "
                f"{', '.join(possible)}"
            )
    return issuer.algorithms or possible


def _algorithm_of(pem: str, variable: str) -> str:
    for algorithm in PUBLIC_ALGORITHMS:
        try:
            jwt.get_algorithm_by_name(algorithm).prepare_key(pem)
        except (jwt.InvalidKeyError, ValueError, TypeError):
            continue
        return algorithm
    raise ValueError(f"{variable} is not an RSA, P-256 or Ed25519 public key in PEM")


def key_source(issuer: JwtIssuer) -> KeySource:
    """Where the issuer's keys come from."""
    if issuer.secret:
        return FixedKey(issuer.secret)
    if issuer.public_key:
        return FixedKey(issuer.public_key)
    assert issuer.jwks_url is not None  # noqa: S101  (the settings were validated)
    return JwksClient(
        issuer.jwks_url,
        refresh_seconds=issuer.jwks_refresh_seconds,
        cooldown_seconds=issuer.jwks_cooldown_seconds,
    )


class JwtVerifier(VerifiedTokens):
    """The :class:`TokenVerifier` of one issuer's JWTs. ``clock`` gives Unix seconds."""

    def __init__(
        self, issuer: JwtIssuer, keys: KeySource, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(issuer.cache_size, clock)
        self._keys = keys
        self._rules = issuer.rules
        self._algorithms = list(allowed_algorithms(issuer))

    async def verify(self, token: str, *, expired_for_seconds: float = 0.0) -> Identity:
        identity = self.cached(token)
        if identity is not None:
            return identity
        identity = self._rules.identity(token, await self._claims(token))
        check_not_expired(identity, self._clock(), expired_for_seconds)
        until = identity.accepted_until
        self.remember(token, identity, math.inf if until is None else until)
        return identity

    async def close(self) -> None:
        await self._keys.close()

    async def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise TokenRefusedError("token_invalid", "The token is too long.")
        try:
            header = jwt.get_unverified_header(token)
        # Whatever a stranger puts there, bytes that are no UTF-8 and endless nesting included.
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise TokenRefusedError(
                "token_invalid", "The token is not a JSON Web Token."
            ) from error
        algorithm = header.get("alg")
        if algorithm not in self._algorithms:
            raise TokenRefusedError(
                "token_invalid",
                f"Tokens must be signed with {' or '.join(self._algorithms)}.",
            )
        try:
            key = await self._keys.key_for(header.get("kid"), algorithm)
        except UnknownKeyError as error:
            raise TokenRefusedError("unknown_key", str(error)) from error
        except KeysUnavailableError as error:
            raise ProblemError("unavailable", str(error)) from error
        return self._decode(token, key)

    def _decode(self, token: str, key: Any) -> dict[str, Any]:
        options: Options = {
            # `sub` may be a number here, which PyJWT refuses; ClaimRules checks the user claim.
            "verify_sub": False,
            "verify_jti": False,
            "verify_iat": False,
            "verify_aud": self._rules.audience is not None,
            # PyJWT has one leeway for both ends; verify() checks the expiry with its own.
            "verify_exp": False,
        }
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                options=options,
                audience=self._rules.audience,
                issuer=self._rules.issuer,
                leeway=self._rules.leeway_seconds,
            )
        except jwt.InvalidSignatureError as error:
            raise TokenRefusedError(
                "bad_signature", "The token's signature does not match its key."
            ) from error
        except jwt.ImmatureSignatureError as error:
            raise TokenRefusedError("token_not_yet_valid", "The token's nbf is ahead.") from error
        except jwt.InvalidAudienceError as error:
            raise TokenRefusedError("wrong_audience", "The token's aud is another.") from error
        except jwt.InvalidIssuerError as error:
            raise TokenRefusedError("wrong_issuer", "The token's iss is another.") from error
        except jwt.MissingRequiredClaimError as error:
            code = {"aud": "wrong_audience", "iss": "wrong_issuer"}.get(error.claim)
            raise TokenRefusedError(
                code or "token_invalid", f"The token has no {error.claim} claim."
            ) from error
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise TokenRefusedError("token_invalid", "The token cannot be read.") from error
        return claims
