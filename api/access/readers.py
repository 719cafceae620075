"""Who reads: a Bearer token or API key of a program, whom a trusted proxy names, or the dashboard's
cookie, which stands for a session with a token.

Where staff has an issuer of its own (``ROLLCALL_STAFF_…``), phones' tokens read nothing, whatever
their scopes; else scopes alone tell who reads. API keys count either way.

A cookie comes along with whatever a browser sends, so that it counts on few calls only, and from
our own pages alone. Every other call wants a Bearer token.
"""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from api.access.api_keys import ApiKeys
from api.access.browser_session import OUR_PAGES, BrowserSessions
from api.access.single_sign_on import SingleSignOn
from api.scopes import READ_SCOPE
from schemas.http.client_address import TrustedProxies
from schemas.http.problems import ProblemError, rate_limited
from schemas.http.server import prove
from schemas.http.token_bucket import BucketPolicy, TokenBuckets
from schemas.tokens.api_keys import is_api_key
from schemas.tokens.door import TokenDoor
from schemas.tokens.identity import Caller, Identity, TokenRefusedError, TokenVerifier

_SCHEME: Final = "bearer "
_SAFE_METHODS: Final = ("GET", "HEAD")
_SIGNED_BY_STAFF: Final = ("token_expired", "token_not_yet_valid")

#: Of one user about themselves: nobody flips a switch more often, and each is an event of the log.
OWN_CALLS: Final = BucketPolicy(per_second=0.2, burst=20)
_READER: Final = web.RequestKey("api_reader", Identity)


def reader_of(request: web.Request) -> Identity:
    """Who asks, of a request whose reader was admitted."""
    return request[_READER]


class Readers:
    """Lets those in whose token has the scope that a call asks for."""

    def __init__(
        self,
        phones: TokenVerifier,
        staff: TokenVerifier | None,
        keys: ApiKeys,
        sessions: BrowserSessions,
        single_sign_on: SingleSignOn,
        door: TokenDoor,
        proxies: TrustedProxies,
    ) -> None:
        self._phones = phones
        self._staff = staff
        self._keys = keys
        self._sessions = sessions
        self._single_sign_on = single_sign_on
        self._door = door
        self._proxies = proxies
        self._own_calls = TokenBuckets(OWN_CALLS)

    async def admit(
        self, request: web.Request, *, cookie: bool, scope: str = READ_SCOPE
    ) -> Identity:
        """Who asks. ``cookie``: what a browser sends along counts too, a proxy's single sign-on
        before the dashboard's session; on what is more than a read only from our own page.

        Raises ``ProblemError`` with one of the token codes, ``scope_missing`` or ``bad_request``.
        """
        reader = await self._reader(request, cookie, scope)
        request[_READER] = reader
        return reader

    async def _reader(self, request: web.Request, cookie: bool, scope: str) -> Identity:
        authorization = request.headers.get("Authorization")
        if authorization is not None:
            token = ""
            if authorization[: len(_SCHEME)].lower() == _SCHEME:
                token = authorization[len(_SCHEME) :].strip()
            return await self.verify(token, request, scope)
        member = self._single_sign_on.member(request) if cookie else None
        # A member whose sign-on lacks the scope can still log in with a token.
        is_enough = member is not None and scope in member.scopes
        token = await self._sessions.token_of(request) if cookie and not is_enough else ""
        if (member is not None or token) and request.method not in _SAFE_METHODS:
            check_own_page(request)
        if member is not None and not token:
            return _permitted(member, scope, "Your sign-on")
        identity = await self.verify(token, request, scope)
        await self._sessions.used(request, identity)
        return identity

    async def user_of(self, request: web.Request) -> Identity:
        """The app's user whose own token this is, whatever its scopes: a Bearer token of the
        phones' issuer. Raises as :meth:`verify`, ``scope_missing`` for an API key, and
        ``rate_limited``."""
        authorization = request.headers.get("Authorization") or ""
        token = ""
        if authorization[: len(_SCHEME)].lower() == _SCHEME:
            token = authorization[len(_SCHEME) :].strip()
        address = self._proxies.client_of(request)
        if not token:
            self._door.failed(address)
            raise _token_missing()
        if is_api_key(token):
            raise ProblemError("scope_missing", "An API key is nobody: send the user's own token.")

        async def verify(caller: Caller) -> Identity:
            return await _identity(self._phones, token, caller)

        identity = await self._door.admit(token, address, verify, purpose="user")
        prove(request)
        wait_seconds = self._own_calls.take(identity.user, time.monotonic())
        if wait_seconds:
            raise rate_limited("This user asks more often than any app needs to.", wait_seconds)
        request[_READER] = identity
        return identity

    async def verify(self, token: str, request: web.Request, scope: str = READ_SCOPE) -> Identity:
        """The reader behind a token that came with ``request``. Raises as :meth:`admit`, and
        ``rate_limited`` where its address fails too often."""
        address = self._proxies.client_of(request)
        if not token:
            self._door.failed(address)
            raise _token_missing()
        is_key = is_api_key(token)

        async def verify(caller: Caller) -> Identity:
            if is_key:
                return await self._keys.verify(token)
            if self._staff is None:
                return await _identity(self._phones, token, caller)
            return await self._member_of_staff(self._staff, token, scope, caller)

        # Keys are all at hand, and a new one counts at once.
        identity = await self._door.admit(token, address, verify, lasting=not is_key)
        prove(request)
        return _permitted(identity, scope, "The token")

    async def _member_of_staff(
        self, staff: TokenVerifier, token: str, scope: str, caller: Caller
    ) -> Identity:
        try:
            return await _identity(staff, token, caller)
        except TokenRefusedError as refusal:
            # Signed by staff's issuer, it is none of the phones' issuer's business.
            if refusal.code in _SIGNED_BY_STAFF or not await self._is_a_phones(token, caller):
                raise
        raise ProblemError(
            "scope_missing",
            "This is a phone's token. Staff calls take a token of the staff's own issuer, or an "
            f"API key, with the scope {scope}.",
        )

    async def _is_a_phones(self, token: str, caller: Caller) -> bool:
        try:
            await _identity(self._phones, token, caller)
        except ProblemError:  # refused, or not known now: then it stays what staff's issuer says
            return False
        return True


def _permitted(identity: Identity, scope: str, what: str) -> Identity:
    if scope not in identity.scopes:
        raise ProblemError("scope_missing", f"{what} needs the scope {scope}.")
    return identity


async def _identity(verifier: TokenVerifier, token: str, caller: Caller) -> Identity:
    return verifier.cached(token) or await verifier.verify(token, caller=caller)


def check_own_page(request: web.Request) -> None:
    """Refuse a form that another site's page sent: it could log its reader in as somebody else.

    By ``Sec-Fetch-Site``, which no page can set; browsers leave it out on plain http, there by
    ``Origin``. Programs send neither. Raises ``ProblemError`` with code ``bad_request``.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        ours = site in OUR_PAGES
    else:
        # By host alone: behind a gateway we see http where the browser sees https.
        ours = origin is None or urlsplit(origin).netloc == request.host
    if not ours:
        raise ProblemError("bad_request", "This can only be sent from Rollcall's own page.")


def _token_missing() -> ProblemError:
    return ProblemError("token_missing", "Send the header Authorization: Bearer and a token.")
