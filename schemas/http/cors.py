"""Which web pages may call (`flutter run -d chrome`): CORS for the calls that carry a user's token.

Credentials are never allowed: a page must hold the token itself, so no cookie of the dashboard can
be used from elsewhere (Fetch standard, CORS protocol).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

EXPOSED_HEADERS: Final = (
    "X-Heartbeat-Interval-Seconds, X-Rollcall-Tracking, X-Rollcall-Warning, X-Request-ID, "
    "Retry-After"
)
PREFLIGHT_MAX_AGE_SECONDS: Final = 600


class Cors:
    """The allow list. ``http://localhost:*`` means any port, the default one included."""

    def __init__(self, origins: Iterable[str]) -> None:
        patterns = [
            re.escape(origin.removesuffix(":*"))
            + (r"(?::\d{1,5})?" if origin.endswith(":*") else "")
            for origin in origins
        ]
        self._allowed = re.compile("|".join(patterns)) if patterns else None

    def origin_allowed(self, origin: str | None) -> bool:
        """Whether a page of this origin may open a socket, which CORS does not cover: a browser
        asks nobody before it does. Phones send no ``Origin`` and are not meant."""
        return origin is None or bool(self._allowed and self._allowed.fullmatch(origin))

    def headers(self, origin: str | None) -> Mapping[str, str]:
        """What to add to an answer for a page of this origin."""
        if self._allowed is None:
            return {}
        # The answer differs by origin even where there is none: a cache must not mix them up.
        if origin is None or not self.origin_allowed(origin):
            return {"Vary": "Origin"}
        return {
            "Vary": "Origin",
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": EXPOSED_HEADERS,
        }

    def preflight_headers(self, origin: str | None, methods: str) -> Mapping[str, str]:
        """What to answer to a browser's question whether the page may call. ``methods`` are those
        that the path has, comma-separated."""
        headers = dict(self.headers(origin))
        if "Access-Control-Allow-Origin" in headers:
            del headers["Access-Control-Expose-Headers"]
            headers["Access-Control-Allow-Methods"] = methods
            headers["Access-Control-Allow-Headers"] = "authorization, content-type, x-request-id"
            headers["Access-Control-Max-Age"] = str(PREFLIGHT_MAX_AGE_SECONDS)
        return headers
