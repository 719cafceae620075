"""Where a client of PostgreSQL says COMMIT, in the simple or the extended protocol. PURE."""

from __future__ import annotations

from typing import Final

_SSL_REQUEST: Final = 80_877_103
_GSS_REQUEST: Final = 80_877_104
_LENGTH_BYTES: Final = 4


class CommitWatch:
    """Feed it the bytes of one client, in order; it tells where a COMMIT ends in them."""

    def __init__(self) -> None:
        self._started = False
        self._held = b""
        self._parsed_commit = False

    def feed(self, data: bytes) -> int | None:
        """How many of these bytes there are up to the end of the message that commits, or ``None``
        if none of them does."""
        before = len(self._held)
        self._held += data
        at = 0
        while (end := self._message_end(at)) is not None:
            message, at = self._held[at:end], end
            if self._commits(message):
                self._held = self._held[at:]
                return max(0, at - before)
        self._held = self._held[at:]
        return None

    def _message_end(self, at: int) -> int | None:
        head = at + (1 if self._started else 0)
        if len(self._held) < head + _LENGTH_BYTES:
            return None
        end = head + int.from_bytes(self._held[head : head + _LENGTH_BYTES])
        return end if end <= len(self._held) else None

    def _commits(self, message: bytes) -> bool:
        if not self._started:
            # Questions about encryption come before the start, and are as the start itself is.
            self._started = int.from_bytes(message[4:8]) not in (_SSL_REQUEST, _GSS_REQUEST)
            return False
        kind, body = message[:1], message[5:]
        if kind == b"Q":
            return _is_commit(body.split(b"\0")[0])
        if kind == b"P":
            self._parsed_commit = _is_commit(body.split(b"\0")[1])
        # What was parsed is done by the Sync that follows.
        if kind == b"S" and self._parsed_commit:
            self._parsed_commit = False
            return True
        return False


def _is_commit(query: bytes) -> bool:
    return query.strip(b" ;\n").upper() == b"COMMIT"
