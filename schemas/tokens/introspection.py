"""Opaque tokens: their authorization server is asked what they are (RFC 7662).

What it says is believed for ``cache_seconds``, never past the token's ``exp``: an opaque token can
be revoked. The rest is ``schemas/tokens/asking.py``.

A logout with a token past its expiry (promise 5) cannot be told from one with a forged token once
the server calls it inactive: it is refused with ``token_revoked``, unless this process knew the
token within ``offline_after``. Phones of such backends log out before they give up their token, or
time out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import aiohttp

from schemas.tokens.answers import Answer, NoAnswerError, Refusal, read_json
from schemas.tokens.asking import Asking, AskingVerifier
from schemas.tokens.claims import ClaimRules
from schemas.tokens.identity import TokenRefusedError


@dataclass(frozen=True, slots=True)
class AuthorizationServer:
    """Who is asked, as whom, and how its answers are read."""

    asking: Asking
    client_id: str
    client_secret: str = field(repr=False)
    rules: ClaimRules


class IntrospectionVerifier(AskingVerifier):
    """The ``TokenVerifier`` of opaque tokens. ``clock`` gives Unix seconds, ``monotonic`` the time
    for ages."""

    def __init__(
        self,
        server: AuthorizationServer,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        logout_seconds: float = 0.0,
    ) -> None:
        super().__init__(server.asking, clock, monotonic, logout_seconds)
        self._server = server

    def _headers(self) -> dict[str, str]:
        # RFC 6749, section 2.3.1: both parts are form-encoded first.
        return {
            "Authorization": aiohttp.encode_basic_auth(
                quote_plus(self._server.client_id), quote_plus(self._server.client_secret)
            )
        }

    async def _question(self, http: aiohttp.ClientSession, token: str) -> dict[str, Any]:
        form = {"token": token, "token_type_hint": "access_token"}
        url = self._server.asking.url
        # No redirects: they would take token and credentials elsewhere.
        async with http.post(url, data=form, allow_redirects=False) as answer:
            if answer.status != 200:
                raise NoAnswerError(f"HTTP status {answer.status}")
            try:
                claims = await read_json(answer)
            except ValueError as error:
                raise NoAnswerError("its answer is no JSON document of a sane size") from error
        if not isinstance(claims, dict) or not isinstance(claims.get("active"), bool):
            raise NoAnswerError("its answer does not say whether the token is active")
        return claims

    def _read(self, token: str, said: dict[str, Any]) -> Answer | Refusal:
        if not said["active"]:
            return Refusal("token_revoked", "The token's issuer says that it is not active.")
        try:
            identity = self._server.rules.identity(token, said)
        except TokenRefusedError as refused:
            return Refusal(refused.code, refused.detail, refused.cause)
        # Not past `exp`, where asking again is cheaper than a wrong answer: no leeway.
        expires = said.get("exp")
        return Answer(identity, math.inf if expires is None else float(expires))
