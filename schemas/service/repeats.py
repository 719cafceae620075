"""Which lines of a log are repeats that nobody needs. Standard library alone.

Something that goes wrong goes wrong for every call. Of one event (same logger, level and text
before its arguments are put in) the first few lines of a minute are written; how many more there
were is one line, once the minute is over.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, TypeAlias

PER_MINUTE: Final = 20
MINUTE_SECONDS: Final = 60.0
#: Events that are remembered; the one seen longest ago gives way.
MOST_EVENTS: Final = 1000
#: Texts that are put together before they are logged would differ without end.
KEY_CHARACTERS: Final = 120

Key: TypeAlias = tuple[str, int, str]


@dataclass(slots=True)
class _Event:
    began: float
    seen: int = 0


class Repeats:
    """``now`` is monotonic seconds, in every call."""

    def __init__(self, per_minute: int = PER_MINUTE, most_events: int = MOST_EVENTS) -> None:
        self._per_minute = per_minute
        self._most_events = most_events
        # From the one whose minute began first.
        self._events: OrderedDict[Key, _Event] = OrderedDict()

    def admits(self, record: logging.LogRecord, now: float) -> bool:
        """Is this line to be written? What is critical always is."""
        if record.levelno >= logging.CRITICAL:
            return True
        key = (record.name, record.levelno, str(record.msg)[:KEY_CHARACTERS])
        event = self._events.get(key)
        if event is None:
            event = self._events[key] = _Event(now)
        event.seen += 1
        return event.seen <= self._per_minute

    def over(self, now: float) -> list[tuple[Key, int]]:
        """Events whose minute is over, and how many of their lines were not written, if any."""
        told = []
        while self._events:
            key, event = next(iter(self._events.items()))
            if now - event.began < MINUTE_SECONDS and len(self._events) <= self._most_events:
                break
            del self._events[key]
            if event.seen > self._per_minute:
                told.append((key, event.seen - self._per_minute))
        return told
