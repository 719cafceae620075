"""Turns at something scarce, shared fairly between those who wait.

1. At most ``limit`` have a turn at once, and at most a quarter of them for one key.
2. Who waits is served in turn by key: a key with a thousand who wait delays another key's first by
   one turn, not by a thousand.
3. So many may wait as ``max_waiting`` says, a quarter of them for one key; one more is refused.

A key of ``None`` is nobody's: it has no share of its own to keep to.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

#: Of all turns, for one key.
SHARE: Final = 4


class NoTurnError(RuntimeError):
    """Too many wait."""


class FairTurns:
    """``limit`` turns at once; ``max_waiting`` that wait."""

    def __init__(self, limit: int, max_waiting: int) -> None:
        self._limit = limit
        self._max_waiting = max_waiting
        self._running: Counter[str | None] = Counter()
        self._total = 0
        #: In the order in which keys are served next.
        self._waiting: OrderedDict[str | None, deque[asyncio.Future[None]]] = OrderedDict()
        self._total_waiting = 0

    @asynccontextmanager
    async def turn(self, key: str | None) -> AsyncIterator[None]:
        """Wait for a turn of ``key``, and give it back. Raises :class:`NoTurnError`."""
        if self._total < self._limit and self._may_run(key):
            self._start(key)
        else:
            await self._wait(key)
        try:
            yield
        finally:
            self._end(key)

    async def _wait(self, key: str | None) -> None:
        queue = self._waiting.get(key)
        most = self._max_waiting if key is None else max(1, self._max_waiting // SHARE)
        if self._total_waiting >= self._max_waiting or (queue is not None and len(queue) >= most):
            raise NoTurnError
        if queue is None:
            queue = self._waiting[key] = deque()
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._total_waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._end(key)  # it had just been given
            elif turn in queue:  # nobody has passed over it yet
                self._total_waiting -= 1
                queue.remove(turn)
                if not queue and self._waiting.get(key) is queue:
                    del self._waiting[key]
            raise

    def _may_run(self, key: str | None) -> bool:
        return key is None or self._running[key] < max(1, self._limit // SHARE)

    def _start(self, key: str | None) -> None:
        self._running[key] += 1
        self._total += 1

    def _end(self, key: str | None) -> None:
        self._total -= 1
        self._running[key] -= 1
        if not self._running[key]:
            del self._running[key]
        while self._total < self._limit and self._serve_next():
            pass

    def _serve_next(self) -> bool:
        """Give a turn to the first key that may have one; it is the last from then on. Passes over
        one who has given up in this moment and has not heard of it. ``False``: nobody may."""
        key = next((each for each in self._waiting if self._may_run(each)), _NO_KEY)
        if isinstance(key, _NoKey):
            return False
        queue = self._waiting[key]
        turn = queue.popleft()
        self._total_waiting -= 1
        if not queue:
            del self._waiting[key]
        if not turn.cancelled():
            if queue:
                self._waiting.move_to_end(key)
            self._start(key)
            turn.set_result(None)
        return True


class _NoKey:
    pass


_NO_KEY: Final = _NoKey()
