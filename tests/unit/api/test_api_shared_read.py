"""Many who ask at once cost one read."""

from __future__ import annotations

import asyncio
import gc

import pytest

from api.postgres.shared_read import SharedRead


class Source:
    """Counts reads; each waits until it is let go."""

    def __init__(self, times: float = 1.0) -> None:
        self.now = 0.0
        self.reads = 0
        self.go = asyncio.Event()
        self.error: Exception | None = None
        self.shared = SharedRead(self._read, 1.0, lambda: self.now, times=times)

    async def _read(self) -> int:
        self.reads += 1
        number = self.reads
        await self.go.wait()
        if self.error:
            raise self.error
        return number


async def test_who_asks_while_a_read_is_under_way_waits_for_it() -> None:
    source = Source()
    askers = [asyncio.create_task(source.shared.get()) for _ in range(100)]
    await asyncio.sleep(0)
    source.go.set()
    assert await asyncio.gather(*askers) == [1] * 100


async def test_a_value_is_kept_for_its_age_counted_from_the_start_of_its_read() -> None:
    source = Source()
    asker = asyncio.create_task(source.shared.get())
    while source.reads == 0:
        await asyncio.sleep(0)
    source.now = 0.6  # the read took this long
    source.go.set()
    assert await asker == 1
    source.now = 0.9
    assert await source.shared.get() == 1
    source.now = 1.0
    assert await source.shared.get() == 2


async def test_what_takes_long_is_kept_for_as_many_times_as_long() -> None:
    source = Source(times=10)
    for begins, took in ((0.0, 0.5), (5.0, 0.05)):
        source.now = begins
        asker = asyncio.create_task(source.shared.get())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        source.now += took
        source.go.set()
        number = await asker
        source.go.clear()
        source.now = begins + max(1.0, 10 * took) - 0.01
        assert await source.shared.get() == number


async def test_a_failure_goes_to_who_waited_and_is_not_kept() -> None:
    source = Source()
    source.error = ValueError("away")
    askers = [asyncio.create_task(source.shared.get()) for _ in range(3)]
    await asyncio.sleep(0)
    source.go.set()
    results = await asyncio.gather(*askers, return_exceptions=True)
    assert results == [source.error] * 3
    source.error = None
    assert await source.shared.get() == 2


async def test_who_leaves_does_not_end_the_read_of_the_others() -> None:
    source = Source()
    leaver = asyncio.create_task(source.shared.get())
    stayer = asyncio.create_task(source.shared.get())
    await asyncio.sleep(0)
    leaver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaver
    source.go.set()
    assert await stayer == 1


async def test_a_failure_that_nobody_waits_for_any_more_is_no_complaint() -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, told: complaints.append(told))
    released = asyncio.Event()

    async def fail() -> int:
        await released.wait()
        raise ValueError("nobody waits")

    shared = SharedRead(fail, 1.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await shared.get()
    released.set()
    await asyncio.sleep(0)
    del shared
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
