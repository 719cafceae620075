"""Ending the tasks of a process."""

from __future__ import annotations

import asyncio
from typing import Any, Final

# A task gets this long to tidy up before it is cancelled again.
_AGAIN_SECONDS: Final = 2.0


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended; its exception, if it had one, is dropped.

    Once is not enough where aiokafka is awaited. While its client closes, it drops a cancellation
    that was meant for the task that closes it. That task would go on for ever.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_AGAIN_SECONDS)
    await asyncio.gather(task, return_exceptions=True)
