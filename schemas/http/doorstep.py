"""Lets in everybody who waits at a listener, as :class:`schemas.http.newcomer.Newcomer`.

libuv, and so uvloop, accepts one connection each time the loop looks, and makes a transport of it.
A turn in which a thousand kept-alive phones speak takes 65 ms: then fifteen phones a second that
connect anew got in, and a thousand waited (``make bench-million``). Here up to
:data:`MOST_AT_ONCE` come in at a turn. The listeners, and those newcomers who have to be
waited for, are on one epoll of our own, which the loop watches.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from schemas.http.newcomer import Newcomer

if TYPE_CHECKING:
    from schemas.http.connection import BoundedConnection
    from schemas.http.server import BoundedServer

#: A turn for so many new ones takes about 10 ms.
MOST_AT_ONCE: Final = 128
#: After a look that found nobody else, until the next: where phones come one by one it costs
#: nothing.
LOOK_SECONDS: Final = 0.01
#: After an error of the system: one line of the log a second says it.
PAUSE_SECONDS: Final = 1.0

logger = logging.getLogger(__name__)


class Doorstep:
    """Of the listeners of one site, which are its own from now on, on the running loop."""

    def __init__(self, server: BoundedServer, listeners: Sequence[socket.socket]) -> None:
        self.server = server
        self.bounds = server.bounds
        self.known = server.known
        self.lanes = server.lanes
        self.closed = False
        self._epoll = select.epoll()
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._look_again_at = 0.0
        self._pauses: set[asyncio.TimerHandle] = set()
        #: Those who are on their way into the loop.
        self._entering: set[asyncio.Task[None]] = set()
        for fd, listener in self._listeners.items():
            listener.setblocking(False)
            self._epoll.register(fd, select.EPOLLIN)
        self._loop.add_reader(self._epoll.fileno(), self._look)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listeners; none once it is closed."""
        return tuple(self._listeners.values())

    def close(self) -> None:
        """Nobody gets in any more, and nobody who is to be waited for is heard."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        for pause in self._pauses:
            pause.cancel()
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()

    def watch(self, fd: int, *, again: bool) -> None:
        """Have a newcomer served once it can be read: once, because who says more, or leaves, while
        its answer is owed is no reason to look at it in each turn of the loop."""
        watch = self._epoll.modify if again else self._epoll.register
        watch(fd, select.EPOLLIN | select.EPOLLONESHOT)

    def unwatch(self, fd: int) -> None:
        self._epoll.unregister(fd)

    def _look(self) -> None:
        newcomers = self.server.newcomers
        for fd, _ in self._epoll.poll(0, MOST_AT_ONCE):
            listener = self._listeners.get(fd)
            if listener is not None:
                self._accept(listener)
                continue
            newcomer = newcomers.get(fd)
            if newcomer is not None:
                self._serve(newcomer)

    def _accept(self, listener: socket.socket) -> None:
        accept = listener._accept  # type: ignore[attr-defined]  # a descriptor, and no object
        server, now = self.server, self.now()
        for number in range(MOST_AT_ONCE):
            try:
                fd, address = accept()
            except BlockingIOError:
                if number:
                    self._look_again_at = now + LOOK_SECONDS
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:  # no more files, no memory
                logger.warning("Cannot accept connections: %s", error.strerror)
                self._pause(listener)
                return
            os.set_blocking(fd, False)
            if server.count():
                newcomer = Newcomer(self, fd, str(address[0]), now)
                server.newcomers[fd] = newcomer
                self._serve(newcomer)
            else:
                self._refuse(fd)
            if not number and now < self._look_again_at:
                return

    def _serve(self, newcomer: Newcomer) -> None:
        try:
            newcomer.read()
        except Exception:  # the others wait, too
            logger.exception("A connection could not be served")
            newcomer.force_close()

    def _refuse(self, fd: int) -> None:
        with contextlib.suppress(OSError):  # it left
            os.write(fd, self.server.refusal())
        os.close(fd)

    def _pause(self, listener: socket.socket) -> None:
        """The kernel would say again at once that somebody waits."""
        self._epoll.unregister(listener)

        def go_on() -> None:
            self._pauses.discard(timer)
            self._epoll.register(listener, select.EPOLLIN)

        timer = self._loop.call_later(PAUSE_SECONDS, go_on)
        self._pauses.add(timer)

    def enter(self, fd: int, data: bytes, head_by: float, *, proven: bool) -> None:
        """Make an ordinary connection of a counted one that has said ``data``, and whose head must
        be there ``head_by``, or as late as that of any new one if that is 0.0."""
        connection = self.server.came_in(data, head_by)
        connection.proven = proven
        task = self._loop.create_task(self._enter(connection, socket.socket(fileno=fd)))
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)

    async def _enter(self, connection: BoundedConnection, phone: socket.socket) -> None:
        came_in = False
        try:
            await self._loop.connect_accepted_socket(lambda: connection, phone)
            came_in = True
        except OSError:  # it left
            pass
        except Exception:
            logger.exception("A connection could not be taken in")
        finally:
            if not came_in:
                phone.close()
                connection.uncount()
