"""Work that a service does only until it is told to stop."""

from __future__ import annotations

import asyncio

import pytest

from schemas.service.shutdown import Stop


async def test_work_that_is_done_first_gives_what_it_gives() -> None:
    async def work() -> int:
        return 1

    assert await Stop().unless(work()) == 1


async def test_work_is_cancelled_once_the_service_is_told_to_stop() -> None:
    stop, began, ended = Stop(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    waiting = asyncio.create_task(stop.unless(work()))
    await began.wait()
    stop.set()
    await waiting
    assert ended.is_set()


async def test_work_that_fails_raises_its_error() -> None:
    async def work() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Stop().unless(work())
