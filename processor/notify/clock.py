"""Up to which log time all changes of a partition are on the topic. PURE but for waiting.

``presence.changes`` has no ticks: that time passed is in ``stream_offsets`` alone. What is due at a
log time that was read there is decided once every change of the records below the ``next_offset``
of that same reading was taken. They are all on the topic once ``published_through`` of a later
reading has come to that offset; then they are below the end of the topic that is asked for after
it. So a timer is told a second or two after the log time at which it is due.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from processor.notify.stays import Outages

#: More than batches between a change and its being published.
MOST_READINGS: Final = 64


@dataclass(frozen=True, slots=True)
class Reading:
    """A row of ``stream_offsets``. ``outages``: from and until, Unix milliseconds."""

    partition: int
    next_offset: int
    published_through: int
    log_ms: int
    grace_ms: int
    outages: Sequence[tuple[int, int | None]]


@dataclass(frozen=True, slots=True)
class Told:
    """Changes of records below ``next_offset`` are below ``end_offset`` of the topic; log time was
    ``log_ms`` after them. Outages are known of records below ``known_offset``."""

    log_ms: int
    next_offset: int
    end_offset: int
    known_offset: int
    outages: Outages


class Clock:
    """Of one partition."""

    def __init__(self) -> None:
        self._readings: deque[Reading] = deque(maxlen=MOST_READINGS)
        self._ticked = asyncio.Event()
        self.told: Told | None = None

    def read(self, reading: Reading, end_offset: int) -> None:
        """``end_offset`` was asked for after the reading."""
        if not self._readings or reading.next_offset != self._readings[-1].next_offset:
            self._readings.append(reading)
        while len(self._readings) > 1 and (
            self._readings[1].next_offset <= reading.published_through
        ):
            self._readings.popleft()
        first = self._readings[0]
        if first.next_offset <= reading.published_through:
            outages = Outages(reading.outages, reading.grace_ms)
            self.told = Told(
                *(first.log_ms, first.next_offset, end_offset, reading.next_offset, outages)
            )
        # Whoever waits has the old event.
        ticked, self._ticked = self._ticked, asyncio.Event()
        ticked.set()

    async def tick(self) -> None:
        """Until the next reading."""
        await self._ticked.wait()
