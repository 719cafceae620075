"""A listener that lets in everybody who waits, not one a turn of the loop.

libuv, and so uvloop, accepts one connection each time the loop looks. A turn in which a thousand
kept-alive phones speak takes 65 ms: then fifteen phones a second that connect anew got in, and a
thousand waited (``make bench-million``). So whenever one has come in, up to :data:`MOST_AT_ONCE`
more are accepted in the same turn, if there are any.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from typing import Any, Final, cast

from aiohttp import web

from schemas.http.server import BoundedServer

#: A turn for so many new ones takes about 10 ms.
MOST_AT_ONCE: Final = 128
#: After a look that found nobody, until the next: where phones come one by one it costs nothing.
LOOK_SECONDS: Final = 0.01
#: After an error of the system: one line of the log a second says it.
PAUSE_SECONDS: Final = 1.0
#: Of aiohttp's site: who it serves, and the listener that it has started.
PRIVATE: Final = ("_runner", "_server")

logger = logging.getLogger(__name__)


class EagerSite(web.TCPSite):
    """As its base class, and eager. ``runner`` is a ``BoundedRunner``."""

    def __init__(self, runner: web.AppRunner, host: str, port: int, **options: Any) -> None:
        super().__init__(runner, host, port, **options)
        self._newcomers: list[_Newcomers] = []

    async def start(self) -> None:
        await super().start()
        server = cast(BoundedServer, self._runner.server)
        listeners = cast(asyncio.Server, self._server).sockets
        self._newcomers = [_Newcomers(listener.fileno(), server) for listener in listeners]
        server.on_connection = self._look_soon

    async def stop(self) -> None:
        for newcomers in self._newcomers:
            newcomers.close()
        self._newcomers = []
        await super().stop()

    def _look_soon(self) -> None:
        for newcomers in self._newcomers:
            newcomers.look_soon()


class _Newcomers:
    """Accepts from a duplicate of a listener's descriptor."""

    def __init__(self, listener: int, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._socket = socket.socket(fileno=os.dup(listener))
        self._socket.setblocking(False)
        self._look: asyncio.Handle | None = None
        self._look_again_at = 0.0
        #: Those who are on their way into the loop.
        self._entering: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        if self._look is not None:
            self._look.cancel()
        self._socket.close()

    def look_soon(self) -> None:
        if self._look is None and self._loop.time() >= self._look_again_at:
            self._look = self._loop.call_soon(self._accept)

    def _accept(self) -> None:
        self._look = None
        for _ in range(MOST_AT_ONCE):
            try:
                phone, _address = self._socket.accept()
            except BlockingIOError:
                self._look_again_at = self._loop.time() + LOOK_SECONDS
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:  # no more files, no memory
                logger.warning("Cannot accept connections: %s", error.strerror)
                self._look_again_at = self._loop.time() + PAUSE_SECONDS
                return
            phone.setblocking(False)
            task = self._loop.create_task(self._enter(phone))
            self._entering.add(task)
            task.add_done_callback(self._entering.discard)

    async def _enter(self, phone: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, phone)
        except OSError:  # it left
            phone.close()
