"""Heads of requests that were parsed before, but for their token. PURE.

The phones of an app send the same head again and again; only the token differs, and behind a
gateway a request id and addresses. To parse one takes aiohttp's C parser as long as all the rest
of a call takes us. So what it made of a head is kept, and a head that has the same bytes but for
these values is not parsed again:

1. A head is *learned* when the parser has made a usual call of bytes that were that call and
   nothing else.
2. The values that may differ (:data:`VARYING`, and the token behind ``Authorization: Bearer``) are
   made of characters that mean nothing to a parser of heads, are not empty, and keep within its
   limits. So it would make the same of them, wherever they stand.
3. A request is known only if its bytes end where its body does: whatever came with it, or is still
   to come, is for the parser.
4. At most :data:`MOST` are kept. The one learned first is forgotten first.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, TypeAlias

import msgspec

MOST: Final = 1024
#: A longer head is left to the parser.
MOST_BYTES: Final = 4096
#: Headers whose values may differ too, as long as they have no blank at their ends.
VARYING: Final = (b"x-request-id", b"x-forwarded-for")
_TOKEN: Final = b"\r\nauthorization: bearer "
_SCHEME_BYTES: Final = len(b"Bearer ")
_TOKEN_BYTES: Final = bytes(
    code for code in range(0x21, 0x7F) if chr(code).isalnum() or chr(code) in "-._~+/="
)
_VALUE: Final = re.compile(rb"[!-~](?:[ -~]*[!-~])?")
_VALUES: Final = re.compile(
    rb"(?<=\r\n)(" + b"|".join(VARYING) + rb"): ([^\r]*)(?=\r\n)", re.IGNORECASE
)
#: Name and scheme in front of a value that varies are shorter.
_NAME_BYTES: Final = 32


class UsualCall(msgspec.Struct, gc=False):
    """What a lane is told of a request."""

    path: str
    authorization: str | None
    content_type: str | None
    request_id: str | None
    closing: bool
    body: bytes


_Key: TypeAlias = bytes | tuple[bytes]


class _Head(NamedTuple):
    path: str
    content_type: str | None
    closing: bool
    body_bytes: int


class _Token(NamedTuple):
    """Of a head: where it stands, and the head's end."""

    start: int
    stop: int
    end: int


class KnownHeads:
    """Of one server. ``max_header_bytes`` is the parser's limit of a header's name and value."""

    __slots__ = ("_heads", "_max_value_bytes")

    def __init__(self, max_header_bytes: int) -> None:
        self._max_value_bytes = max_header_bytes - _NAME_BYTES
        #: Keys without values that vary are tuples: no bytes of a client's make one.
        self._heads: dict[_Key, _Head] = {}

    def __len__(self) -> int:
        return len(self._heads)

    def call(self, data: bytes) -> UsualCall | None:
        """What the parser would make of ``data`` at the beginning of a message, if that is known
        to be one usual call and nothing else."""
        token = self._token(data)
        if token is None:
            return None
        start, stop, end = token
        request_id: str | None = None
        head = self._heads.get(data[:start] + data[stop:end])
        if head is None:
            varying = self._varying(data, token)
            if varying is None:
                return None
            without_them, request_id = varying
            head = self._heads.get(without_them)
            if head is None:
                return None
        body_at = end + 4
        if len(data) != body_at + head.body_bytes:
            return None
        return UsualCall(
            head.path,
            data[start - _SCHEME_BYTES : stop].decode("ascii"),
            head.content_type,
            request_id,
            head.closing,
            data[body_at:],
        )

    def learn(self, data: bytes, call: UsualCall) -> None:
        """The parser made ``call`` of ``data``, which began and ended with it."""
        token = self._token(data)
        if token is None or call.authorization is None:
            return
        said = data[token.start : token.stop].decode("ascii")
        if call.authorization[_SCHEME_BYTES:] != said:
            return
        key: _Key = data[: token.start] + data[token.stop : token.end]
        request_id: str | None = None
        varying = self._varying(data, token)
        if varying is not None:
            key, request_id = varying
        if request_id != call.request_id:
            return
        heads = self._heads
        if key not in heads and len(heads) >= MOST:
            del heads[next(iter(heads))]
        heads[key] = _Head(call.path, call.content_type, call.closing, len(call.body))

    def _token(self, data: bytes) -> _Token | None:
        end = data.find(b"\r\n\r\n", 0, MOST_BYTES)
        at = data[: max(end, 0)].lower().find(_TOKEN)
        if at < 0:
            return None
        start = at + len(_TOKEN)
        stop = data.find(b"\r\n", start)
        token = data[start:stop]
        if not token or len(token) > self._max_value_bytes or token.translate(None, _TOKEN_BYTES):
            return None
        return _Token(start, stop, end)

    def _varying(self, data: bytes, token: _Token) -> tuple[tuple[bytes], str | None] | None:
        """A key without the values that vary, and the request id; ``None`` where there are none,
        or one of them is odd."""
        head = data[: token.start] + data[token.stop : token.end + 2]
        request_id: str | None = None
        names = set()
        for found in _VALUES.finditer(head):
            name, value = found[1].lower(), found[2]
            if name in names or len(value) > self._max_value_bytes or not _VALUE.fullmatch(value):
                return None
            names.add(name)
            if name == b"x-request-id":
                request_id = value.decode("ascii")
        if not names or b"\0" in head:  # which marks their places
            return None
        return (_VALUES.sub(rb"\1:\0", head),), request_id


def ends_so(data: bytes, body_bytes: int) -> bool:
    """Whether ``data``, which began with a message that is all there and whose body, not chunked,
    is so long, ends with it: so that the parser is at the beginning of another one."""
    return len(data) == data.find(b"\r\n\r\n") + 4 + body_bytes
