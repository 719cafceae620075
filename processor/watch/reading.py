"""Is this processor given the records of its partitions? PURE.

Ingest writes a tick wherever it has written nothing for a second, so a partition never stands
still for long. One that does means that ingest is away, or that this process is alive and reads
nothing: its consumer fetches no more, and the lag that is taken from the last fetch stays 0. Who is
told that a partition is silent asks Kafka where its log ends, once for each ``SILENT_SECONDS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SILENT_SECONDS: Final = 15.0


class Reading:
    """Asked every few seconds with ``now``, in monotonic seconds."""

    def __init__(self, silent_seconds: float = SILENT_SECONDS) -> None:
        self._silent_seconds = silent_seconds
        #: By partition: where it goes on, and since when.
        self._seen: dict[int, tuple[int, float]] = {}

    def begin_again(self) -> None:
        """What stands still now does so for a reason that is known."""
        self._seen.clear()

    def silent(self, now: float, positions: Mapping[int, int]) -> dict[int, int]:
        """Of ``positions``, the next offset by partition, those that have not moved for
        ``silent_seconds``, nor been told for as long."""
        told = {}
        seen = {}
        for partition, position in positions.items():
            before, since = self._seen.get(partition, (position, now))
            if position != before:
                since = now
            elif now - since >= self._silent_seconds:
                told[partition] = position
                since = now
            seen[partition] = position, since
        self._seen = seen
        return told
