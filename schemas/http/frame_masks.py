"""Whether a client masks its frames, as RFC 6455, section 5.1, wants it: PURE.

A frame without a mask fails the connection (1002). A proxy in between may take one for something
else, which is what masks are for; aiohttp's reader takes either.

Only the heads of frames are looked at. The first byte of one waits here for the second, which
tells, so that nothing of an unmasked frame is read; all else goes on at once, to a reader that may
refuse it.
"""

from __future__ import annotations

from typing import Final

_MASKED: Final = 0x80
#: Of a head's first byte: the message's last frame, and a control frame.
_LAST: Final = 0x80
_CONTROL: Final = 0x08
_MASK_BYTES: Final = 4
#: What follows the two bytes of a head whose length is told as this (RFC 6455, section 5.2).
_LENGTH_BYTES: Final = {126: 2, 127: 8}


class FrameMasks:
    """The frames of one client, in whatever chunks they come."""

    __slots__ = ("_head", "_passed_on", "_payload_left", "_unfinished", "failed")

    def __init__(self) -> None:
        #: The beginning of a head, and how much of it went on.
        self._head = b""
        self._passed_on = 0
        #: Bytes of the frame whose head was complete, its mask included, that are still to come.
        self._payload_left = 0
        #: A frame without a mask came: nothing more is read.
        self.failed = False
        #: The last frame of a message was not its last one.
        self._unfinished = False

    @property
    def between_messages(self) -> bool:
        """Whether all that came was read, and is whole messages."""
        return not (self._payload_left or self._head or self._unfinished or self.failed)

    def readable(self, data: bytes) -> bytes:
        """What may be read now: all up to a frame without a mask, or to a lone first byte."""
        if self.failed:
            return b""
        begin = self._passed_on
        if self._head:
            data, self._head, self._passed_on = self._head + data, b"", 0
        at, end = self._payload_left, len(data)
        while at + 1 < end:
            second = data[at + 1]
            if not second & _MASKED:
                self.failed = True
                return data[begin:at]
            length = second & ~_MASKED
            payload_at = at + 2
            if more := _LENGTH_BYTES.get(length, 0):
                payload_at += more
                if payload_at > end:
                    break
                length = int.from_bytes(data[at + 2 : payload_at], "big")
            if not (first := data[at]) & _CONTROL:
                self._unfinished = not first & _LAST
            at = payload_at + _MASK_BYTES + length
        if at >= end:
            self._payload_left = at - end
            return data[begin:] if begin else data
        self._payload_left = 0
        self._head = data[at:]
        self._passed_on = len(self._head) if len(self._head) > 1 else 0
        return data[begin : at + self._passed_on]
