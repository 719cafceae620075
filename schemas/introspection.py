"""Opaque tokens: their authorization server is asked what they are (RFC 7662).

What it says is believed for ``cache_seconds``, never past the token's ``exp``: an opaque token can
be revoked. A refusal is remembered for a few seconds, so that a client that repeats a bad token
costs one request. Look-ups of one token share a request; requests in flight and look-ups that wait
for their turn are bounded, and above that calls are told to come again.

A server that is away or talks nonsense says nothing about a token: 503, never 401. It is then left
alone but for a probe every second (``schemas/circuit.py``).

A logout with a token past its expiry (promise 5) cannot be told from one with a forged token once
the server calls it inactive: it is refused with ``token_revoked``. Phones of such backends log out
before they give up their token, or time out.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import quote_plus

import aiohttp
from cachetools import TTLCache

from schemas.api_keys import is_api_key
from schemas.circuit import Circuit
from schemas.http_answers import read_at_most
from schemas.problems import TOKEN_CODES, ProblemError
from schemas.tokens import (
    MAX_TOKEN_CHARACTERS,
    ClaimRules,
    Identity,
    TokenRefusedError,
    VerifiedTokens,
    check_not_expired,
)

#: A look-up, from its wait for a turn to the answer.
LOOK_UP_SECONDS: Final = 5.0
MAX_BYTES: Final = 65_536
#: Look-ups for each request in flight; more would wait in vain.
LOOK_UPS_PER_REQUEST: Final = 32
REFUSAL_SECONDS: Final = 10.0
MAX_REFUSALS: Final = 10_000

# What RFC 6750, section 2.1 lets a Bearer token be. Nothing else is sent anywhere.
_BEARER: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuthorizationServer:
    """Who is asked, as whom, and how long its answers are believed."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    rules: ClaimRules
    cache_seconds: float
    cache_size: int
    max_in_flight: int


class Refusal(NamedTuple):
    """A problem to be raised: of the table in ``schemas/problems.py``."""

    code: str
    detail: str


class NoAnswerError(RuntimeError):
    """The server did not say what the token is. The message says why."""


