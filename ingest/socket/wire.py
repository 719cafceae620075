"""The frames that we send, as bytes (RFC 6455, section 5.2). PURE."""

from __future__ import annotations

from typing import Final

from ingest.socket.actions import NORMAL

_TEXT: Final = 0x81
_CLOSE: Final = 0x88
_PONG: Final = 0x8A
#: Lengths up to the first are told in the head's second byte, up to the second in two more.
_SHORT: Final = 125
_MEDIUM: Final = 0xFFFF

PING: Final = b"\x89\x00"
#: What a client answers it with: masked, and nothing in it to mask but the mask itself.
PONG_HEAD: Final = b"\x8a\x80"
PONG_BYTES: Final = 6


def text_frame(payload: bytes) -> bytes:
    return _frame(_TEXT, payload)


def pong_frame(payload: bytes) -> bytes:
    """``payload`` is that of a ping: at most 125 bytes."""
    return _frame(_PONG, payload)


def close_frame(code: int = NORMAL, reason: str = "") -> bytes:
    """``reason`` is short ASCII."""
    return _frame(_CLOSE, code.to_bytes(2, "big") + reason.encode())


def _frame(first: int, payload: bytes) -> bytes:
    length = len(payload)
    if length <= _SHORT:
        return bytes((first, length)) + payload
    if length <= _MEDIUM:
        return bytes((first, 126)) + length.to_bytes(2, "big") + payload
    return bytes((first, 127)) + length.to_bytes(8, "big") + payload
