"""Where a list goes on: an opaque cursor that fits one list only. PURE.

A cursor is the position after the last row of a page, with a checksum over it and the *context*:
the list's filters and sort. So a cursor that was cut, edited or moved to another list is refused
instead of giving a page that looks right. The checksum is no signature, and need not be: whoever
forges a position can only start reading elsewhere in a list that they may read anyway.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final, TypeVar

import msgspec

from schemas.problems import FieldProblem, ProblemError

# Above that of the longest user id.
MAX_CURSOR_CHARACTERS: Final = 2_048
_CHECKSUM_BYTES: Final = 9


class Position(msgspec.Struct, frozen=True, array_like=True):
    """After whom to go on in a list of users. ``at_us`` is the sorted time in Unix microseconds
    (what PostgreSQL holds), ``None`` where the list is sorted by ``user_id``; ``seen`` counts users
    so far."""

    at_us: int | None
    user_id: str
    seen: int


P = TypeVar("P", bound=msgspec.Struct)


def encode_cursor(position: msgspec.Struct, context: bytes) -> str:
    """The cursor of a position in the list that ``context`` describes; URL-safe."""
    payload = msgspec.msgpack.encode(position)
    return base64.urlsafe_b64encode(_checksum(payload, context) + payload).rstrip(b"=").decode()


def decode_cursor(cursor: str, context: bytes, kind: type[P]) -> P:
    """The position, of the list's own kind. Raises ``ProblemError`` with code ``bad_cursor`` unless
    the cursor is exactly one that :func:`encode_cursor` made for this context."""
    if len(cursor) > MAX_CURSOR_CHARACTERS or not cursor.isascii():
        raise _bad_cursor()
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _bad_cursor() from None
    checksum, payload = raw[:_CHECKSUM_BYTES], raw[_CHECKSUM_BYTES:]
    if checksum != _checksum(payload, context):
        raise _bad_cursor()
    try:
        position = msgspec.msgpack.decode(payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _bad_cursor() from None
    # Base64 ignores the last bits of a text: two spellings of one cursor are one too many.
    if encode_cursor(position, context) != cursor:
        raise _bad_cursor()
    return position


def _checksum(payload: bytes, context: bytes) -> bytes:
    return hashlib.blake2b(
        context + b"\0" + payload, digest_size=_CHECKSUM_BYTES, person=b"rollcall-cursor"
    ).digest()


def _bad_cursor() -> ProblemError:
    detail = "The cursor is not one of this list: use next_cursor with the same filters and sort."
    return ProblemError(
        "bad_cursor", detail, errors=[FieldProblem("cursor", "is not of this list")]
    )
