"""Single sign-on: a proxy in front of us says who has signed in there, in a header.

The policy: the header counts from the address of a trusted proxy alone, which is the peer itself,
never one of ``X-Forwarded-For``. From everybody else it is ignored and counted. What cannot come
from a proxy that replaces what clients send is refused: the header twice, or a list in it.

Like a cookie, it comes along with whatever a browser sends, so that it counts where cookies do
(``Readers.admit``) and from our own pages. One thing more: the way back from the identity provider
is a navigation from another site. That shows our page to the person who sits there, and nothing
to that site.
"""

from __future__ import annotations

import logging
from typing import Final

from aiohttp import web

from api.access.browser_session import OUR_PAGES
from api.metrics import ApiMetrics
from api.single_sign_on_settings import SingleSignOnSettings
from schemas.http.problems import ProblemError
from schemas.log.events import MAX_USER_ID
from schemas.tokens.identity import Identity
from schemas.untrusted.text import clean_text

_SEPARATOR: Final = ","

logger = logging.getLogger(__name__)


class SingleSignOn:
    """Knows who signed in at a trusted proxy."""

    def __init__(self, settings: SingleSignOnSettings, metrics: ApiMetrics) -> None:
        self._user_header = settings.sso_user_header
        self._scopes_header = settings.sso_scopes_header
        self._scopes = settings.sso_scopes
        self._proxies = settings.sso_proxies
        self._ignored = metrics.sign_on_ignored
        self._was_told = False

    def member(self, request: web.Request) -> Identity | None:
        """The member of staff whom a proxy names; ``None``: it names nobody, or is none of ours.

        Raises ``ProblemError`` with code ``bad_request``.
        """
        if not self._user_header or self._user_header not in request.headers:
            return None
        if not self._proxies.sent(request):
            self._ignore()
            return None
        user = self._value(request, self._user_header)
        if not user or not _may_come_along(request):
            return None
        if len(user) > MAX_USER_ID or clean_text(user) != user:
            raise ProblemError(
                "bad_request",
                f"{self._user_header} must name somebody in 1 to {MAX_USER_ID} characters, none of "
                "them a control character.",
            )
        header = self._scopes_header
        scopes = self._value(request, header) if header else self._scopes
        return Identity(
            user=user,
            token=f"sso:{user}",
            name=None,
            device=None,
            scopes=frozenset(scopes.split()),
            accepted_until=None,
            kind="single_sign_on",
        )

    def _value(self, request: web.Request, header: str) -> str:
        """The one value; empty without any."""
        values = request.headers.getall(header, [])
        if len(values) > 1 or any(_SEPARATOR in value for value in values):
            raise ProblemError(
                "bad_request",
                f"{header} holds more than one value: the proxy must replace what clients send, "
                "not add to it.",
            )
        return values[0].strip(" \t") if values else ""

    def _ignore(self) -> None:
        self._ignored.inc()
        if not self._was_told:
            self._was_told = True
            logger.warning(
                "A request had the header %s, but was sent from no address of "
                "ROLLCALL_SSO_TRUSTED_PROXIES: it counts for nothing. Further ones are only "
                "counted, in rollcall_api_sign_on_ignored",
                self._user_header,
            )


def _may_come_along(request: web.Request) -> bool:
    headers = request.headers
    return headers.get("Sec-Fetch-Site", "none") in OUR_PAGES or (
        request.method in ("GET", "HEAD")
        and headers.get("Sec-Fetch-Mode") == "navigate"
        and headers.get("Sec-Fetch-Dest") == "document"
    )
