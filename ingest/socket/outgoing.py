"""What is written to the client of one socket, as far as it reads it.

Above :data:`UNREAD_BYTES` that it leaves unread nothing more is written to it, no pong either.
"""

from __future__ import annotations

from abc import ABC
from enum import Enum
from typing import Final

from aiohttp import WSMsgType
from aiohttp.http import WebSocketWriter

from ingest.socket import wire
from schemas.http.upgraded import UpgradedConnection

#: Answers are some hundred bytes, so this is a client that has not read for long.
UNREAD_BYTES: Final = 65_536


class Phase(Enum):
    """What a connection is good for."""

    OPEN = "open"
    #: Our close frame is written: the client's is waited for, and all else dropped.
    CLOSING = "closing"
    #: Nothing more is read or written.
    OVER = "over"


class Outgoing(UpgradedConnection, ABC):
    """The half of a socket's connection that writes."""

    __slots__ = ("_phase", "_writer")

    def __init__(self, writer: WebSocketWriter | None) -> None:
        """``writer`` compresses what is sent, if that was agreed."""
        super().__init__()
        self._writer = writer
        self._phase = Phase.OPEN

    def _write(self, frame: bytes) -> None:
        if self.transport is not None:
            self.transport.write(frame)

    def _write_text(self, payload: bytes) -> None:
        if self._writer is None:
            self._write(wire.text_frame(payload))
        else:
            # aiohttp's own way for messages as small as ours: without a lock and a task.
            self._writer._send_compressed_frame_sync(payload, WSMsgType.TEXT, None)

    def _writable(self) -> bool:
        transport = self.transport
        if transport is None or self._phase is not Phase.OPEN:
            return False
        return not transport.is_closing()

    def _unread(self) -> bool:
        """Whether the client leaves more unread than any that reads."""
        transport = self.transport
        return transport is not None and transport.get_write_buffer_size() > UNREAD_BYTES
