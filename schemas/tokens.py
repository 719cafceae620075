"""Who a Bearer token speaks for: verification, and a bounded cache of what was verified.

Algorithms are a fixed allow-list that follows from the kind of key, never from the token's header
alone (RFC 8725, section 3.1). A cached identity is never used past the token's own expiry.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import jwt
from cachetools import LRUCache
from jwt.types import Options

from schemas.events import MAX_DEVICE_ID, MAX_NAME, MAX_USER_ID
from schemas.jwks import JwksClient, KeysUnavailableError, UnknownKeyError
from schemas.problems import ProblemError
from schemas.settings import TokenSettings
from schemas.text import clean_text

SECRET_ALGORITHMS: Final = ("HS256",)
PUBLIC_ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")

#: Logout takes a token this long past its expiry (promise 5): a phone that wakes up late can
#: still sign out.
LOGOUT_EXPIRY_TOLERANCE_SECONDS: Final = 24 * 3600.0

# Longer than any header that our HTTP parser accepts; a bound on hashing and parsing work.
MAX_TOKEN_CHARACTERS: Final = 8_190


@dataclass(frozen=True, slots=True)
class Identity:
    """What a verified token says.

    ``token`` is the token identity of design section 2. ``accepted_until`` is the Unix time in
    seconds, leeway included, after which the token is refused (``None``: no expiry).
    """

    user: str
    token: str
    name: str | None
    device: str | None
    scopes: frozenset[str]
    accepted_until: float | None


class TokenRefusedError(ProblemError):
    """The token is not accepted; ``code`` is one of ``schemas.problems.TOKEN_CODES``."""


class KeySource(Protocol):
    """Finds the key that a token says it was signed with."""

    async def key_for(self, key_id: str | None, algorithm: str) -> Any: ...


class FixedKey:
    """One secret or public key from the settings."""

    def __init__(self, key: str) -> None:
        self._key = key

    async def key_for(self, key_id: str | None, algorithm: str) -> Any:
        return self._key


def allowed_algorithms(settings: TokenSettings) -> tuple[str, ...]:
    """The algorithms that the settings' kind of key can have been used with.

    Raises ``ValueError`` naming an algorithm that the key does not serve.
    """
    possible = SECRET_ALGORITHMS if settings.jwt_secret else PUBLIC_ALGORITHMS
    if settings.jwt_public_key:
        possible = (_algorithm_of(settings.jwt_public_key),)
    wanted = tuple(name.strip() for name in settings.jwt_algorithms.split(",") if name.strip())
    for name in wanted:
        if name not in possible:
            raise ValueError(
                f"ROLLCALL_JWT_ALGORITHMS names {name}, but this kind of key serves "
                f"{', '.join(possible)}"
            )
    return wanted or possible


def _algorithm_of(pem: str) -> str:
    for algorithm in PUBLIC_ALGORITHMS:
        try:
            jwt.get_algorithm_by_name(algorithm).prepare_key(pem)
        except (jwt.InvalidKeyError, ValueError, TypeError):
            continue
        return algorithm
    raise ValueError("ROLLCALL_JWT_PUBLIC_KEY is not an RSA, P-256 or Ed25519 public key in PEM")


class TokenVerifier:
    """Verifies tokens and remembers at most ``token_cache_size`` of them.

    ``clock`` gives Unix seconds. Use :meth:`cached` on the hot path: it never waits.
    """

    def __init__(
        self,
        settings: TokenSettings,
        keys: KeySource,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._algorithms = list(allowed_algorithms(settings))
        self._cache: LRUCache[str, Identity] = LRUCache(settings.token_cache_size)

    def cached(self, token: str) -> Identity | None:
        """The identity of a token that was verified before and is still valid now."""
        identity = self._cache.get(token)
        if identity is None:
            return None
        if identity.accepted_until is not None and self._clock() >= identity.accepted_until:
            self._cache.pop(token, None)
            return None
        return identity

    async def verify(self, token: str, *, expired_for_seconds: float = 0.0) -> Identity:
        """The identity behind a token.

        ``expired_for_seconds`` accepts a token that long past its expiry (logout only); such an
        identity is not cached. Raises :class:`TokenRefusedError`, or ``ProblemError`` with code
        ``unavailable`` while the keys cannot be had.
        """
        identity = self.cached(token)
        if identity is not None:
            return identity
        claims = await self._claims(token, expired_for_seconds)
        identity = self._identity(token, claims)
        until = identity.accepted_until
        if until is None or self._clock() < until:
            self._cache[token] = identity
        return identity

    async def _claims(self, token: str, expired_for_seconds: float) -> dict[str, Any]:
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
        return self._decode(token, key, expired_for_seconds)

    def _decode(self, token: str, key: Any, expired_for_seconds: float) -> dict[str, Any]:
        options: Options = {
            # `sub` may be a number here, which PyJWT refuses; _identity checks the user claim.
            "verify_sub": False,
            "verify_jti": False,
            "verify_iat": False,
            "verify_aud": self._settings.jwt_audience is not None,
            # PyJWT has one leeway for both ends; expiry has its own below.
            "verify_exp": False,
        }
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                options=options,
                audience=self._settings.jwt_audience,
                issuer=self._settings.jwt_issuer,
                leeway=self._settings.jwt_leeway_seconds,
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
        until = self._accepted_until(claims)
        if until is not None and self._clock() >= until + expired_for_seconds:
            raise TokenRefusedError(
                "token_expired", "The token has expired; ask its issuer for a new one."
            )
        return claims

    def _accepted_until(self, claims: dict[str, Any]) -> float | None:
        expires = claims.get("exp")
        if expires is None:
            return None
        if isinstance(expires, bool) or not isinstance(expires, int | float):
            raise TokenRefusedError("token_invalid", "The token's exp is not a number.")
        if not abs(expires) < 1e12:  # also NaN
            raise TokenRefusedError("token_invalid", "The token's exp is out of range.")
        return float(expires) + self._settings.jwt_leeway_seconds

    def _identity(self, token: str, claims: dict[str, Any]) -> Identity:
        session = _text_claim(claims, "sid", MAX_DEVICE_ID)
        return Identity(
            user=self._user(claims),
            token=f"sid:{session}" if session else _token_hash(token),
            name=_text_claim(claims, self._settings.name_claim, MAX_NAME),
            device=_text_claim(claims, "device_id", MAX_DEVICE_ID) or session,
            scopes=frozenset(_scopes(claims)),
            accepted_until=self._accepted_until(claims),
        )

    def _user(self, claims: dict[str, Any]) -> str:
        claim = self._settings.user_claim
        value = claims.get(claim)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**255:
            value = str(value)
        if not isinstance(value, str) or not 1 <= len(value) <= MAX_USER_ID:
            raise TokenRefusedError(
                "token_invalid",
                f"The token's {claim} claim must be a text of 1 to {MAX_USER_ID} characters or "
                "an integer.",
            )
        if clean_text(value) != value:
            raise TokenRefusedError(
                "token_invalid", f"The token's {claim} claim holds control characters."
            )
        return value


def _token_hash(token: str) -> str:
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
    return "sha256:" + base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def _text_claim(claims: dict[str, Any], claim: str, max_characters: int) -> str | None:
    """A claim that only describes: anything but a usable text or integer counts as absent."""
    value = claims.get(claim)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**30:
        value = str(value)
    if not isinstance(value, str):
        return None
    return clean_text(value).strip()[:max_characters] or None


def _scopes(claims: dict[str, Any]) -> Iterable[str]:
    """``scope`` is a text (RFC 8693), ``scp`` either, ``scopes`` and ``permissions`` lists."""
    for claim in ("scope", "scp", "scopes", "permissions"):
        value = claims.get(claim)
        if isinstance(value, str):
            yield from value.split()
        elif isinstance(value, list):
            yield from (item for item in value if isinstance(item, str))


def key_source(settings: TokenSettings) -> FixedKey | JwksClient:
    """Where the settings say that keys come from. A :class:`JwksClient` must be closed."""
    if settings.jwt_secret:
        return FixedKey(settings.jwt_secret.get_secret_value())
    if settings.jwt_public_key:
        return FixedKey(settings.jwt_public_key)
    assert settings.jwks_url is not None  # noqa: S101  (the settings were validated)
    return JwksClient(
        settings.jwks_url,
        refresh_seconds=settings.jwks_refresh_seconds,
        cooldown_seconds=settings.jwks_cooldown_seconds,
    )
