"""What the life of a socket is made of: its durations, its ends, and what it asks of its shell.

:class:`ingest.socket.session.Session` gives actions; ``ingest/socket/shell.py`` does them. PURE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from ingest.body.validate import Sent
from ingest.socket.frames import ErrorCode, FrameId
from schemas.log.events import ClientEvent, Renew

#: Close codes (design, section 4).
NORMAL: Final = 1000
BINARY: Final = 1003
RESTART: Final = 1012
NOT_AUTHENTICATED: Final = 4401
TOKEN_EXPIRED: Final = 4402
#: The user has opted out, or what was stored of them was erased (promise 8).
NOT_TRACKED: Final = 4403
LOST_OR_SLOW: Final = 4408
LOGGED_OUT: Final = 4409
TOO_MANY: Final = 4429
#: Of the reader below us: no WebSocket, not UTF-8, too long.
READER_CODES: Final = (1002, 1007, 1009)
CLOSE_CODES: Final = (
    *(NORMAL, BINARY, RESTART, *READER_CODES),
    *(NOT_AUTHENTICATED, TOKEN_EXPIRED, NOT_TRACKED, LOST_OR_SLOW, LOGGED_OUT, TOO_MANY),
)


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """Durations in seconds. ``max_silent_foreground_seconds`` may be 0: without bound."""

    heartbeat_interval_seconds: float
    offline_after_seconds: float
    auth_timeout_seconds: float = 5.0
    first_frame_seconds: float = 2.0
    ping_interval_seconds: float = 30.0
    ping_timeout_seconds: float = 30.0
    max_silent_foreground_seconds: float = 0.0
    messages_per_second: int = 250


@dataclass(frozen=True, slots=True)
class Send:
    """Send a text frame; ``error`` is its code if it is an ``error`` frame."""

    text: str
    error: ErrorCode | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """Send a ping."""


@dataclass(frozen=True, slots=True)
class Pong:
    """Answer a ping."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Verify:
    """Verify a token, then call :meth:`Session.verified` or :meth:`Session.refused`."""

    token: str


@dataclass(frozen=True, slots=True)
class Write:
    """Write an event, then call :meth:`Session.written` or :meth:`Session.not_written`.

    ``sent`` is what the frame said that it stands for, ``None`` if it stands for none.
    """

    event: ClientEvent
    frame_id: FrameId = None
    sent: Sent | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket. ``reason`` is short ASCII."""

    code: int
    reason: str


class Idle(NamedTuple):
    """What is due of a socket that only lives on: a ping, and a renewal whose fate changes nothing
    for it."""

    ping: bool
    renewal: Renew | None


Action: TypeAlias = Send | Ping | Pong | Verify | Write | Close
