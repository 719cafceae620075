"""Who asks the same within a second shares a scan."""

from __future__ import annotations

import asyncio

import pytest

from api.postgres.shared_scans import MAX_KEPT, SharedScans
from schemas.http.problems import ProblemError, rate_limited


class Scan:
    """Counts how often it is done; waits until it may go on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.done = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.scans = SharedScans[int](lambda: self.now)

    async def read(self) -> int:
        await self.may_end.wait()
        self.done += 1
        return self.done

    async def ask(self, question: str = "all") -> int:
        return await self.scans.get(question, self.read)


async def test_within_a_second_it_is_read_once() -> None:
    scan = Scan()
    assert await scan.ask() == 1
    scan.now = 0.9
    assert await scan.ask() == 1
    scan.now = 1.1
    assert await scan.ask() == 2


async def test_those_who_ask_while_it_is_read_wait_for_it_however_long_that_takes() -> None:
    scan = Scan()
    scan.may_end.clear()
    asked = [asyncio.create_task(scan.ask())]
    await asyncio.sleep(0)
    scan.now = 5.0
    asked.append(asyncio.create_task(scan.ask()))
    await asyncio.sleep(0)
    asked[0].cancel()  # who leaves ends it for nobody
    scan.may_end.set()
    assert await asked[1] == 1


async def test_another_question_has_an_answer_of_its_own() -> None:
    scan = Scan()
    assert [await scan.ask("a"), await scan.ask("b"), await scan.ask("a")] == [1, 2, 1]


async def test_a_failure_is_not_remembered() -> None:
    scan = Scan()

    async def fails() -> int:
        raise RuntimeError("away")

    with pytest.raises(RuntimeError):
        await scan.scans.get("all", fails)
    assert await scan.ask() == 1


async def test_few_answers_are_kept() -> None:
    scan = Scan()
    for question in range(2 * MAX_KEPT):
        await scan.ask(str(question))
    assert len(scan.scans._reads) <= MAX_KEPT


async def test_whoever_asks_for_too_much_fails_for_nobody_else() -> None:
    scan = Scan()
    greedy_may_end = asyncio.Event()

    async def refused() -> int:
        await greedy_may_end.wait()
        raise rate_limited("You have too many of these queries running.", 1)

    greedy = asyncio.create_task(scan.scans.get("all", refused))
    await asyncio.sleep(0)
    others = [asyncio.create_task(scan.ask()) for _ in range(2)]
    await asyncio.sleep(0)
    greedy_may_end.set()
    assert sorted(await asyncio.gather(*others)) == [1, 2]
    with pytest.raises(ProblemError, match="too many"):
        await greedy
