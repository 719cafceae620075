"""Who reads: a Bearer token or API key of a program, whom a trusted proxy names, or the dashboard's
cookie, which stands for a session with a token.

Where staff has an issuer of its own (``ROLLCALL_STAFF_…``), phones' tokens read nothing, whatever
their scopes; else scopes alone tell who reads. API keys count either way.

A cookie comes along with whatever a browser sends, so that it counts on few calls only, and from
our own pages alone. Every other call wants a Bearer token.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from api.browser_session import OUR_PAGES, BrowserSessions
from api.keys import ApiKeys
from api.scopes import READ_SCOPE
from api.single_sign_on import SingleSignOn
from schemas.api_keys import is_api_key
from schemas.problems import ProblemError
from schemas.tokens import Identity, TokenRefusedError, TokenVerifier

_SCHEME: Final = "bearer "
_SAFE_METHODS: Final = ("GET", "HEAD")
_SIGNED_BY_STAFF: Final = ("token_expired", "token_not_yet_valid")


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
    ) -> None:
        self._phones = phones
        self._staff = staff
        self._keys = keys
        self._sessions = sessions
        self._single_sign_on = single_sign_on

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
            if authorization[: len(_SCHEME)].lower() != _SCHEME:
                raise _token_missing()
            return await self.verify(authorization[len(_SCHEME) :].strip(), scope)
        member = self._single_sign_on.member(request) if cookie else None
        # Whose sign-on may too little can still log in with a token.
        is_enough = member is not None and scope in member.scopes
        token = await self._sessions.token_of(request) if cookie and not is_enough else ""
        if (member is not None or token) and request.method not in _SAFE_METHODS:
            check_own_page(request)
        if member is not None and not token:
            return _permitted(member, scope, "Your sign-on")
        identity = await self.verify(token, scope)
        await self._sessions.used(request, identity)
        return identity

    async def verify(self, token: str, scope: str = READ_SCOPE) -> Identity:
        """The reader behind a token. Raises as :meth:`admit`."""
        if not token:
            raise _token_missing()
        if is_api_key(token):
            identity = await self._keys.verify(token)
        elif self._staff is None:
            identity = await _identity(self._phones, token)
        else:
            identity = await self._member_of_staff(self._staff, token, scope)
        return _permitted(identity, scope, "The token")

    async def _member_of_staff(self, staff: TokenVerifier, token: str, scope: str) -> Identity:
        try:
            return await _identity(staff, token)
        except TokenRefusedError as refusal:
            # Signed by staff's issuer, it is none of the phones' issuer's business.
            if refusal.code in _SIGNED_BY_STAFF or not await self._is_a_phones(token):
                raise
        raise ProblemError(
            "scope_missing",
            "This is a phone's token. Staff calls take a token of the staff's own issuer, or an "
            f"API key, with the scope {scope}.",
        )

    async def _is_a_phones(self, token: str) -> bool:
        try:
            await _identity(self._phones, token)
        except ProblemError:  # refused, or not known now: then it stays what staff's issuer says
            return False
        return True


def _permitted(identity: Identity, scope: str, what: str) -> Identity:
    if scope not in identity.scopes:
        raise ProblemError("scope_missing", f"{what} needs the scope {scope}.")
    return identity


async def _identity(verifier: TokenVerifier, token: str) -> Identity:
    return verifier.cached(token) or await verifier.verify(token)


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
