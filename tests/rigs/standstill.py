"""Tests of deadlines of less than a second, on machines that stand still for longer at times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final

#: A loop that had no turn for longer proves nothing about a deadline.
MOST_SECONDS: Final = 0.1
TRIES: Final = 8
_LOOK_SECONDS: Final = 0.01


class _Watch:
    """The longest that the running loop had no turn."""

    def __init__(self) -> None:
        self.longest_seconds = 0.0
        self._task = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(_LOOK_SECONDS)
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - before)

    def end(self) -> float:
        self._task.cancel()
        return self.longest_seconds


def tried_again(test: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """A test as such a scenario."""

    @wraps(test)
    async def again() -> None:
        await without_standstill(test)

    return again


async def without_standstill(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario whose clients share the loop of the server. If it fails, and the loop stood
    still meanwhile, it is run again: what is wrong by design is wrong without that, too."""
    for left in reversed(range(TRIES)):
        watch = _Watch()
        try:
            await scenario()
        except (AssertionError, EOFError, OSError):
            if watch.end() < MOST_SECONDS or not left:
                raise
        else:
            watch.end()
            return
