"""The token that counts on a socket, and how long it does (rule 1 of ``session``). PURE."""

from __future__ import annotations

from typing import Final

from ingest.socket import frames
from ingest.socket.actions import Send
from schemas.tokens.identity import Identity

WARNING_SECONDS: Final = 60.0
_NEVER: Final = float("inf")


class SocketToken:
    """``identity`` is ``None`` until a token counts."""

    __slots__ = ("_expires_at", "_warn_at", "deadline", "identity")

    def __init__(self) -> None:
        self.identity: Identity | None = None
        self._expires_at = _NEVER
        self._warn_at = _NEVER
        #: When the client is to be warned, or the socket closed.
        self.deadline = _NEVER

    def use(self, identity: Identity, valid_until: float, now: float) -> None:
        """This one counts from now on."""
        self.identity = identity
        self._expires_at = valid_until
        self._warn_at = max(now, valid_until - WARNING_SECONDS)
        self.deadline = min(self._warn_at, valid_until)

    def expired(self, now: float) -> bool:
        return now >= self._expires_at

    def warnings(self, now: float) -> list[Send]:
        """What the client is told as the end comes near, once."""
        if now < self._warn_at:
            return []
        self._warn_at = _NEVER
        self.deadline = self._expires_at
        return [Send(frames.token_expiring(round(self._expires_at - now)))]
