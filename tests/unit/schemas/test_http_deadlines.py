"""One sweep for the deadlines of all sockets."""

from __future__ import annotations

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.http.deadlines import NOT_FILED, TICKS_A_SECOND, Deadlines
from schemas.http.sweep import MOST_AT_ONCE, Sweep

TICK = 1 / TICKS_A_SECOND
SECONDS = st.floats(0, 100, allow_nan=False)


class Item:
    def __init__(self, wanted: float = 0.0) -> None:
        self.tick = NOT_FILED
        self.wanted = wanted


@given(st.lists(SECONDS, max_size=30), st.lists(SECONDS, max_size=10).map(sorted))
def test_nothing_is_due_before_its_time_nor_more_than_a_tick_after(
    times: list[float], asked: list[float]
) -> None:
    deadlines: Deadlines[Item] = Deadlines()
    waiting = {Item(at) for at in times}
    for item in waiting:
        deadlines.file(item, item.wanted)
    for now in [*asked, 101.0]:
        due = set(deadlines.due(now))
        assert all(item.wanted <= now and item.tick == NOT_FILED for item in due)
        waiting -= due
        assert all(item.wanted > now - TICK for item in waiting)
    assert not waiting
    assert deadlines.next_at is None


def test_an_earlier_deadline_counts_and_a_later_one_waits_to_be_asked() -> None:
    deadlines: Deadlines[Item] = Deadlines()
    item = Item()
    deadlines.file(item, 30)
    deadlines.file(item, 5)
    deadlines.file(item, 60)
    assert deadlines.due(4.9) == []
    assert deadlines.due(5 + TICK) == [item]
    assert deadlines.due(100) == []


def test_what_was_dropped_is_never_due() -> None:
    deadlines: Deadlines[Item] = Deadlines()
    item = Item()
    deadlines.file(item, 5)
    deadlines.drop(item)
    deadlines.drop(item)
    assert deadlines.due(10) == []


class Sleeper:
    def __init__(self, *, fails: bool = False, stays_open: bool = False) -> None:
        self.tick = NOT_FILED
        self.woken = asyncio.get_running_loop().create_future()
        self.closed = False
        self._fails = fails
        self._stays_open = stays_open

    def wake(self, now: float) -> None:
        self.woken.set_result(now)
        if self._fails:
            raise RuntimeError("a fault")

    def force_close(self) -> None:
        if self._stays_open:
            raise RuntimeError("another fault")
        self.closed = True


async def test_many_that_are_due_at_once_leave_others_their_turn() -> None:
    sweep, loop = Sweep(), asyncio.get_running_loop()
    sleepers = [Sleeper() for _ in range(3 * MOST_AT_ONCE)]
    for sleeper in sleepers:
        sweep.file(sleeper, loop.time())
    await asyncio.wait([each.woken for each in sleepers], return_when="FIRST_COMPLETED")
    woken = {sleeper.woken.done() for sleeper in sleepers}
    assert woken == {True, False}
    async with asyncio.timeout(60):
        await asyncio.gather(*(sleeper.woken for sleeper in sleepers))


async def test_one_that_fails_is_closed_and_the_others_are_woken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    sweep, loop = Sweep(), asyncio.get_running_loop()
    sleepers = [Sleeper(fails=number == 1) for number in range(3)]
    for number, sleeper in enumerate(sleepers):
        sweep.file(sleeper, loop.time() + 0.01 * number)
    async with asyncio.timeout(60):
        await asyncio.gather(*(sleeper.woken for sleeper in sleepers))
    await asyncio.sleep(0)
    assert [sleeper.closed for sleeper in sleepers] == [False, True, False]


async def test_after_one_that_cannot_even_be_closed_the_others_are_woken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    sweep, loop = Sweep(), asyncio.get_running_loop()
    faults: list[object] = []
    loop.set_exception_handler(lambda _, context: faults.append(str(context["exception"])))
    sleepers = [Sleeper(fails=not number, stays_open=True) for number in range(3)]
    for number, sleeper in enumerate(sleepers):
        sweep.file(sleeper, loop.time() + 0.3 * (number // 2))
    async with asyncio.timeout(60):
        await asyncio.gather(*(sleeper.woken for sleeper in sleepers))
    assert faults == ["another fault"]


async def test_an_earlier_deadline_than_the_timer_s_is_kept() -> None:
    sweep, loop = Sweep(), asyncio.get_running_loop()
    late, early = Sleeper(), Sleeper()
    sweep.file(late, loop.time() + 3600)
    sweep.file(early, loop.time() + 0.01)
    async with asyncio.timeout(60):
        await early.woken
    assert not late.woken.done()
    sweep.drop(late)
