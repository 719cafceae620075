"""Users who came and went in the last minute, from what each read found. PURE.

Reads cover log time without a gap or an overlap, from one ``as_of`` to the next. A read that found
more changes than it counts has counted the latest of them, and its counts are scaled to all of its
time: then the minute is an estimate, and says so.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from api.feed.answers import FeedMovement

MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Movement:
    """After ``after`` up to ``through``. ``counted_from`` is the first change that was counted, if
    there were too many."""

    after: datetime
    through: datetime
    arrivals: int
    departures: int
    counted_from: datetime | None = None

    @property
    def scale(self) -> float:
        if self.counted_from is None or self.counted_from >= self.through:
            return 1.0
        return (self.through - self.after) / (self.through - self.counted_from)


class Minute:
    """The reads of the last minute."""

    def __init__(self) -> None:
        self._reads: deque[Movement] = deque()

    def add(self, read: Movement) -> None:
        self._reads.append(read)
        # A read is of about a second: the oldest counts as long as half of it is in the minute.
        while self._middle(self._reads[0]) <= read.through - MINUTE:
            self._reads.popleft()

    def clear(self) -> None:
        self._reads.clear()

    def told(self) -> FeedMovement | None:
        """``None`` before the first read. ``seconds`` is what is counted so far, a minute at
        most."""
        if not self._reads:
            return None
        seconds = (self._reads[-1].through - self._reads[0].after).total_seconds()
        return FeedMovement(
            seconds=min(round(seconds), 60),
            arrivals=round(sum(read.arrivals * read.scale for read in self._reads)),
            departures=round(sum(read.departures * read.scale for read in self._reads)),
            estimated=any(read.counted_from is not None for read in self._reads),
        )

    @staticmethod
    def _middle(read: Movement) -> datetime:
        return read.after + (read.through - read.after) / 2
