"""Whose sockets have a place in this process, and who makes room for a newer one.

Of a user who has too many sockets the newest wins over one that is gone: of the same device the one
that was silent for longest goes, of others one that leaves a ping unanswered for
:data:`PROBE_SECONDS`. Only where all are there the new one is refused (4429).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from ingest.limits import ConnectionLimits
from ingest.session_actions import LOST_OR_SLOW

if TYPE_CHECKING:
    from ingest.socket_shell import Socket

#: How long the most silent socket of a user may take to show that it is there.
PROBE_SECONDS: Final = 1.0


class SocketPlaces:
    """The sockets that are counted, by user."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._of_user: dict[str, set[Socket]] = {}
        self._endings: set[asyncio.Task[None]] = set()

    async def take(self, socket: Socket, user: str, device: str | None) -> bool:
        """Count ``socket`` as one of ``user``, whose ``device`` it names if it does. ``False``:
        there are too many, all of which are there."""
        limits = self._limits
        if not limits.open(user):
            gone = None if limits.full else await self._gone(user, device)
            if gone is None:
                return False
            self.free(gone)
            task = asyncio.create_task(
                gone.end(lambda: gone.session.close(LOST_OR_SLOW, "replaced"))
            )
            self._endings.add(task)
            task.add_done_callback(self._endings.discard)
            if not limits.open(user):
                return False
        socket.counted_user = user
        self._of_user.setdefault(user, set()).add(socket)
        return True

    def free(self, socket: Socket) -> None:
        """Let somebody else have its place."""
        user, socket.counted_user = socket.counted_user, None
        if user is None:
            return
        self._limits.close(user)
        sockets = self._of_user[user]
        sockets.discard(socket)
        if not sockets:
            del self._of_user[user]

    async def _gone(self, user: str, device: str | None) -> Socket | None:
        """The socket of ``user`` whose place a new one may have."""
        by_silence = sorted(self._of_user.get(user, ()), key=lambda socket: socket.session.heard_at)
        if device is not None:
            for socket in by_silence:
                if socket.session.device_name == device:
                    return socket
        for socket in by_silence:
            if not socket.probed:
                answers = await socket.answers(PROBE_SECONDS)
                return None if answers or socket.counted_user is None else socket
        return None
