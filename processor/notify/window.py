"""The latest changes of a partition, for all webhooks that are not behind. PURE but for waiting.

Who is further behind than the window reaches reads Kafka again (``records.py``), and nobody waits
for them.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from processor.notify.messages import Record

MAX_RECORDS: Final = 4_000
MAX_BYTES: Final = 2_000_000
#: Of one read.
PAGE: Final = 500


class Window:
    """Every record from ``start`` to ``end``, which are offsets; ``end`` is not in it."""

    def __init__(self, next_offset: int) -> None:
        self.start = self.end = next_offset
        self._records: list[Record] = []
        self._bytes = 0
        self._grown = asyncio.Event()

    def append(self, records: Sequence[Record], next_offset: int) -> None:
        """What came, in order; ``next_offset`` may be beyond the last of them."""
        self._records.extend(records)
        self._bytes += sum(len(record.value) for record in records)
        self.end = next_offset
        self._trim()
        # Whoever waits has the old event.
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    def page(self, offset: int) -> tuple[Sequence[Record], int]:
        """The next records from ``offset``, which is not before the start, and the offset after."""
        first = bisect_left(self._records, offset, key=lambda record: record.offset)
        found = self._records[first : first + PAGE]
        if first + PAGE >= len(self._records):
            return found, max(offset, self.end)
        return found, found[-1].offset + 1

    async def wait_beyond(self, offset: int) -> None:
        """Until there may be a record at ``offset`` or later."""
        while self.end <= offset:
            await self._grown.wait()

    def _trim(self) -> None:
        """By half, so that it is not done for each record."""
        if len(self._records) <= MAX_RECORDS and self._bytes <= MAX_BYTES:
            return
        keep, kept_bytes = 0, 0
        for record in reversed(self._records):
            if keep >= MAX_RECORDS // 2 or kept_bytes + len(record.value) > MAX_BYTES // 2:
                break
            keep += 1
            kept_bytes += len(record.value)
        self._records = self._records[len(self._records) - keep :]
        self._bytes = kept_bytes
        self.start = self._records[0].offset if self._records else self.end
