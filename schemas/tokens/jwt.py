"""JSON Web Tokens: signature and times; ``schemas/tokens/claims.py`` reads the rest.

Algorithms are a fixed allow-list that follows from the kind of key, never from the token's header
alone (RFC 8725, section 3.1). A cached identity is never used past the token's own expiry.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jwt
from jwt.types import Options

from schemas.http.problems import ProblemError
from schemas.tokens.claims import ClaimRules
from schemas.tokens.forms import (
    canonical_jwt,
    is_nested_too_deeply,
    jwt_header,
    mistake_in,
    not_a_jwt,
)
from schemas.tokens.identity import (
    NOBODY,
    Caller,
    Identity,
    TokenRefusedError,
    VerifiedTokens,
    check_not_expired,
)
from schemas.tokens.jwks import JwksClient, KeysUnavailableError, UnknownKeyError
from schemas.tokens.jwt_keys import (
    BASE64_PREFIX,
    PUBLIC_ALGORITHMS,
    SECRET_BYTES,
    FixedKey,
    KeySource,
    algorithms_of_key,
    algorithms_of_secret,
    other_reading,
    public_key,
    secret_bytes,
)

_OPTIONS: Final[Options] = {
    # `sub` may be a number here, which PyJWT refuses; ClaimRules reads the claims.
    "verify_sub": False,
    "verify_jti": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    # PyJWT has one leeway for both ends; verify() checks the expiry with its own.
    "verify_exp": False,
}

#: Headers of tokens that counted: an issuer has one for each of its keys.
_MOST_HEADERS: Final = 64

logger = logging.getLogger(__name__)


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

    @property
    def source(self) -> str:
        """The setting that the key is from."""
        kinds = {"JWT_SECRET": self.secret, "JWT_PUBLIC_KEY": self.public_key}
        return self.variables + next((kind for kind, key in kinds.items() if key), "JWKS_URL")


def possible_algorithms(issuer: JwtIssuer) -> tuple[str, ...]:
    """What the issuer's kind of key can have been used with.

    Raises ``ValueError`` naming the setting of a key that serves nothing.
    """
    if issuer.secret:
        return algorithms_of_secret(_secret(issuer))
    if not issuer.public_key:
        return PUBLIC_ALGORITHMS
    try:
        algorithms = algorithms_of_key(public_key(issuer.public_key))
    except ValueError:
        algorithms = ()
    if not algorithms:
        raise ValueError(
            f"{issuer.source} is not a public key in PEM of RSA (2048 bits at least), P-256, "
            "P-384, P-521 or Ed25519"
        )
    return algorithms


def allowed_algorithms(issuer: JwtIssuer) -> tuple[str, ...]:
    """The algorithms that count. Raises ``ValueError`` naming the setting: an algorithm that the
    key does not serve, or a key that serves none."""
    possible = possible_algorithms(issuer)
    for name in issuer.algorithms:
        if name not in possible:
            raise ValueError(
                f"{issuer.variables}JWT_ALGORITHMS names {name}, but this kind of key serves "
                f"{', '.join(possible)}"
            )
    return issuer.algorithms or possible


def key_source(issuer: JwtIssuer) -> KeySource:
    """Where the issuer's keys come from."""
    if issuer.secret:
        return FixedKey(_secret(issuer))
    if issuer.public_key:
        return FixedKey(public_key(issuer.public_key))
    assert issuer.jwks_url is not None  # noqa: S101  (the settings were validated)
    return JwksClient(
        issuer.jwks_url,
        refresh_seconds=issuer.jwks_refresh_seconds,
        cooldown_seconds=issuer.jwks_cooldown_seconds,
    )


def _secret(issuer: JwtIssuer) -> bytes:
    try:
        return secret_bytes(issuer.secret or "")
    except ValueError as error:
        raise ValueError(f"{issuer.source}: {error}") from error


