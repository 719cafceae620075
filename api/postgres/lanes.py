"""Work of which few run at a time, and never all of it for one reader.

A lane has so many places. One reader has all of them but one at most, where there is more than one:
one that asks for a hundred at once waits for itself, not others for it. A call that has waited too
long is refused: 429 where its reader is beyond their share, else 503, as the lane is full.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.tokens.identity import Identity


class LaneFullError(Exception):
    """No place became free in time; the message is a sentence for the caller. ``retry_seconds``
    is how long they waited for their own work, ``None`` if it was for that of others."""

    def __init__(self, sentence: str, retry_seconds: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_seconds = retry_seconds


class Lane:
    """``places`` run at a time; ``what`` names them in the plural. Nobody waits for more than
    ``wait_seconds``."""

    def __init__(self, places: int, wait_seconds: float, what: str) -> None:
        self._places = asyncio.Semaphore(places)
        self._share = max(1, places - 1)
        self._wait_seconds = wait_seconds
        self._what = what
        self._shares: dict[tuple[str, str], asyncio.Semaphore] = {}
        self._asking: dict[tuple[str, str], int] = {}

    @asynccontextmanager
    async def place(self, reader: Identity) -> AsyncIterator[None]:
        """Raises :class:`LaneFullError`."""
        who = (reader.kind, reader.user)
        self._asking[who] = self._asking.get(who, 0) + 1
        share = self._shares.setdefault(who, asyncio.Semaphore(self._share))
        own = LaneFullError(f"You have too many {self._what} running.", self._wait_seconds)
        full = LaneFullError(f"Too many {self._what} are running.")
        try:
            deadline = asyncio.get_running_loop().time() + self._wait_seconds
            async with _taken(share, deadline, own), _taken(self._places, deadline, full):
                yield
        finally:
            self._asking[who] -= 1
            if not self._asking[who]:
                del self._asking[who], self._shares[who]


@asynccontextmanager
async def _taken(
    places: asyncio.Semaphore, deadline: float, refusal: LaneFullError
) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline):
            await places.acquire()
    except TimeoutError:
        raise refusal from None
    try:
        yield
    finally:
        places.release()
