"""From the bytes of a client to its messages, by aiohttp's WebSocket reader.

A reader is clean between messages, and most sockets are there nearly always: so a process has one
for all of them, and a socket has one of its own only in the middle of a message, or with
compression, whose context lasts. The reader hands a message to its queue; ours keeps it for who
fed the bytes, where aiohttp's would wake a task (ADR 11).
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeAlias

from aiohttp import WSMessage
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader

from schemas.http.frame_masks import FrameMasks

#: A head with reserved bits, which aiohttp's reader refuses with 1002: given to it in place of a
#: frame without a mask, which is to end the same way.
_REFUSED_FRAME: Final = b"\xf0\x80"
# Of aiohttp's queue, which holds nothing here.
_QUEUE_BYTES: Final = 65_536

#: A message, or why there will be no further one.
Read: TypeAlias = WSMessage | BaseException


class _Taken(WebSocketDataQueue):
    """What the reader has made of the bytes that it was fed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(None, _QUEUE_BYTES, loop=loop)  # type: ignore[arg-type]
        self.taken: list[Read] = []

    def feed_data(self, data: Any, size: int) -> None:
        self.taken.append(data)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        self.taken.append(exc)


class _Reader:
    __slots__ = ("_parser", "_taken")

    def __init__(self, max_message_bytes: int, *, compressed: bool) -> None:
        self._taken = _Taken(asyncio.get_running_loop())
        # aiohttp refuses a message of exactly its limit.
        self._parser = WebSocketReader(
            self._taken, max_message_bytes + 1, compress=compressed, decode_text=True
        )

    def read(self, data: bytes) -> list[Read]:
        self._parser.feed_data(data)
        read, self._taken.taken = self._taken.taken, []
        return read


class SharedReaders:
    """The reader of a process that no socket is in the middle of a message with."""

    __slots__ = ("_free", "max_message_bytes")

    def __init__(self, max_message_bytes: int) -> None:
        self.max_message_bytes = max_message_bytes
        self._free: _Reader | None = None

    def lend(self) -> _Reader:
        reader, self._free = self._free, None
        return reader or _Reader(self.max_message_bytes, compressed=False)

    def give_back(self, reader: _Reader) -> None:
        self._free = reader


class SocketReader:
    """Of one socket."""

    __slots__ = ("_compressed", "_masks", "_own", "_shared")

    def __init__(self, shared: SharedReaders, *, compressed: bool) -> None:
        self._shared = shared
        self._compressed = compressed
        self._own: _Reader | None = None
        self._masks = FrameMasks()

    @property
    def between_messages(self) -> bool:
        return self._masks.between_messages

    def read(self, data: bytes) -> list[Read]:
        """The messages that ``data`` completes. An exception is the last there is: a
        ``WebSocketError`` with its close code, or another where it cannot be inflated."""
        masks = self._masks
        if masks.failed:
            return []
        readable = masks.readable(data)
        if masks.failed:
            readable += _REFUSED_FRAME
        reader = self._own
        if reader is None:
            reader = self._lent()
        read = reader.read(readable)
        if self._compressed or not masks.between_messages:
            self._own = reader
        elif not (read and isinstance(read[-1], BaseException)):
            self._own = None
            self._shared.give_back(reader)
        return read

    def _lent(self) -> _Reader:
        if self._compressed:
            return _Reader(self._shared.max_message_bytes, compressed=True)
        return self._shared.lend()
