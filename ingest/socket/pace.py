"""How fast the messages of one socket are read. PURE.

Reading costs CPU whatever a message says: a client that sends pings as fast as it can would take
the turns of all others. So reading pauses; the rest waits in bounded buffers, and the
client's own system holds it back. ``now`` is in seconds of one clock.
"""

from __future__ import annotations

from typing import Final

_SECOND: Final = 1.0


class Pace:
    """So many messages in each second, all at once if they come so."""

    __slots__ = ("_begun", "_per_second", "_read")

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._begun = float("-inf")
        self._read = 0

    def wait_seconds(self, now: float) -> float:
        """A message is there: how long to wait before it is looked at; mostly 0.0."""
        if now - self._begun >= _SECOND:
            self._begun, self._read = now, 0
        self._read += 1
        return self._begun + _SECOND - now if self._read > self._per_second else 0.0
