"""At most so many calls a second, evenly. PURE but for waiting."""

from __future__ import annotations

import asyncio
import time


class Pace:
    """Whoever asks for a turn waits for it; turns are given in order."""

    def __init__(self, calls_per_second: float) -> None:
        self._seconds = 1 / calls_per_second
        self._next_at = 0.0

    def take(self, now: float) -> float:
        """Seconds until the turn that is taken. ``now``: monotonic seconds."""
        at = max(now, self._next_at)
        self._next_at = at + self._seconds
        return at - now

    async def turn(self) -> None:
        await asyncio.sleep(self.take(time.monotonic()))
