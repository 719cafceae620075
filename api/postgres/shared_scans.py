"""Scans that everybody who asks the same within a second shares.

A question that no index answers reads everybody. A dashboard that many people look at asks the same
one again and again: it is read once in :data:`SHARED_SECONDS`, by the turn of the first who asked.
A reader who has no turn left, because of all else that they ask, keeps it from nobody: the others
ask for themselves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, Generic, TypeVar

from schemas.http.problems import ProblemError

T = TypeVar("T")

SHARED_SECONDS: Final = 1.0
#: Answers that are kept; another one puts the earliest out.
MAX_KEPT: Final = 32


class SharedScans(Generic[T]):
    """Gives the answer to a question, at most :data:`SHARED_SECONDS` old (counted from the start of
    the read). A failure goes to those who waited for it. ``clock`` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: How old an answer may be. Tests that write and ask at once make it 0.
        self.max_age_seconds = SHARED_SECONDS
        #: By question, from the earliest on: when its read began, and its answer.
        self._reads: dict[Hashable, tuple[float, asyncio.Task[T]]] = {}

    async def get(self, question: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        now = self._clock()
        begun = self._reads.get(question)
        is_ours = begun is None or not self._holds(begun, now)
        if begun is None or is_ours:
            self._forget(question, now)
            task = asyncio.ensure_future(_done(read))
            # All of those who wait may have left by the time it fails.
            task.add_done_callback(lambda flight: flight.cancelled() or flight.exception())
            begun = self._reads[question] = now, task
        # Shielded: a caller that leaves must not end the read that others wait for.
        try:
            return await asyncio.shield(begun[1])
        except ProblemError as problem:
            if is_ours or problem.code != "rate_limited":
                raise
        return await read()

    def _holds(self, begun: tuple[float, asyncio.Task[T]], now: float) -> bool:
        at, task = begun
        if not task.done():
            return True
        failed = task.cancelled() or task.exception() is not None
        return not failed and now - at < self.max_age_seconds

    def _forget(self, question: Hashable, now: float) -> None:
        self._reads.pop(question, None)
        for each, begun in list(self._reads.items()):
            if not self._holds(begun, now) or len(self._reads) >= MAX_KEPT:
                del self._reads[each]


async def _done(read: Callable[[], Awaitable[Any]]) -> Any:
    return await read()
