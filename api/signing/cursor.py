"""Where a list goes on: an opaque cursor that fits one list only. PURE.

A cursor is the position after the last row of a page, with a checksum over it and the *context*:
the list's filters and sort. So a cursor that was cut, edited or moved to another list is refused
instead of giving a page that looks right. The checksum is keyed with the secret that the processes
of the API share (``api.signing.secret``): nobody else makes one. What a position may hold is
bounded all the same, so that none can ask PostgreSQL for what it cannot say.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Annotated, Final, TypeVar

import msgspec

from schemas.http.problems import FieldProblem, ProblemError
from schemas.log.events import MAX_USER_ID

# Above that of the longest user id.
MAX_CURSOR_CHARACTERS: Final = 2_048
_CHECKSUM_BYTES: Final = 9


#: What a position may hold. PostgreSQL knows these instants, and no NUL in a text.
TimeUs = Annotated[int, msgspec.Meta(ge=-(10**15), le=10**16)]
Seen = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
UserId = Annotated[str, msgspec.Meta(max_length=MAX_USER_ID, pattern=r"\A[^\x00]*\Z")]


class Position(msgspec.Struct, frozen=True, array_like=True):
    """After whom to go on in a list of users. ``at_us`` is the sorted time in Unix microseconds
    (what PostgreSQL holds), ``None`` where the list is sorted by ``user_id``; ``seen`` counts users
    so far."""

    at_us: TimeUs | None
    user_id: UserId
    seen: Seen


P = TypeVar("P", bound=msgspec.Struct)


def encode_cursor(position: msgspec.Struct, context: bytes, key: bytes) -> str:
    """The cursor of a position in the list that ``context`` describes; URL-safe."""
    payload = msgspec.msgpack.encode(position)
    return (
        base64.urlsafe_b64encode(_checksum(payload, context, key) + payload).rstrip(b"=").decode()
    )


def decode_cursor(cursor: str, context: bytes, kind: type[P], key: bytes) -> P:
    """The position, of the list's own kind. Raises ``ProblemError`` with code ``bad_cursor`` unless
    the cursor is exactly one that :func:`encode_cursor` made for this context with this key."""
    if len(cursor) > MAX_CURSOR_CHARACTERS or not cursor.isascii():
        raise _bad_cursor()
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _bad_cursor() from None
    checksum, payload = raw[:_CHECKSUM_BYTES], raw[_CHECKSUM_BYTES:]
    if not hmac.compare_digest(checksum, _checksum(payload, context, key)):
        raise _bad_cursor()
    try:
        position = msgspec.msgpack.decode(payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _bad_cursor() from None
    # Base64 ignores the last bits of a text: two spellings of one cursor are one too many.
    if encode_cursor(position, context, key) != cursor:
        raise _bad_cursor()
    return position


def _checksum(payload: bytes, context: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(
        context + b"\0" + payload, digest_size=_CHECKSUM_BYTES, key=key, person=b"rollcall-cursor"
    ).digest()


def _bad_cursor() -> ProblemError:
    detail = "The cursor is not one of this list: use next_cursor with the same filters and sort."
    return ProblemError(
        "bad_cursor", detail, errors=[FieldProblem("cursor", "is not of this list")]
    )
