"""Whoever comes by a share link, without a login: limited by address, as the public count is."""

from __future__ import annotations

import time
from typing import Final

from aiohttp import web

from api.metrics import ApiMetrics
from api.settings import ApiSettings
from api.sharing.link import OpenLink
from api.sharing.store import ShareStore
from schemas.http.problems import rate_limited
from schemas.http.token_bucket import BucketPolicy, TokenBuckets

#: Of the page and of what it reads. The token is in the address: it goes to no other site, and
#: no search engine keeps it.
HEADERS: Final = {
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
}


class Visitors:
    """Lets them in."""

    def __init__(self, settings: ApiSettings, store: ShareStore, metrics: ApiMetrics) -> None:
        self._proxies = settings.proxies
        self._store = store
        self._limits = TokenBuckets(
            BucketPolicy(settings.count_calls_per_second, settings.count_calls_burst)
        )
        self._limited = metrics.rate_limited["shared"]

    async def open(self, request: web.Request, token: str) -> OpenLink:
        """The link of a token. Raises ``ProblemError`` with code ``not_found`` or
        ``rate_limited``, and as :class:`Database` does."""
        wait_seconds = self._limits.take(self._proxies.client_of(request), time.monotonic())
        if wait_seconds:
            self._limited.inc()
            raise rate_limited("This address asks for shared pages too often.", wait_seconds)
        return await self._store.open(token)
