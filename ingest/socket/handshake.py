"""What a handshake offers, before it is a socket."""

from __future__ import annotations

from itertools import pairwise

from aiohttp import web

from schemas.http.problems import ProblemError


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
