"""Tasks end when they are told to, even where a library drops the cancellation."""

from __future__ import annotations

import asyncio
import contextlib

from ingest.log.cancellation import end


async def test_a_task_whose_library_drops_the_cancellation_ends() -> None:
    dropped = 0

    async def close_a_client() -> None:
        """As aiokafka's client: it means its own task's cancellation, and gets its caller's too."""
        nonlocal dropped
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        dropped += 1

    async def keep() -> None:
        await close_a_client()
        await asyncio.Event().wait()

    task = asyncio.create_task(keep())
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await end(task)
    assert dropped == 1
    assert task.cancelled()


async def test_what_a_task_failed_of_is_no_concern_of_who_ends_it() -> None:
    async def fail() -> None:
        raise RuntimeError

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await end(task)
    assert task.done()
