"""A site whose listeners are served by :mod:`schemas.http.doorstep`, not by the event loop."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Final, cast

from aiohttp import web

from schemas.http.doorstep import Doorstep
from schemas.http.server import BoundedServer

#: Of aiohttp's site: who it serves, and what listens.
PRIVATE: Final = ("_runner", "_server")


class EagerSite(web.TCPSite):
    """Of a ``BoundedRunner``, on Linux."""

    async def start(self) -> None:
        await super().start()
        server = cast(BoundedServer, self._runner.server)
        listening = cast(asyncio.Server, self._server)
        # The loop has opened and bound them by all its rules; it does not accept from them.
        listeners = [socket.socket(fileno=os.dup(each.fileno())) for each in listening.sockets]
        listening.close()
        self._server = cast(asyncio.AbstractServer, Doorstep(server, listeners))
