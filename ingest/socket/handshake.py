"""What a handshake offers, before it is a socket, and the answer to it.

What of aiohttp is done here in its place is listed in :data:`REPLACED` (ADR 11).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from aiohttp import web
from aiohttp.http import WebSocketWriter

from schemas.http.problems import ProblemError

#: By the SHA-256 of the source that was read for it; ``prepare`` calls it.
REPLACED: Final = {
    "_post_start": "5537cb3f2ecae6ed9f4d27d6d9255adb414e81efcc4d23ede6bacd762d56ed93",
    "prepare": "bd6bf6c6d4105c47612e83ca5069fe10ea8dfb43afd29265a1a3c67f4e35243c",
}


class Handshake(web.WebSocketResponse):
    """The answer to a handshake, and nothing that would live on: no reader, no queue."""

    frames: WebSocketWriter | None = None

    def _post_start(
        self, request: web.BaseRequest, protocol: str | None, writer: WebSocketWriter
    ) -> None:
        self._writer = writer
        if writer.compress:
            self.frames = writer

    async def write_eof(self, data: bytes = b"") -> None:
        """The connection goes on, as a socket."""


def offered_token(subprotocols: str | None) -> tuple[str, str]:
    """The word ``bearer``, as it was offered, and the token behind it: the one header that a page
    can set is that of its subprotocols. Two empty texts if none are offered.

    Raises ``ProblemError`` ``bad_request`` for any others: a browser would give up, and say only
    1006, if none of its offers were taken.
    """
    if subprotocols is None:
        return "", ""
    offers = [offer.strip() for offer in subprotocols.split(",")]
    for scheme, token in pairwise(offers):
        if scheme.lower() == "bearer" and token:
            return scheme, token
    raise ProblemError(
        "bad_request",
        "None of these subprotocols is known here. Offer none and send an auth frame with the "
        "user's token first, or offer bearer and the token.",
    )


def opens(websocket: web.WebSocketResponse, request: web.Request) -> bool:
    """Whether the request opens a WebSocket."""
    try:
        return websocket.can_prepare(request).ok
    except ValueError:  # a key that is not ASCII
        return False