class IntrospectionVerifier(VerifiedTokens):
    """The ``TokenVerifier`` of opaque tokens. ``clock`` gives Unix seconds, ``monotonic`` the time
    for ages."""

    def __init__(
        self,
        server: AuthorizationServer,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(server.cache_size, monotonic)
        self._server = server
        self._now = clock
        self._monotonic = monotonic
        self._refusals: TTLCache[bytes, Refusal] = TTLCache(
            MAX_REFUSALS, REFUSAL_SECONDS, monotonic
        )
        self._look_ups: dict[str, asyncio.Task[Identity | Refusal]] = {}
        self._turns = asyncio.Semaphore(server.max_in_flight)
        self._circuit = Circuit()
        self._http: aiohttp.ClientSession | None = None
        # RFC 6749, section 2.3.1: both parts are form-encoded first.
        self._authorization = aiohttp.encode_basic_auth(
            quote_plus(server.client_id), quote_plus(server.client_secret)
        )

    async def verify(self, token: str, *, expired_for_seconds: float = 0.0) -> Identity:
        found = self.cached(token) or await self._find(token)
        if isinstance(found, Refusal):
            if found.code in TOKEN_CODES:
                raise TokenRefusedError(*found)
            raise ProblemError(*found)
        check_not_expired(found, self._now(), expired_for_seconds)
        return found

    async def close(self) -> None:
        tasks = list(self._look_ups.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    async def _find(self, token: str) -> Identity | Refusal:
        if is_api_key(token):
            return Refusal("token_invalid", "An API key is no phone's token.")
        if len(token) > MAX_TOKEN_CHARACTERS or not _BEARER.fullmatch(token):
            return Refusal("token_invalid", "The token is not a Bearer token (RFC 6750).")
        known = self._refusals.get(_digest(token))
        if known is not None:
            return known
        look_up = self._look_ups.get(token)
        if look_up is None:
            if len(self._look_ups) >= self._server.max_in_flight * LOOK_UPS_PER_REQUEST:
                return Refusal("unavailable", "Too many tokens are being looked up.")
            probe = self._circuit.is_open
            if not self._circuit.allows(self._monotonic()):
                return _away("it did not answer a moment ago")
            look_up = asyncio.create_task(self._look_up(token, probe), name="introspection")
            self._look_ups[token] = look_up
            look_up.add_done_callback(lambda _: self._look_ups.pop(token, None))
        # Shielded: a call that gives up must not end the look-up that others wait for.
        return await asyncio.shield(look_up)

    async def _look_up(self, token: str, probe: bool) -> Identity | Refusal:
        asked = self._monotonic()
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS), self._turns:
                if self._circuit.is_open and not probe:
                    return _away("it stopped answering")
                claims = await self._ask(token)
        except (NoAnswerError, aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) if isinstance(error, NoAnswerError) else type(error).__name__
            self._note_failure(reason)
            return _away(reason)
        self._note_success()
        found = self._read(token, claims)
        if isinstance(found, Refusal):
            self._refusals[_digest(token)] = found
        else:
            self.remember(token, found, asked + self._believed_seconds(claims))
        return found

    async def _ask(self, token: str) -> dict[str, Any]:
        try:
            return await self._post(token)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            # It closed a kept connection while we wrote: asking again is safe.
            return await self._post(token)

    async def _post(self, token: str) -> dict[str, Any]:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._server.max_in_flight),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept": "application/json", "Authorization": self._authorization},
            )
        form = {"token": token, "token_type_hint": "access_token"}
        # No redirects: they would take token and credentials elsewhere.
        async with self._http.post(self._server.url, data=form, allow_redirects=False) as answer:
            if answer.status != 200:
                raise NoAnswerError(f"HTTP status {answer.status}")
            try:
                claims = json.loads(await read_at_most(answer, MAX_BYTES))
            except (ValueError, RecursionError) as error:
                raise NoAnswerError("its answer is no JSON document of a sane size") from error
        if not isinstance(claims, dict) or not isinstance(claims.get("active"), bool):
            raise NoAnswerError("its answer does not say whether the token is active")
        return claims

    def _read(self, token: str, claims: dict[str, Any]) -> Identity | Refusal:
        if not claims["active"]:
            return Refusal("token_revoked", "The token's issuer says that it is not active.")
        rules = self._server.rules
        if rules.issuer is not None and claims.get("iss") != rules.issuer:
            return Refusal("wrong_issuer", "The token's iss is another, or missing.")
        if rules.audience is not None:
            audience = claims.get("aud")
            listed = audience if isinstance(audience, list) else [audience]
            if rules.audience not in listed:
                return Refusal("wrong_audience", "The token's aud is another, or missing.")
        try:
            return rules.identity(token, claims)
        except TokenRefusedError as refused:
            return Refusal(refused.code, refused.detail)

    def _believed_seconds(self, claims: dict[str, Any]) -> float:
        """From the request on. Not past ``exp``, where asking again is cheaper than a wrong
        answer: no leeway."""
        expires = claims.get("exp")
        left = math.inf if expires is None else expires - self._now()
        return float(min(self._server.cache_seconds, left))

    def _note_failure(self, reason: str) -> None:
        was_open = self._circuit.is_open
        self._circuit.failed(self._monotonic())
        if self._circuit.is_open and not was_open:
            logger.warning(
                "The token introspection of ROLLCALL_INTROSPECTION_URL does not work (%s): "
                "calls with tokens that are not known yet get 503",
                reason,
            )

    def _note_success(self) -> None:
        if self._circuit.is_open:
            logger.info("The token introspection works again")
        self._circuit.succeeded()


def _away(reason: str) -> Refusal:
    return Refusal("unavailable", f"The token's issuer cannot be asked about it: {reason}.")


def _digest(token: str) -> bytes:
    """Strangers' tokens are kept short."""
    return hashlib.sha256(token.encode()).digest()
