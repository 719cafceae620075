"""The dashboard's session: a cookie that scripts cannot read, with a reader's token in it.

The policy: a session lasts ``ROLLCALL_SESSION_SECONDS`` (12 h) from the last use of the dashboard,
and never longer than its token. The cookie tells when it was written, and counts no longer than
that even if a browser keeps it; an answer to one that is past a tenth of its life writes it anew.
So an open page stays signed in, and a closed one is signed out in time. That time is not signed:
whoever can change it holds the token, which counts everywhere without a cookie.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from api.settings import ApiSettings
from schemas.tokens import Identity

#: Browsers drop a cookie of more than 4,096 bytes, name and attributes included, without a word.
MAX_COOKIE_TOKEN_CHARACTERS: Final = 3_880
#: `none`: the user typed the address or came from outside the browser.
OUR_PAGES: Final = ("same-origin", "none")
#: Between the time and the token; no token holds it (RFC 6750).
_SEPARATOR: Final = ":"
_RENEWED_IN_A_SESSION: Final = 10


@dataclass(frozen=True, slots=True)
class _Kept:
    """``written_at`` in Unix seconds."""

    token: str
    written_at: int


_RENEWAL: Final = web.RequestKey("api_session_renewal", tuple)


class BrowserSessions:
    """Reads and writes the cookie. ``clock`` gives Unix seconds."""

    def __init__(self, settings: ApiSettings, clock: Callable[[], float] = time.time) -> None:
        self._seconds = settings.session_seconds
        self._always_secure = settings.api_cookie_secure
        self._clock = clock

    def token_of(self, request: web.Request) -> str:
        """The token in the cookie; empty without one, if it is too old, or if another site's page
        asks."""
        kept = self._kept(request)
        return kept.token if kept is not None else ""

    def used(self, request: web.Request, identity: Identity) -> None:
        """The cookie's token was taken: its answer may have to renew the session."""
        kept = self._kept(request)
        if kept is None:
            return
        if self._clock() - kept.written_at >= self._seconds / _RENEWED_IN_A_SESSION:
            request[_RENEWAL] = (kept.token, identity)

    async def renew(self, request: web.Request, response: web.StreamResponse) -> None:
        """A signal of every answer: writes the cookie anew where :meth:`used` asked for it."""
        renewal = request.get(_RENEWAL)
        # A new session or none, which the answer itself gives, goes first.
        if renewal is not None and not response.cookies:
            self.start(request, response, *renewal)
            # At this signal aiohttp has turned cookies into headers already.
            for cookie in response.cookies.values():
                response.headers.add(hdrs.SET_COOKIE, cookie.OutputString())

    def start(
        self, request: web.Request, response: web.StreamResponse, token: str, identity: Identity
    ) -> None:
        """Give the browser a session."""
        now = self._clock()
        life = self._seconds
        if identity.accepted_until is not None:
            life = max(0, min(life, int(identity.accepted_until - now)))
        self._write(request, response, f"{int(now)}{_SEPARATOR}{token}", life)

    def end(self, request: web.Request, response: web.StreamResponse) -> None:
        """Take it away."""
        self._write(request, response, "", 0)

    def _kept(self, request: web.Request) -> _Kept | None:
        if request.headers.get("Sec-Fetch-Site", "none") not in OUR_PAGES:
            return None
        written, separator, token = request.cookies.get(cookie_name(request), "").partition(
            _SEPARATOR
        )
        if not separator or not (written.isascii() and written.isdecimal()) or len(written) > 12:
            return None
        kept = _Kept(token, int(written))
        return kept if self._clock() - kept.written_at < self._seconds else None

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
