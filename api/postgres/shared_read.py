"""One read for everybody who asks at the same time: what keeps a stampede from the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedRead(Generic[T]):
    """Gives the result of ``read``, at most ``max_age_seconds`` old (counted from the start of the
    read), and never has more than one read in flight. What takes ``times`` its own time is kept for
    that long: so reads fill one part in ``times`` of the database's time at most. A failure goes to
    those who waited for it and is not remembered. ``clock`` is monotonic seconds."""

    def __init__(
        self,
        read: Callable[[], Awaitable[T]],
        max_age_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        times: float = 1.0,
    ) -> None:
        self._read = read
        self._max_age_seconds = max_age_seconds
        self._times = times
        self._clock = clock
        #: Until when it is kept.
        self._kept: tuple[float, T] | None = None
        self._flight: asyncio.Task[T] | None = None

    async def get(self) -> T:
        if self._kept is not None and self._clock() < self._kept[0]:
            return self._kept[1]
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._fly(), name="shared-read")
            # All of those who wait may have left by the time it fails.
            self._flight.add_done_callback(lambda flight: flight.cancelled() or flight.exception())
        # Shielded: a caller that leaves must not end the read that others wait for.
        return await asyncio.shield(self._flight)

    def forget(self) -> None:
        """What was read is not what is there any more: whoever asks next reads anew."""
        self._kept = None
        self._flight = None

    async def _fly(self) -> T:
        started = self._clock()
        value = await self._read()
        if self._flight is asyncio.current_task():  # not forgotten meanwhile
            took = self._clock() - started
            self._kept = started + max(self._max_age_seconds, took * self._times), value
        return value
