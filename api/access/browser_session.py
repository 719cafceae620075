"""The dashboard's session: its cookie holds a random secret, PostgreSQL the rest.

The policy: a session lasts ``ROLLCALL_SESSION_SECONDS`` (12 h) from the last use of the dashboard,
and never longer than its token. A use that comes past a tenth of its life is written down, and its
answer gives the browser the cookie anew. So an open page stays signed in, and a closed one is
signed out in time. A logout ends the session itself: a cookie that was copied is worth nothing from
then on, in any process. A restart ends none.

What PostgreSQL has of the token is sealed with a key that is made of the cookie: neither a copy of
the database nor a cookie alone gives a token away. The cookie ends with a mark that only the API
can make (``api.signing.secret``): what somebody made up costs no query.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from api.access.browser_session_table import SessionTable
from api.settings import ApiSettings
from api.signing.secret import ApiSecret
from schemas.tokens.identity import Identity

#: `none`: the user typed the address or came from outside the browser.
OUR_PAGES: Final = ("same-origin", "none")
_RANDOM_BYTES: Final = 32
_MARK_BYTES: Final = 16
_COOKIE_CHARACTERS: Final = 64
#: A key seals one token only: no nonce is needed twice.
_NONCE: Final = bytes(12)


@dataclass(frozen=True, slots=True)
class Session:
    """What a cookie stands for."""

    cookie: str
    digest: bytes
    is_due: bool


_SESSION: Final = web.RequestKey("api_session", Session)
_RENEWAL: Final = web.RequestKey("api_session_renewal", tuple)


class BrowserSessions:
    """Begins, finds and ends sessions. Every method that waits raises ``ProblemError`` with code
    ``unavailable`` while PostgreSQL does not answer. ``clock`` gives Unix seconds."""

    def __init__(
        self,
        settings: ApiSettings,
        secret: ApiSecret,
        table: SessionTable,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._seconds = settings.session_seconds
        self._always_secure = settings.api_cookie_secure
        self._secret = secret
        self._table = table
        self._clock = clock

    async def token_of(self, request: web.Request) -> str:
        """The session's token; empty without a session, or if another site's page asks."""
        if request.headers.get("Sec-Fetch-Site", "none") not in OUR_PAGES:
            return ""
        cookie = request.cookies.get(cookie_name(request), "")
        random = await self._random(cookie)
        if random is None:
            return ""
        digest = _digest(random)
        kept = await self._table.find(digest, self._seconds)
        token = _unsealed(random, kept.token) if kept is not None else None
        if kept is None or token is None:
            return ""
        request[_SESSION] = Session(cookie, digest, kept.is_due)
        return token

    async def used(self, request: web.Request, identity: Identity) -> None:
        """The session's token was taken: if that is due, it lasts anew, and so does its cookie."""
        session = request.get(_SESSION)
        if session is None or not session.is_due:
            return
        life = self._life(identity)
        await self._table.used(session.digest, life)
        request[_RENEWAL] = (session.cookie, life)

    async def renew(self, request: web.Request, response: web.StreamResponse) -> None:
        """A signal of every answer: writes the cookie anew where :meth:`used` asked for it."""
        renewal = request.get(_RENEWAL)
        # A new session or none, which the answer itself gives, goes first.
        if renewal is not None and not response.cookies:
            self._write(request, response, *renewal)
            # At this signal aiohttp has turned cookies into headers already.
            for cookie in response.cookies.values():
                response.headers.add(hdrs.SET_COOKIE, cookie.OutputString())

    async def start(
        self, request: web.Request, response: web.StreamResponse, token: str, identity: Identity
    ) -> None:
        """Give the browser a session, in place of the one that it has."""
        await self._forget(request)
        random = secrets.token_bytes(_RANDOM_BYTES)
        cookie = _text(random + _mark(random, await self._secret.get()))
        owner = hashlib.sha256(f"{identity.kind}:{identity.user}".encode()).digest()
        life = self._life(identity)
        await self._table.begin(_digest(random), owner, _sealed(random, token), life)
        self._write(request, response, cookie, life)

    async def end(self, request: web.Request, response: web.StreamResponse) -> None:
        """End it everywhere, and take the cookie away."""
        await self._forget(request)
        self._write(request, response, "", 0)

    def _life(self, identity: Identity) -> int:
        until = identity.accepted_until
        if until is None:
            return self._seconds
        return max(0, min(self._seconds, int(until - self._clock())))

    async def _forget(self, request: web.Request) -> None:
        random = await self._random(request.cookies.get(cookie_name(request), ""))
        if random is not None:
            await self._table.end(_digest(random))

    async def _random(self, cookie: str) -> bytes | None:
        """Of a cookie that we made; ``None`` of any other."""
        if len(cookie) != _COOKIE_CHARACTERS or not cookie.isascii():
            return None
        try:
            raw = base64.b64decode(cookie, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        random, mark = raw[:_RANDOM_BYTES], raw[_RANDOM_BYTES:]
        ours = _mark(random, await self._secret.get())
        return random if hmac.compare_digest(mark, ours) else None

    def _write(
        self, request: web.Request, response: web.StreamResponse, value: str, seconds: int
    ) -> None:
        # A forged header could only make the forger's own cookie stricter.
        forwarded = request.headers.get("X-Forwarded-Proto") == "https"
        response.set_cookie(
            cookie_name(request),
            value,
            max_age=seconds,
            path="/",
            secure=self._always_secure or request.secure or forwarded,
            httponly=True,
            samesite="Strict",
        )


def cookie_name(request: web.Request) -> str:
    """Of the session cookie. Cookies know no ports, and stacks on one host differ by theirs."""
    try:
        port = urlsplit(f"//{request.host}").port
    except ValueError:
        port = None
    return "rollcall_session" + (f"_{port}" if port else "")


def _mark(random: bytes, secret: bytes) -> bytes:
    return hashlib.blake2b(
        random, digest_size=_MARK_BYTES, key=secret, person=b"rollcall-cookie"
    ).digest()


def _digest(random: bytes) -> bytes:
    """What PostgreSQL finds a session by, and cannot make its cookie of."""
    return hashlib.sha256(b"session" + random).digest()


def _seal(random: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(hashlib.sha256(b"seal" + random).digest())


def _sealed(random: bytes, token: str) -> bytes:
    return _seal(random).encrypt(_NONCE, token.encode("utf-8", "surrogatepass"), None)


def _unsealed(random: bytes, sealed: bytes) -> str | None:
    try:
        return _seal(random).decrypt(_NONCE, sealed, None).decode("utf-8", "surrogatepass")
    except InvalidTag:
        return None


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()
