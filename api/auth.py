"""Who reads: a Bearer token or API key of a program, or the dashboard's cookie, which holds one.

Where staff has an issuer of its own (``ROLLCALL_STAFF_…``), phones' tokens read nothing, whatever
their scopes; else scopes alone tell who reads. API keys count either way.

A cookie comes along with whatever a browser sends, so that it counts on few calls only: GETs of
the dashboard and of the API, from our own pages. Every other call wants a Bearer token.
"""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from api.keys import ApiKeys
from schemas.api_keys import is_api_key
from schemas.problems import ProblemError
from schemas.tokens import Identity, TokenRefusedError, TokenVerifier

READ_SCOPE: Final = "presence:read"
#: A dashboard that is left alone asks for a token again after this, or when its token expires.
MAX_SESSION_SECONDS: Final = 12 * 3600
#: Browsers drop a cookie of more than 4,096 bytes, name and attributes included, without a word.
MAX_COOKIE_TOKEN_CHARACTERS: Final = 3_900

_SCHEME: Final = "bearer "
_SIGNED_BY_STAFF: Final = ("token_expired", "token_not_yet_valid")
#: `none`: the user typed the address or came from outside the browser.
_OUR_PAGES: Final = ("same-origin", "none")


class Readers:
    """Lets those in whose token has the scope ``presence:read``."""

    def __init__(self, phones: TokenVerifier, staff: TokenVerifier | None, keys: ApiKeys) -> None:
        self._phones = phones
        self._staff = staff
        self._keys = keys

    async def admit(self, request: web.Request, *, cookie: bool) -> Identity:
        """Who asks. ``cookie``: the dashboard's session counts too.

        Raises ``ProblemError`` with one of the token codes or ``scope_missing``.
        """
        authorization = request.headers.get("Authorization")
        if authorization is not None:
            if authorization[: len(_SCHEME)].lower() != _SCHEME:
                raise _token_missing()
            token = authorization[len(_SCHEME) :].strip()
        else:
            token = session_of(request) if cookie else ""
        return await self.verify(token)

    async def verify(self, token: str) -> Identity:
        """The reader behind a token. Raises as :meth:`admit`."""
        if not token:
            raise _token_missing()
        if is_api_key(token):
            identity = await self._keys.verify(token)
        elif self._staff is None:
            identity = await _identity(self._phones, token)
        else:
            identity = await self._member_of_staff(self._staff, token)
        if READ_SCOPE not in identity.scopes:
            raise ProblemError("scope_missing", f"The token needs the scope {READ_SCOPE}.")
        return identity

    async def _member_of_staff(self, staff: TokenVerifier, token: str) -> Identity:
        try:
            return await _identity(staff, token)
        except TokenRefusedError as refusal:
            # Signed by staff's issuer, it is none of the phones' issuer's business.
            if refusal.code in _SIGNED_BY_STAFF or not await self._is_a_phones(token):
                raise
        raise ProblemError(
            "scope_missing",
            "This is a phone's token. Staff calls take a token of the staff's own issuer, or an "
            f"API key, with the scope {READ_SCOPE}.",
        )

    async def _is_a_phones(self, token: str) -> bool:
        try:
            await _identity(self._phones, token)
        except ProblemError:  # refused, or not known now: then it stays what staff's issuer says
            return False
        return True


async def _identity(verifier: TokenVerifier, token: str) -> Identity:
    return verifier.cached(token) or await verifier.verify(token)


def session_of(request: web.Request) -> str:
    """The token in the dashboard's cookie; empty without one, or if another site's page asks."""
    if request.headers.get("Sec-Fetch-Site", "none") not in _OUR_PAGES:
        return ""
    return request.cookies.get(cookie_name(request), "")


def cookie_name(request: web.Request) -> str:
    """Of the session cookie. Cookies know no ports, and stacks on one host differ by theirs."""
    try:
        port = urlsplit(f"//{request.host}").port
    except ValueError:
        port = None
    return "rollcall_session" + (f"_{port}" if port else "")


def session_seconds(identity: Identity) -> int:
    """How long the browser may keep the cookie of this token."""
    if identity.accepted_until is None:
        return MAX_SESSION_SECONDS
    return max(0, min(MAX_SESSION_SECONDS, int(identity.accepted_until - time.time())))


def check_own_page(request: web.Request) -> None:
    """Refuse a form that another site's page sent: it could log its reader in as somebody else.

    By ``Sec-Fetch-Site``, which no page can set; browsers leave it out on plain http, there by
    ``Origin``. Programs send neither. Raises ``ProblemError`` with code ``bad_request``.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        ours = site in _OUR_PAGES
    else:
        # By host alone: behind a gateway we see http where the browser sees https.
        ours = origin is None or urlsplit(origin).netloc == request.host
    if not ours:
        raise ProblemError("bad_request", "This form can only be sent from Rollcall's own page.")


def _token_missing() -> ProblemError:
    return ProblemError("token_missing", "Send the header Authorization: Bearer and a token.")
