"""Issue 15, line 5: what is limited is new and failing, and nobody else pays for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from schemas.http.problems import ProblemError
from schemas.http.token_bucket import BucketPolicy
from schemas.tokens.door import REMEMBERED_SECONDS, TokenDoor
from schemas.tokens.fair_turns import FairTurns, NoTurnError
from schemas.tokens.identity import Caller, Identity, TokenRefusedError

ANN = Identity("ann", "t", None, None, frozenset(), None)
BURST = 5


@dataclass
class Rig:
    """A door whose verifier accepts ``good`` and refuses any other token with ``code``."""

    code: str = "token_expired"
    now: float = 0.0
    key_set: int = 1
    asked: list[str] = field(default_factory=list)
    limited: int = 0

    def __post_init__(self) -> None:
        self.door = TokenDoor(
            BucketPolicy(1.0, BURST),
            key_set=lambda: self.key_set,
            limited=self._count,
            clock=lambda: self.now,
        )

    def _count(self) -> None:
        self.limited += 1

    async def says(self, token: str, address: str = "a", purpose: str = "") -> str:
        async def verify(caller: Caller) -> Identity:
            self.asked.append(token)
            if token.startswith("good"):
                return ANN
            raise TokenRefusedError(self.code, "No.")

        try:
            await self.door.admit(token, address, verify, purpose=purpose)
        except ProblemError as problem:
            return problem.code
        return "ok"


@pytest.mark.parametrize(
    "code",
    [
        *("token_expired", "token_revoked", "token_invalid", "bad_signature"),
        *("wrong_audience", "wrong_issuer"),
    ],
)
async def test_a_refusal_is_remembered_for_a_minute_and_counts_once(code: str) -> None:
    rig = Rig(code)
    assert [await rig.says("old") for _ in range(50)] == [code] * 50
    rig.now += REMEMBERED_SECONDS - 1
    assert await rig.says("old") == code
    assert rig.asked == ["old"]
    rig.now += 2
    await rig.says("old")
    assert rig.asked == ["old", "old"]


@pytest.mark.parametrize("code", ["unknown_key", "token_not_yet_valid"])
async def test_what_may_mend_is_never_remembered(code: str) -> None:
    rig = Rig(code)
    assert [await rig.says("t") for _ in range(2)] == [code, code]
    assert rig.asked == ["t", "t"]


async def test_a_bad_signature_is_forgotten_with_its_key_set() -> None:
    rig = Rig("bad_signature")
    await rig.says("t")
    rig.key_set += 1
    await rig.says("t")
    assert rig.asked == ["t", "t"]


async def test_a_refusal_for_one_purpose_is_none_for_another() -> None:
    rig = Rig()
    await rig.says("t")
    await rig.says("t", purpose="logout")
    assert rig.asked == ["t", "t"]


async def test_fresh_tokens_pass_beside_any_number_that_fail() -> None:
    rig = Rig()
    for number in range(600):
        await rig.says(f"bad-{number}")
        if number % 6 == 0:
            assert await rig.says(f"good-{number}") == "ok"
    assert await rig.says("bad-new") == "rate_limited"
    assert rig.limited == 601 - BURST
    assert await rig.says("bad-new", address="b") == "token_expired"


async def test_the_caller_of_a_question_is_told_to_wait() -> None:
    rig = Rig()
    waits: list[float] = []

    async def verify(caller: Caller) -> Identity:
        waits.append(caller.wait_seconds())
        raise TokenRefusedError("token_revoked", "No.")

    for number in range(BURST + 1):
        with pytest.raises(ProblemError):
            await rig.door.admit(f"t-{number}", "a", verify)
    assert waits == [0.0] * BURST + [1.0]


async def test_one_key_has_a_quarter_of_the_turns() -> None:
    turns = FairTurns(8, 100)
    running: list[str] = []
    release = asyncio.Event()

    async def work(key: str) -> None:
        async with turns.turn(key):
            running.append(key)
            await release.wait()

    tasks = [asyncio.create_task(work("flood")) for _ in range(20)]
    tasks += [asyncio.create_task(work(f"phone-{n}")) for n in range(5)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert sorted(running) == ["flood", "flood", *(f"phone-{n}" for n in range(5))]
    release.set()
    await asyncio.gather(*tasks)
    assert running.count("flood") == 20


async def test_who_waits_is_served_by_turns() -> None:
    turns = FairTurns(1, 100)
    served: list[str] = []

    async def work(key: str) -> None:
        async with turns.turn(key):
            served.append(key)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(key) for key in ["a"] * 6 + ["b", "c"]))
    assert served == ["a", "a", "b", "c", "a", "a", "a", "a"]


async def test_so_many_may_wait_a_quarter_of_them_for_one_key() -> None:
    turns = FairTurns(1, 8)
    release = asyncio.Event()

    async def work(key: str | None) -> None:
        async with turns.turn(key):
            await release.wait()

    tasks = [asyncio.create_task(work("a")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(NoTurnError):
        await work("a")
    tasks += [asyncio.create_task(work(None)) for _ in range(6)]
    await asyncio.sleep(0)
    with pytest.raises(NoTurnError):
        await work("b")
    release.set()
    await asyncio.gather(*tasks)


async def test_many_who_give_up_in_one_moment_take_no_turn_with_them() -> None:
    """As where a machine stood still: those who have a turn and those who wait are late at once."""
    turns = FairTurns(4, 100)

    async def work(key: str) -> None:
        async with turns.turn(key):
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(work(key)) for key in "aabbccddaabb"]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(end) for end in ends} == {asyncio.CancelledError}
    assert (turns._total, turns._total_waiting, turns._waiting) == (0, 0, {})
    async with asyncio.timeout(60), turns.turn("a"), turns.turn("b"), turns.turn("c"):
        pass


async def test_who_gives_up_takes_no_turn_with_them() -> None:
    turns = FairTurns(1, 10)
    release = asyncio.Event()
    done: list[str] = []

    async def work(key: str) -> None:
        async with turns.turn(key):
            await release.wait()
            done.append(key)

    first, second, third = (asyncio.create_task(work(key)) for key in "abc")
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    release.set()
    await asyncio.gather(first, third)
    assert done == ["a", "c"]
    first, second = (asyncio.create_task(work(key)) for key in "ab")
    await asyncio.sleep(0)
    # Its turn is given in the moment in which it gives up.
    first.add_done_callback(lambda _: second.cancel())
    await asyncio.gather(first, second, return_exceptions=True)
    await work("d")
    assert done[-1] == "d"