class JwtVerifier(VerifiedTokens):
    """The :class:`TokenVerifier` of one issuer's JWTs. ``clock`` gives Unix seconds."""

    def __init__(
        self, issuer: JwtIssuer, keys: KeySource, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(issuer.cache_size, clock)
        self._keys = keys
        self._rules = issuer.rules
        self._source = issuer.source
        self.algorithms = allowed_algorithms(issuer)
        self._decoded_secret = other_reading(issuer.secret)
        #: Of tokens that counted, as they were written: algorithm and key id.
        self._headers: dict[str, tuple[str, object]] = {}
        self._hints: list[str] = []

    @property
    def hints(self) -> list[str]:
        """What the operator should set otherwise, as far as tokens have shown it."""
        return [*self._hints, *filter(None, [getattr(self._keys, "trouble", None)])]

    @property
    def key_set(self) -> int:
        return self._keys.version

    @property
    def known_headers(self) -> int:
        """How many are not read again: they were those of tokens that counted."""
        return len(self._headers)

    async def verify(
        self, token: str, *, expired_for_seconds: float = 0.0, caller: Caller = NOBODY
    ) -> Identity:
        token = canonical_jwt(token)
        identity = self.cached(token)
        if identity is not None:
            return identity
        identity = self._rules.identity(token, await self._claims(token))
        check_not_expired(identity, self._clock(), expired_for_seconds)
        until = identity.accepted_until
        self.remember(token, identity, math.inf if until is None else until)
        return identity

    def at_once(self, token: str) -> Identity | None:
        verification = self.verify(token)
        try:
            verification.send(None)
        except StopIteration as verified:
            identity: Identity = verified.value
            return identity
        verification.close()  # it waits for a key set, whose fetch goes on
        return None

    async def close(self) -> None:
        await self._keys.close()

    async def _claims(self, token: str) -> dict[str, Any]:
        mistake = mistake_in(token)
        if mistake is not None:
            raise mistake
        written = token.partition(".")[0]
        known = self._headers.get(written)
        if known is not None and is_nested_too_deeply(token):
            raise not_a_jwt(token)
        algorithm, key_id = known or self._read_header(token)
        claims = await self._signed_claims(token, key_id, algorithm)
        if claims is None and await self._keys.renew():
            claims = await self._signed_claims(token, key_id, algorithm)
        if claims is None:
            raise self._bad_signature(token, algorithm)
        if len(self._headers) >= _MOST_HEADERS and written not in self._headers:
            del self._headers[next(iter(self._headers))]
        self._headers[written] = algorithm, key_id
        return claims

    def _read_header(self, token: str) -> tuple[str, object]:
        header = jwt_header(token)
        if header is None:
            raise not_a_jwt(token)
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self.algorithms:
            raise TokenRefusedError("token_invalid", self._wrong_algorithm(algorithm), "algorithm")
        return algorithm, header.get("kid")

    async def _signed_claims(
        self, token: str, key_id: object, algorithm: str
    ) -> dict[str, Any] | None:
        """The claims; ``None`` if none of the keys that it may be signed with has signed it."""
        try:
            keys = await self._keys.keys_for(key_id, algorithm)
        except UnknownKeyError as error:
            raise TokenRefusedError("unknown_key", str(error)) from error
        except KeysUnavailableError as error:
            raise ProblemError("unavailable", str(error)) from error
        for key in keys:
            claims = self._decode(token, key, algorithm)
            if claims is not None:
                return claims
        return None

    def _decode(self, token: str, key: Any, algorithm: str) -> dict[str, Any] | None:
        """The claims; ``None`` if another key signed them."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                options=_OPTIONS,
                leeway=self._rules.leeway_seconds,
            )
        except jwt.InvalidSignatureError:
            return None
        except jwt.ImmatureSignatureError as error:
            raise TokenRefusedError("token_not_yet_valid", "The token's nbf is ahead.") from error
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            if jwt_header(token) is None:
                raise not_a_jwt(token) from error
            raise TokenRefusedError("token_invalid", "The token cannot be read.") from error
        return claims

    def _wrong_algorithm(self, algorithm: object) -> str:
        told = f"Tokens must be signed with {' or '.join(self.algorithms)}."
        least = SECRET_BYTES.get(algorithm) if isinstance(algorithm, str) else None
        if least is not None and self.algorithms[0] in SECRET_BYTES:
            told += f" {algorithm} wants a secret of {least} bytes (RFC 7518) in {self._source}."
        return told

    def _bad_signature(self, token: str, algorithm: str) -> TokenRefusedError:
        if not self._signed_by_decoded_secret(token, algorithm):
            return TokenRefusedError(
                "bad_signature", "The token's signature does not match its key."
            )
        if not self._hints:
            self._hints.append(
                f"Tokens are signed with the bytes that {self._source} is the base64 of: write "
                f"{self._source}={BASE64_PREFIX}…"
            )
            logger.warning("%s", self._hints[0])
        return TokenRefusedError(
            "bad_signature",
            "The token's signature does not match its key: the server was given the base64 of it.",
            "base64_secret",
        )

    def _signed_by_decoded_secret(self, token: str, algorithm: str) -> bool:
        decoded = self._decoded_secret
        if decoded is None or algorithm not in algorithms_of_secret(decoded):
            return False
        try:
            return self._decode(token, decoded, algorithm) is not None
        except TokenRefusedError as refused:
            return refused.code == "token_not_yet_valid"
