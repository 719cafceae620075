"""One attempt: where it may go, and what it says came of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp.resolver import ThreadedResolver

from processor.notify.sender import CheckedResolver, Sender
from schemas.webhooks.addresses import PrivateHosts
from schemas.webhooks.signing import new_secret, secret_key
from tests.rigs.webhook_receiver import HANG, Hook, running_receiver


@pytest.mark.parametrize(
    ("host", "allowed", "outcome"),
    [
        ("127.0.0.1", [], "not_allowed"),
        ("localhost", [], "not_allowed"),
        ("１２７.0.0.1", [], "not_allowed"),
        ("0x7f000001", [], "not_allowed"),
        ("2130706433", [], "unreachable"),
        ("localhost", ["10.0.0.0/8", "other"], "not_allowed"),
        ("localhost", ["localhost"], "delivered"),
        ("127.0.0.1", ["127.0.0.0/8"], "delivered"),
    ],
)
async def test_a_name_is_connected_to_only_where_its_addresses_are_allowed(
    host: str, allowed: list[str], outcome: str
) -> None:
    hook = Hook(new_secret())
    async with running_receiver() as receiver:
        receiver.hooks["/"] = hook
        sender = Sender(PrivateHosts(allowed), 5.0)
        url = receiver.url.replace("127.0.0.1", host)
        attempt = await sender.send(url, [secret_key(hook.secret)], "msg_1", b"{}")
        await sender.close()
    assert attempt.outcome == outcome
    assert len(hook.attempts) == (outcome == "delivered")


class Names(ThreadedResolver):
    """Answers of no name server until ``answer`` is set; counts who was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.answer = asyncio.Event()

    async def resolve(self, host: str, *_: Any, **__: Any) -> Any:
        self.asked.append(host)
        if host == "slow.example.com":
            await self.answer.wait()
        return [{"host": "8.8.8.8"}]


async def test_a_name_that_nobody_answers_for_is_looked_up_once_at_a_time() -> None:
    names = Names()
    resolver = CheckedResolver(PrivateHosts([]), names)
    waiting = [asyncio.create_task(resolver.resolve("slow.example.com", 443)) for _ in range(8)]
    await asyncio.sleep(0)
    # Who gives up takes nobody with them.
    waiting.pop().cancel()
    assert await resolver.resolve("crm.example.com", 443)
    assert names.asked == ["slow.example.com", "crm.example.com"]
    names.answer.set()
    found = await asyncio.gather(*waiting)
    assert [each["host"] for [each] in found] == ["8.8.8.8"] * 7
    assert await resolver.resolve("slow.example.com", 443)
    assert names.asked.count("slow.example.com") == 2
    await resolver.close()


@pytest.mark.parametrize(
    ("status", "outcome", "problem"),
    [
        (204, "delivered", ""),
        (307, "refused", "status 307"),
        (410, "gone", "status 410"),
        (500, "refused", "status 500"),
        (HANG, "timed_out", "no answer in 0.2 s"),
    ],
)
async def test_what_came_of_an_attempt(status: int, outcome: str, problem: str) -> None:
    hook = Hook(new_secret(), answers=lambda _: status)
    async with running_receiver() as receiver:
        receiver.hooks["/"] = hook
        sender = Sender(PrivateHosts(["127.0.0.0/8"]), 0.2)
        attempt = await sender.send(receiver.url, [secret_key(hook.secret)], "msg_1", b"{}")
        assert (attempt.outcome, attempt.problem) == (outcome, problem)
        assert receiver.strays == []
        await sender.close()


async def test_nobody_there_is_unreachable() -> None:
    sender = Sender(PrivateHosts(["127.0.0.0/8"]), 5.0)
    attempt = await sender.send("http://127.0.0.1:1/", [b"k" * 24], "msg_1", b"{}")
    await sender.close()
    assert (attempt.outcome, attempt.problem) == ("unreachable", "ConnectionRefusedError")
