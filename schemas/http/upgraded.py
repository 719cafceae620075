"""What a connection becomes once its client and we have agreed on another protocol than HTTP.

aiohttp's connection of a request is an object of some kilobytes: a parser, a queue, a task, and all
that its handler holds. A socket lives for hours after its one request. So the transport is handed
to a protocol that knows nothing of HTTP, and the old one goes (ADR 11).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from aiohttp import web

if TYPE_CHECKING:
    from schemas.http.server import BoundedServer


class UpgradedConnection(asyncio.Protocol):
    """Counted by the server until its connection is lost."""

    __slots__ = ("_server", "transport")

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._server: BoundedServer | None = None

    def taken_over(self, server: BoundedServer, transport: asyncio.BaseTransport) -> None:
        """The connection is this one's from now on."""
        self._server = server
        self.connection_made(transport)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.transport = None
        server, self._server = self._server, None
        if server is not None:
            server.upgraded_lost(self)

    def prove(self) -> None:
        """It showed a token that counts: it never makes room for others."""
        if self._server is not None:
            self._server.strangers.pop(self, None)

    def force_close(self) -> None:
        if self.transport is not None:
            self.transport.close()


def hand_over(request: web.BaseRequest, connection: UpgradedConnection) -> bytes:
    """Give the request's connection to another protocol; the bytes that came behind the request.

    Its answer must have been written. Raises ``ConnectionResetError`` where the client has left.
    """
    from schemas.http.connection import BoundedConnection

    old = request.protocol
    if not isinstance(old, BoundedConnection):
        raise TypeError("only a connection of schemas.http.server can be handed over")
    return old.hand_over(request, connection)
