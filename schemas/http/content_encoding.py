"""Compressed bodies, unpacked by us and never further than a body may be long. PURE.

The server below us unpacks nothing (``schemas.http.server``): a body that nobody reads costs
nothing, and one of two megabytes that would become two thousand costs what its first kilobytes do.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

from schemas.http.problems import ProblemError

#: Answered with a 415 (RFC 9110, section 15.5.16).
READABLE: Final = "gzip, deflate"
# RFC 1952, RFC 1950, and what some take for the latter: the bare stream (RFC 1951).
_WINDOW_BITS: Final[dict[str, tuple[int, ...]]] = {
    "gzip": (31,),
    "x-gzip": (31,),
    "deflate": (15, -15),
}
#: Packed twice is somebody's interceptor added twice; more is nobody's body.
_MAX_CODINGS: Final = 2


def unpacked(body: bytes, content_encoding: str, max_bytes: int) -> bytes:
    """``body`` as it was before the codings of its ``Content-Encoding``, whose case does not
    matter. What is not packed as it says, or not whole, is given back as it is.

    Raises ``ProblemError``: ``unsupported_encoding``, or ``body_too_large`` as soon as it would be
    longer than ``max_bytes``.
    """
    codings = _codings(content_encoding)
    if not body or not codings:
        return body
    if len(codings) > _MAX_CODINGS or not all(each in _WINDOW_BITS for each in codings):
        raise unsupported_encoding()
    for coding in reversed(codings):
        plain = _inflated(body, _WINDOW_BITS[coding], max_bytes)
        if plain is None:
            return body
        body = plain
    return body


def refuse_packed(content_encoding: str | None) -> None:
    """For calls that take no compressed body. Raises ``ProblemError`` ``unsupported_encoding``."""
    if content_encoding is not None and _codings(content_encoding):
        raise unsupported_encoding("identity")


def unsupported_encoding(readable: str = READABLE) -> ProblemError:
    """The 415 that says which codings can be read."""
    return ProblemError(
        "unsupported_encoding",
        f"The body's Content-Encoding cannot be read here; use {readable}.",
        headers={"Accept-Encoding": readable},
    )


def _codings(content_encoding: str) -> list[str]:
    """In the order in which they were applied; ``identity`` is none."""
    named = (each.strip().lower() for each in content_encoding.split(","))
    return [each for each in named if each not in ("", "identity")]


def _inflated(body: bytes, window_bits: Iterable[int], max_bytes: int) -> bytes | None:
    for bits in window_bits:
        stream = zlib.decompressobj(bits)
        try:
            plain = stream.decompress(body, max_bytes + 1)
        except zlib.error:
            continue
        if len(plain) > max_bytes:
            raise ProblemError("body_too_large", f"A body has at most {max_bytes} bytes.")
        if stream.eof:
            return plain
    return None
