"""Who calls: the Bearer token of a request."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web

from ingest.limits import AuthFailureLimits
from ingest.metrics import IngestMetrics
from ingest.token_watch import TokenWatch
from schemas.client_address import TrustedProxies
from schemas.problems import ProblemError, rate_limited
from schemas.tokens import Identity, TokenRefusedError, TokenVerifier

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
    """Verifies tokens for as long as the client's address does not fail too often."""

    def __init__(
        self,
        verifier: TokenVerifier,
        limits: AuthFailureLimits,
        proxies: TrustedProxies,
        metrics: IngestMetrics,
        watch: TokenWatch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verifier = verifier
        self._limits = limits
        self._proxies = proxies
        self._watch = watch
        self._rate_limited = metrics.rate_limited["auth_failures"]
        self._clock = clock

    async def of_request(
        self, request: web.BaseRequest, *, expired_for_seconds: float = 0.0
    ) -> Identity:
        """The identity behind a request's ``Authorization`` header.

        Raises ``ProblemError``: one of the token codes, ``rate_limited``, or ``unavailable`` while
        whoever vouches for tokens cannot be asked. ``expired_for_seconds`` as in
        :meth:`TokenVerifier.verify`.
        """
        try:
            token = bearer_token(request.headers.get("Authorization"))
        except ProblemError:
            self._failed(self._admit(request), "token_missing")
            raise
        return await self.of_token(token, request, expired_for_seconds=expired_for_seconds)

    async def of_token(
        self, token: str, request: web.BaseRequest, *, expired_for_seconds: float = 0.0
    ) -> Identity:
        """The identity behind a token that came with ``request``. Raises as :meth:`of_request`."""
        identity = self._verifier.cached(token)
        if identity is not None:
            return identity
        address = self._admit(request)
        try:
            identity = await self._verifier.verify(token, expired_for_seconds=expired_for_seconds)
        except TokenRefusedError as refused:
            self._failed(address, refused.cause)
            raise
        self._watch.accepted()
        return identity

    def _admit(self, request: web.BaseRequest) -> str:
        """The client's address, if it may try."""
        address = self._proxies.client_of(request)
        wait_seconds = self._limits.wait_seconds(address, self._clock())
        if wait_seconds:
            self._rate_limited.inc()
            raise rate_limited(
                "Too many calls from this address were refused for their token.", wait_seconds
            )
        return address

    def _failed(self, address: str, cause: str) -> None:
        self._watch.refused(cause)
        self._limits.failed(address, self._clock())
