"""A connection before it has cost anything: a descriptor, until it needs more.

Nine of ten phones that connect anew for a call send one known head (``schemas.http.known_heads``),
are answered, and go. For that a transport, a protocol and a parser of HTTP are made and taken down
for nothing: two thirds of what such a call costs. So the first call is read from the descriptor,
and answered there if it is a known one that its lane takes. Everything else is handed over to
an ordinary connection with what was read, before anything was done; so is the second call.

What holds for a :class:`schemas.http.connection.BoundedConnection` holds here: the time for the
head, the time without a request, the number of connections, who makes room for others, and the end.
"""

from __future__ import annotations

import asyncio
import os
from enum import Enum
from typing import TYPE_CHECKING, Final

from schemas.http.deadlines import NOT_FILED
from schemas.http.idle_connections import LEAST_SECONDS

if TYPE_CHECKING:
    from schemas.http.doorstep import Doorstep

_READ_BYTES: Final = 8192
_GONE: Final = -1


class _State(Enum):
    #: It has said nothing yet.
    NEW = "new"
    WATCHED = "watched"
    #: An answer is owed.
    ASKED = "asked"
    #: Its call was answered, and it may have another one.
    RESTING = "resting"
    #: It is closed, or somebody else's.
    OVER = "over"


_NEW, _WATCHED, _ASKED, _RESTING, _OVER = _State


class Newcomer:
    """Between its accept and its first answer, or until it is handed over."""

    __slots__ = (
        "_by",
        "_door",
        "_fd",
        "_last",
        "_peer",
        "_registered",
        "_since",
        "_state",
        "_stopping",
        "proven",
        "tick",
    )

    def __init__(self, door: Doorstep, fd: int, peer: str, now: float) -> None:
        self._door = door
        self._fd = fd
        self._peer = peer
        self._since = now
        self._state = _NEW
        self._registered = False
        #: When it must have said something.
        self._by = 0.0
        self._last = False
        self._stopping: asyncio.Future[None] | None = None
        self.proven = False
        self.tick = NOT_FILED

    def read(self) -> None:
        """There may be something to read."""
        state = self._state
        if state is _ASKED or state is _OVER:
            return
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            if state is _NEW:
                self._by = self._since + self._door.bounds.head_seconds
                self._watch(_WATCHED)
            else:
                self._watch(state)
            return
        except OSError:
            data = b""
        if not data:
            self.force_close()
            return
        if state is not _RESTING:
            call = self._door.known.call(data)
            if call is not None and self._door.lanes[call.path](self, call):
                return
        self._hand_over(data)

    # -- as schemas.http.lane.Asked

    @property
    def last_answer(self) -> bool:
        return self._last or self._door.server.draining

    def enter_lane(self) -> None:
        self._state = _ASKED
        self._door.server.requests_count += 1

    def answer(self, data: bytes, *, closing: bool) -> None:
        if self._state is not _ASKED:
            return  # it was closed meanwhile
        try:
            written = os.write(self._fd, data)
        except OSError:  # the client left
            written = -1
        # An answer is shorter than any buffer that nothing was written to.
        if closing or self._last or written != len(data) or self._door.closed:
            self.force_close()
            return
        self._by = self._door.now() + self._door.bounds.idle_seconds
        self._watch(_RESTING)

    def force_close(self) -> None:
        if self._leave():
            os.close(self._fd)
            self._door.server.uncount()

    # -- as schemas.http.sweep.Woken

    def wake(self, now: float) -> None:
        if self._state is _ASKED or self._state is _OVER:
            return
        if now < self._by:
            self._door.server.heads.file(self, self._by)
            return
        late = "idle" if self._state is _RESTING else "head"
        self._door.bounds.metrics.timeouts[late].inc()
        self.force_close()

    # -- room, and the end

    def idle(self, now: float) -> tuple[str, float] | None:
        """As :meth:`schemas.http.connection.BoundedConnection.idle`."""
        proxies = self._door.bounds.proxies
        if self.proven or now - self._since < LEAST_SECONDS or proxies.include(self._peer):
            return None
        return proxies.client(self._peer, ()), self._since

    def close(self) -> None:
        """The server stops: nothing is taken any more, and what is owed is given."""
        self._last = True
        if self._state is not _ASKED:
            self.force_close()

    async def shutdown(self, timeout_seconds: float | None) -> None:
        """Wait for what is owed, then close."""
        if self._state is _ASKED:
            self._stopping = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._stopping], timeout=timeout_seconds)
        self.force_close()

    # -- how it goes on

    def _watch(self, state: _State) -> None:
        self._state = state
        self._door.watch(self._fd, again=self._registered)
        self._registered = True
        self._door.server.heads.file(self, self._by)

    def _hand_over(self, data: bytes) -> None:
        by = self._by if self._state is _WATCHED else 0.0
        if self._leave():
            self._door.enter(self._fd, data, by, proven=self.proven)

    def _leave(self) -> bool:
        if self._state is _OVER:
            return False
        self._state = _OVER
        server = self._door.server
        del server.newcomers[self._fd]
        server.heads.drop(self)
        if self._registered and not self._door.closed:
            self._door.unwatch(self._fd)
        if self._stopping is not None and not self._stopping.done():
            self._stopping.set_result(None)
        return True
