"""One timer for many connections: wakes those whose deadline has come."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final, Protocol

from schemas.http.deadlines import Deadlines

#: Woken in one turn of the event loop, so that others get theirs: some milliseconds.
MOST_AT_ONCE: Final = 500
#: A process that stood still for longer reads what came meanwhile before it calls anybody lost.
LATE_SECONDS: Final = 0.1
_UNTIL_READ_SECONDS: Final = 0.002

logger = logging.getLogger(__name__)


class Woken(Protocol):
    """A connection, to the sweep."""

    tick: int

    def wake(self, now: float) -> None:
        """The time that it was filed under has come, and it is not filed any more."""

    def force_close(self) -> None: ...


class Sweep:
    """On the event loop that runs when the first one is filed."""

    def __init__(self) -> None:
        self._deadlines: Deadlines[Woken] = Deadlines()
        self._woken: deque[Woken] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._has_read = False

    def file(self, connection: Woken, at: float) -> None:
        """Wake ``connection`` at ``at``, in seconds of the event loop's clock, or before."""
        self._deadlines.file(connection, at)
        if at < self._timer_at:
            self._set_timer()

    def drop(self, connection: Woken) -> None:
        self._deadlines.drop(connection)

    def _set_timer(self) -> None:
        at = self._deadlines.next_at
        if at is None or at >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_at(at, self._run)

    def _run(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now - self._timer_at > LATE_SECONDS and not self._has_read:
            self._has_read = True
            self._timer = loop.call_later(_UNTIL_READ_SECONDS, self._run)
            return
        self._has_read = False
        self._timer, self._timer_at = None, float("inf")
        self._woken += self._deadlines.due(now)
        try:
            for _ in range(min(MOST_AT_ONCE, len(self._woken))):
                self._wake(self._woken.popleft(), now)
        finally:
            if self._woken:
                self._timer_at = now
                self._timer = loop.call_later(0, self._run)
            else:
                self._set_timer()

    def _wake(self, connection: Woken, now: float) -> None:
        try:
            connection.wake(now)
        except Exception:  # the others are due too
            logger.exception("A connection could not be woken")
            connection.force_close()
