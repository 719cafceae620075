"""Who calls: the Bearer token of a request."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from aiohttp import web

from ingest.metrics import IngestMetrics
from ingest.token_watch import TokenWatch
from schemas.http.client_address import TrustedProxies
from schemas.http.problems import ProblemError
from schemas.http.server import prove
from schemas.http.token_bucket import BucketPolicy
from schemas.tokens.door import TokenDoor
from schemas.tokens.identity import (
    Caller,
    Identity,
    TokenRefusedError,
    TokenVerifier,
    token_digest,
)

_SCHEME = "bearer "


def bearer_token(authorization: str | None) -> str:
    """The token in an ``Authorization`` header (RFC 6750, section 2.1; the scheme's case does not
    matter). Raises ``ProblemError`` ``token_missing``."""
    if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
        raise ProblemError(
            "token_missing", "Send the header Authorization: Bearer and the user's token."
        )
    token = authorization[len(_SCHEME) :].strip()
    if not token:
        raise ProblemError("token_missing", "The Authorization header holds no token.")
    return token


class Authentication:
    """Verifies tokens by the one rule of ``schemas/tokens/door.py``."""

    def __init__(
        self,
        verifier: TokenVerifier,
        failures: BucketPolicy,
        proxies: TrustedProxies,
        metrics: IngestMetrics,
        watch: TokenWatch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verifier = verifier
        self._proxies = proxies
        self._watch = watch
        #: The last one that was not to be verified a second time, by its digest.
        self._refused_at_once: tuple[bytes, TokenRefusedError] | None = None
        self._door = TokenDoor(
            failures,
            key_set=lambda: verifier.key_set,
            limited=metrics.rate_limited["auth_failures"].inc,
            clock=clock,
        )

    def cached(self, authorization: str | None) -> Identity | None:
        """The identity behind an ``Authorization`` header, if its token was verified before and
        still counts."""
        try:
            return self._verifier.cached(bearer_token(authorization))
        except ProblemError:
            return None

    def at_once(self, authorization: str | None) -> Identity | None:
        """The identity behind a token that was not verified before, where verifying it waits for
        nothing. ``None`` for all else: :meth:`of_request` says what is wrong with it."""
        try:
            token = bearer_token(authorization)
            if self._door.remembers(token):
                return None
            identity = self._verifier.at_once(token)
        except TokenRefusedError as refused:
            self._refused_at_once = token_digest(token), refused
            return None
        except ProblemError:
            return None
        if identity is not None:
            self._watch.accepted()
        return identity

    async def of_request(
        self, request: web.BaseRequest, *, expired_for_seconds: float = 0.0
    ) -> Identity:
        """The identity behind a request's ``Authorization`` header.

        Raises ``ProblemError``: one of the token codes, ``rate_limited``, or ``unavailable`` while
        the issuer of tokens cannot be asked. ``expired_for_seconds`` as in
        :meth:`TokenVerifier.verify`.
        """
        try:
            token = bearer_token(request.headers.get("Authorization"))
        except ProblemError:
            self._watch.refused("token_missing")
            self._door.failed(self._proxies.client_of(request))
            raise
        identity = await self.of_token(
            token,
            partial(self._proxies.client_of, request),
            expired_for_seconds=expired_for_seconds,
        )
        prove(request)
        return identity

    def client_of(self, request: web.BaseRequest) -> str:
        """The address that failures of the request's client are counted on."""
        return self._proxies.client_of(request)

    async def of_token(
        self, token: str, client: Callable[[], str], *, expired_for_seconds: float = 0.0
    ) -> Identity:
        """The identity behind a token of the client at this address. Raises as
        :meth:`of_request`."""
        identity = self._verifier.cached(token)
        if identity is not None:
            return identity

        async def verify(caller: Caller) -> Identity:
            known, self._refused_at_once = self._refused_at_once, None
            if known is not None and not expired_for_seconds and known[0] == token_digest(token):
                raise known[1]
            return await self._verifier.verify(
                token, expired_for_seconds=expired_for_seconds, caller=caller
            )

        try:
            identity = await self._door.admit(
                token,
                client(),
                verify,
                purpose="logout" if expired_for_seconds else "",
            )
        except TokenRefusedError as refused:
            self._watch.refused(refused.cause)
            raise
        self._watch.accepted()
        return identity
