"""Who a Bearer token speaks for: its claims become an identity, whoever vouches for them.

A JWT vouches by its signature (``schemas/jwt_tokens.py``), an opaque token by the answer of its
authorization server (``schemas/introspection.py``). Both are read by the rules here and remembered
in a bounded cache, and both are a :class:`TokenVerifier` to the services.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from cachetools import LRUCache

from schemas.events import MAX_DEVICE_ID, MAX_NAME, MAX_USER_ID
from schemas.problems import ProblemError
from schemas.text import clean_text

#: Logout takes a token this long past its expiry (promise 5): a phone that wakes up late can
#: still sign out.
LOGOUT_EXPIRY_TOLERANCE_SECONDS: Final = 24 * 3600.0

# Longer than any header that our HTTP parser accepts; a bound on hashing and parsing work.
MAX_TOKEN_CHARACTERS: Final = 8_190


@dataclass(frozen=True, slots=True)
class Identity:
    """What a verified token says.

    ``token`` is the token identity of design, section 2. ``accepted_until`` is the Unix time in
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


class TokenVerifier(Protocol):
    """Says who a token speaks for."""

    def cached(self, token: str) -> Identity | None:
        """The identity of a token that was verified before and still counts: the hot path, which
        never waits."""
        ...

    async def verify(self, token: str, *, expired_for_seconds: float = 0.0) -> Identity:
        """The identity behind a token.

        ``expired_for_seconds`` accepts a token that long past its expiry (logout only); such an
        identity is not cached. Raises :class:`TokenRefusedError`, or ``ProblemError`` with code
        ``unavailable`` while whoever vouches for tokens cannot be asked.
        """
        ...

    async def close(self) -> None:
        """Let go of connections; requests in flight end."""
        ...


class VerifiedTokens:
    """At most ``size`` verified tokens, each until its own time, least recently used out first.

    ``clock`` gives seconds, on the scale of the ``until`` that :meth:`remember` is given.
    """

    def __init__(self, size: int, clock: Callable[[], float]) -> None:
        self._kept: LRUCache[str, tuple[Identity, float]] = LRUCache(size)
        self._clock = clock

    def cached(self, token: str) -> Identity | None:
        kept = self._kept.get(token)
        if kept is None:
            return None
        if self._clock() >= kept[1]:
            self._kept.pop(token, None)
            return None
        return kept[0]

    def remember(self, token: str, identity: Identity, until: float) -> None:
        if self._clock() < until:
            self._kept[token] = identity, until


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """How claims are read. ``issuer`` and ``audience`` are required where they are set;
    ``leeway_seconds`` is the clock skew tolerated in times."""

    user_claim: str
    name_claim: str
    issuer: str | None
    audience: str | None
    leeway_seconds: float

    def identity(self, token: str, claims: dict[str, Any]) -> Identity:
        """Who the claims of ``token`` speak for.

        Raises :class:`TokenRefusedError` if they name no user or an unusable ``exp``. The time and
        who issued them for whom are the verifier's to check.
        """
        session = _text_claim(claims, "sid", MAX_DEVICE_ID)
        return Identity(
            user=self._user(claims),
            token=f"sid:{session}" if session else _token_hash(token),
            name=_text_claim(claims, self.name_claim, MAX_NAME),
            device=_text_claim(claims, "device_id", MAX_DEVICE_ID) or session,
            scopes=frozenset(_scopes(claims)),
            accepted_until=self._accepted_until(claims),
        )

    def _accepted_until(self, claims: dict[str, Any]) -> float | None:
        expires = claims.get("exp")
        if expires is None:
            return None
        if isinstance(expires, bool) or not isinstance(expires, int | float):
            raise TokenRefusedError("token_invalid", "The token's exp is not a number.")
        if not abs(expires) < 1e12:  # also NaN
            raise TokenRefusedError("token_invalid", "The token's exp is out of range.")
        return float(expires) + self.leeway_seconds

    def _user(self, claims: dict[str, Any]) -> str:
        claim = self.user_claim
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


def check_not_expired(identity: Identity, now: float, expired_for_seconds: float) -> None:
    """Raise :class:`TokenRefusedError` with ``token_expired`` once ``now``, in Unix seconds, is
    that long past the identity's end."""
    until = identity.accepted_until
    if until is not None and now >= until + expired_for_seconds:
        raise TokenRefusedError(
            "token_expired", "The token has expired; ask its issuer for a new one."
        )


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
