"""The connection of one socket: what its client sends and does not read, kept within bounds.

It has neither a task nor a timer. A message is taken in the callback that brings its bytes; a
deadline comes from the one sweep of the process (``schemas.http.sweep``).

One message of a client is in work. While its events are not acknowledged, its token is verified or
its pace is too fast, the connection *holds*: what comes waits unread in :data:`HELD_BYTES` and the
kernel's buffers. What a client does not read is bounded too (``ingest.socket.outgoing``).
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Final

from aiohttp import WSMsgType
from aiohttp.http import WebSocketWriter

from ingest.socket import wire
from ingest.socket.outgoing import Outgoing, Phase
from ingest.socket.pace import Pace
from ingest.socket.reader import Read, SharedReaders, SocketReader
from schemas.http.deadlines import NOT_FILED
from schemas.http.sweep import Sweep

#: What waits here while the connection holds, before its client is held back.
HELD_BYTES: Final = 65_536
#: Read at a time: a message is six bytes at least, and becomes two hundred.
_PIECE_BYTES: Final = 4096
#: How long a closing handshake may take.
CLOSE_TIMEOUT_SECONDS: Final = 2.0
_NOTHING: Final[list[Read]] = []


class SocketConnection(Outgoing):
    """Of a socket, which is a subclass: it says what is made of messages and time. It holds until
    the socket has been admitted."""

    __slots__ = (
        "_close_by",
        "_holds",
        "_loop",
        "_messages",
        "_overdue",
        "_pace",
        "_paused",
        "_reader",
        "_spoke",
        "_sweep",
        "_unread_bytes",
        "tick",
    )

    def __init__(
        self,
        readers: SharedReaders,
        sweep: Sweep,
        messages_per_second: int,
        writer: WebSocketWriter | None,
    ) -> None:
        """``writer`` compresses what is sent, if that was agreed."""
        super().__init__(writer)
        self._loop = asyncio.get_running_loop()
        self._sweep = sweep
        self._reader = SocketReader(readers, compressed=writer is not None)
        self._pace = Pace(messages_per_second)
        #: So many things are waited for before the next message is taken.
        self._holds = 1
        #: Messages to be taken, the next one last; then the bytes that are no messages yet.
        self._messages = _NOTHING
        self._unread_bytes = b""
        self._paused = False
        #: Its deadline came while it held, and it took a message since it was last woken.
        self._overdue = False
        self._spoke = False
        self._close_by = 0.0
        self.tick = NOT_FILED

    # -- what the socket makes of it; ``_end_if_over`` whenever ``_is_over`` may have become true

    @property
    @abstractmethod
    def _deadline(self) -> float: ...

    @abstractmethod
    def _woken(self, now: float) -> None: ...

    @abstractmethod
    def _ponged(self, now: float) -> bool: ...

    @abstractmethod
    def _message(self, message: Read, now: float) -> None: ...

    @abstractmethod
    def _cut(self) -> None: ...

    @abstractmethod
    def _end_if_over(self) -> None: ...

    # -- what happens

    def wake(self, now: float) -> None:
        """As :class:`schemas.http.sweep.Woken`."""
        if self._phase is Phase.CLOSING:
            if now >= self._close_by:
                self._close_now()
            else:
                self._file()
        elif self._phase is Phase.OPEN:
            if self._holds:
                self._overdue = True
            else:
                self._wake(now)

    def data_received(self, data: bytes) -> None:
        if not self._holds and not self._unread_bytes and self._phase is Phase.OPEN:
            if (
                len(data) == wire.PONG_BYTES
                and data.startswith(wire.PONG_HEAD)
                and self._reader.between_messages
                and self._ponged(self._loop.time())
            ):
                return  # the usual case by far
        elif self._phase is Phase.OVER:
            return
        self._unread_bytes = self._unread_bytes + data if self._unread_bytes else data
        self._read()
        if len(self._unread_bytes) > HELD_BYTES and not self._paused:
            self._pause()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if self._phase is Phase.CLOSING:
            self._close_now()
        self._go_on()

    # -- messages

    def _read(self) -> None:
        """Take the messages that are there, until something is waited for."""
        while self._phase is Phase.CLOSING or not (self._holds or self._phase is Phase.OVER):
            if self._messages:
                self._take(self._messages.pop())
            elif self._unread_bytes:
                piece = self._unread_bytes[:_PIECE_BYTES]
                self._unread_bytes = self._unread_bytes[_PIECE_BYTES:]
                self._messages = self._reader.read(piece)
                self._messages.reverse()
            else:
                self._messages = _NOTHING
                return
        self._end_if_over()

    def _take(self, message: Read) -> None:
        if self._phase is Phase.CLOSING:
            if isinstance(message, BaseException) or message.type is WSMsgType.CLOSE:
                self._close_now()
            return
        now = self._loop.time()
        # However cheap a ping is: thousands a second would cost all others their turn.
        pause_seconds = self._pace.wait_seconds(now)
        if pause_seconds:
            self._holds += 1
            self._loop.call_later(pause_seconds, self._take_late, message)
            return
        self._message_now(message, now)

    def _message_now(self, message: Read, now: float) -> None:
        self._message(message, now)
        self._spoke = True
        # Whoever was pinged and has spoken is to be pinged again, sooner than it would be lost.
        self._file()
        # A client that never stops sending must not hold up what is due.
        if self._overdue and not self._holds and self._phase is Phase.OPEN:
            self._wake(now)

    def _take_late(self, message: Read) -> None:
        if self._phase is Phase.OPEN:
            self._message_now(message, self._loop.time())
        elif self._phase is Phase.CLOSING:
            self._take(message)
        self._release()

    # -- waiting

    def _release(self) -> None:
        """One thing less is waited for."""
        self._holds -= 1
        if not self._holds:
            self._go_on()

    def _go_on(self) -> None:
        """As far as nothing is waited for."""
        if self._overdue and self._spoke and not self._holds and self._phase is Phase.OPEN:
            self._wake(self._loop.time())
        self._read()
        if self._holds:
            return
        if self._phase is Phase.OPEN:
            if self.transport is None:
                self._phase = Phase.OVER
                self._cut()
            elif self._overdue:
                self._wake(self._loop.time())
        if self._paused and len(self._unread_bytes) <= HELD_BYTES:
            self._resume()
        self._end_if_over()

    def _wake(self, now: float) -> None:
        self._overdue = self._spoke = False
        self._woken(now)
        self._file()

    def _file(self) -> None:
        """Have the sweep wake it."""
        if self._phase is Phase.OPEN:
            self._sweep.file(self, self._deadline)
        elif self._phase is Phase.CLOSING:
            self._sweep.file(self, self._close_by)

    def _pause(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    def _resume(self) -> None:
        self._paused = False
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    # -- the end

    def _close(self, code: int, reason: str) -> None:
        """RFC 6455, 7.1.1: else what the client says meanwhile would reset the connection, and our
        close frame might be lost."""
        if self._phase is not Phase.OPEN:
            return
        if not self._writable():
            self._close_now()
            return
        self._write(wire.close_frame(code, reason))
        self._phase = Phase.CLOSING
        self._close_by = self._loop.time() + CLOSE_TIMEOUT_SECONDS
        self._file()
        if self._paused:
            self._resume()

    def _write_last(self, frame: bytes) -> None:
        """Our close frame, after which nothing is waited for."""
        if self._writable():
            self._write(frame)
        self._phase = Phase.OVER
        if self.transport is not None:
            self.transport.close()

    def _close_now(self) -> None:
        """What a client that is gone or slow did not read is not kept for it."""
        self._phase = Phase.OVER
        self._unread_bytes, self._messages = b"", _NOTHING
        self._sweep.drop(self)
        if self.transport is not None:
            self.transport.abort()
        self._end_if_over()

    def _is_over(self) -> bool:
        return self._phase is Phase.OVER and not self._holds
