"""Who a Bearer token speaks for: its claims become an identity.

A JWT vouches by its signature (``schemas/tokens/jwt.py``), any other by the answer of who issued
it: an authorization server (``schemas/tokens/introspection.py``) or the app's own back end
(``schemas/tokens/userinfo.py``). All are read by ``schemas/tokens/claims.py`` and remembered in a
bounded cache, and all are a :class:`TokenVerifier` to the services.
"""

from __future__ import annotations

import base64
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from schemas.http.problems import ProblemError

#: Logout takes a token this long past its expiry (promise 5): a phone that wakes up late can
#: still sign out.
LOGOUT_EXPIRY_TOLERANCE_SECONDS: Final = 24 * 3600.0

# Longer than any message that a door accepts by default; a bound on hashing and parsing work.
MAX_TOKEN_CHARACTERS: Final = 65_536


#: A token's issuer, an API key of ours, or a proxy where people sign on.
PrincipalKind: TypeAlias = Literal["token", "api_key", "single_sign_on"]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a verified token says.

    ``token`` is the token identity of design, section 2. ``accepted_until`` is the Unix time in
    seconds, leeway included, after which the token is refused (``None``: no expiry). ``name`` is
    empty where names are not to be known. ``kind`` is who vouches for ``user``: names of one kind
    may look like those of another. ``canary``: the issuer says that this is no person
    (design, section 2).
    """

    user: str
    token: str
    name: str | None
    device: str | None
    scopes: frozenset[str]
    accepted_until: float | None
    kind: PrincipalKind = "token"
    canary: bool = False


class TokenRefusedError(ProblemError):
    """The token is not accepted; ``code`` is one of ``schemas.http.problems.TOKEN_CODES``,
    ``cause`` one of ``schemas.tokens.causes.CAUSES``: what is wrong more closely, where that is
    known."""

    def __init__(self, code: str, detail: str, cause: str = "") -> None:
        super().__init__(code, detail)
        self.cause = cause or code


@dataclass(frozen=True, slots=True)
class Caller:
    """Who caused a question about a token. ``address`` is the client's, ``None`` where it has no
    limit; ``wait_seconds`` gives how long it has to wait before it may cause another one."""

    address: str | None
    wait_seconds: Callable[[], float]


NOBODY: Final = Caller(None, lambda: 0.0)


class TokenVerifier(Protocol):
    """Says who a token speaks for."""

    def cached(self, token: str) -> Identity | None:
        """The identity of a token that was verified before and still counts: the hot path, which
        never waits."""
        ...

    def at_once(self, token: str) -> Identity | None:
        """The identity of a token that was not verified before, where that takes nobody else and no
        waiting: then it is :meth:`cached` from now on. ``None`` where it does.

        Raises as :meth:`verify`.
        """
        ...

    async def verify(
        self, token: str, *, expired_for_seconds: float = 0.0, caller: Caller = NOBODY
    ) -> Identity:
        """The identity behind a token that came from ``caller``.

        ``expired_for_seconds`` accepts a token that long past its expiry (logout only); such an
        identity is not cached. Raises :class:`TokenRefusedError`, or ``ProblemError`` with code
        ``unavailable`` while the issuer of tokens cannot be asked.
        """
        ...

    @property
    def key_set(self) -> Hashable:
        """Another value whenever a signature that did not match may match."""
        ...

    @property
    def hints(self) -> list[str]:
        """Sentences for who operates this: what keeps tokens from counting, as far as they have
        shown it."""
        ...

    async def close(self) -> None:
        """Let go of connections; requests in flight end."""
        ...


class VerifiedTokens:
    """At most ``size`` verified tokens, each until its own time, least recently used out first.

    ``clock`` gives seconds, on the scale of the ``until`` that :meth:`remember` is given.
    """

    def __init__(self, size: int, clock: Callable[[], float]) -> None:
        # Every call asks: cachetools' LRUCache, which is Python, takes four times as long.
        self._kept: OrderedDict[str, tuple[Identity, float]] = OrderedDict()
        self._size = size
        self._clock = clock

    def cached(self, token: str) -> Identity | None:
        kept = self._kept.get(token)
        if kept is None:
            return None
        if self._clock() >= kept[1]:
            del self._kept[token]
            return None
        self._kept.move_to_end(token)
        return kept[0]

    def remember(self, token: str, identity: Identity, until: float) -> None:
        if self._clock() < until:
            self._kept[token] = identity, until
            self._kept.move_to_end(token)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)


def check_not_expired(identity: Identity, now: float, expired_for_seconds: float) -> None:
    """Raise :class:`TokenRefusedError` with ``token_expired`` once ``now``, in Unix seconds, is
    that long past the identity's end."""
    until = identity.accepted_until
    if until is not None and now >= until + expired_for_seconds:
        raise TokenRefusedError(
            "token_expired", "The token has expired; ask its issuer for a new one."
        )


def token_hash(token: str) -> str:
    """The token identity of a token that names no session."""
    return "sha256:" + base64.urlsafe_b64encode(token_digest(token)[:16]).rstrip(b"=").decode()


def token_digest(token: str) -> bytes:
    """What is kept of a token where the token itself should not be: 32 bytes."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
