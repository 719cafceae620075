"""Live audiences: who enters is told, once in a window of log time, through kills."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from schemas.log.settings import KafkaSettings
from tests.integration.notify.test_deliveries import KEY, USERS, Notify, asked, make
from tests.integration.notify.test_timers import Log, told
from tests.integration.targeting.test_audiences_sent import (  # noqa: F401 - a fixture
    limited,
    opt_out,
    told_to,
    until,
)
from tests.rigs.api_harness import api_settings, running_api, token
from tests.rigs.onesignal import APP_ID, OneSignal, running_onesignal
from tests.rigs.webhook_receiver import Hook, Receiver, running_receiver

MANAGER = token("admin", scope="presence:manage")
ON_CART = {"while": "on_screen", "screen": "Cart", "seconds": 300}
WINDOW = 3_600


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running


@pytest.fixture
async def onesignal() -> AsyncIterator[OneSignal]:
    async with running_onesignal() as running:
        yield running


@pytest.fixture
async def log(kafka_settings: KafkaSettings, database_url: str) -> AsyncIterator[Log]:
    found = Log(kafka_settings, database_url)
    ticking = asyncio.create_task(found.keep_ticking())
    yield found
    ticking.cancel()
    await asyncio.wait({ticking})


async def enter(log: Log, at: float, users: list[str], **app: str) -> None:
    """They come to the cart, and stay for long enough."""
    where = {"screen": "Cart", "user_screen": "Cart", "previous_user_screen": "Home"}
    await log.say(at, users, "foreground", **where, **app)
    await log.pass_to(at + 300)


async def leave(log: Log, at: float, users: list[str]) -> None:
    await log.say(at, users, "background", user_screen="Cart")


async def live(database_url: str, push: dict[str, Any]) -> str:
    """Made by the API; its id."""
    settings = api_settings(database_url, encryption_key=KEY, onesignal_app_id=APP_ID)
    wanted = {"filter": {"timer": {**ON_CART, "once_in_seconds": WINDOW, "push": push}}}
    async with running_api(settings) as api:
        answer = await api.call(
            "/api/v1/webhooks", "POST", bearer=MANAGER, data=json.dumps(wanted).encode()
        )
    assert (answer.status, answer.json["secret"]) == (201, None), answer.body
    return str(answer.json["id"])


async def test_who_enters_is_told_once_in_a_window_through_kills(
    limited: Notify,  # noqa: F811
    receiver: Receiver,
    onesignal: OneSignal,
    log: Log,
    database_url: str,
) -> None:
    hook = Hook(answers=lambda _: 503)
    timer = {**ON_CART, "once_in_seconds": WINDOW}
    of_ios = {"platform": "iOS", "app_version": {"op": ">=", "version": "1.0"}}
    make(database_url, receiver, "live", hook, {"timer": {**timer, **of_ios}})
    await live(database_url, {"text": "It waits for you"})
    onesignal.answers = lambda _: 503
    first, second, gone, third, fourth = USERS[:5]
    limited.start(**told_to(onesignal))
    await enter(log, 0, [first, gone])
    await until(lambda: _true(bool(hook.attempts and onesignal.calls)))

    async def are_fixed() -> bool:
        fixed = "SELECT user_id FROM webhook_told ORDER BY user_id"
        return await asked(database_url, fixed) == [(first,), (first,), (gone,), (gone,)]

    await until(are_fixed)
    # Fixed and not delivered: whoever is killed here tells them, and nobody who opts out meanwhile.
    limited.kill()
    await asyncio.to_thread(opt_out, database_url, gone)
    hook.answers, onesignal.answers = (lambda _: 204), (lambda _: 200)
    limited.start()
    await until(lambda: _true(told(hook) == [first] and onesignal.pushed == [first]))
    # Within the window they come again, and somebody else for the first time.
    await leave(log, 1_000, [first])
    await enter(log, 1_001, [first, second])
    # Of another platform, of an older version: only where nobody asks for that.
    await enter(log, 1_301, [third], platform="android")
    await enter(log, 1_601, [fourth], app_version="0.9")
    both = sorted([first, second])
    everybody = sorted([*both, third, fourth])
    await until(lambda: _true(told(hook) == both and onesignal.pushed == everybody))
    # An hour and a second after they were told.
    await leave(log, 3_600, [first])
    await enter(log, 3_601, [first])
    again = sorted([first, *both])
    all_again = sorted([first, *everybody])
    await until(lambda: _true(told(hook) == again and onesignal.pushed == all_again))
    assert {call["contents"]["en"] for call in onesignal.calls} == {"It waits for you"}
    remembered = "SELECT DISTINCT user_id FROM webhook_told ORDER BY user_id"
    assert await asked(database_url, remembered) == [(user,) for user in sorted([*everybody, gone])]
    # Of who is erased nothing is remembered; nor is of anybody whose window is over.
    await log.say(4_000, [first], "offline", reason="erased", device="")
    await log.pass_to(4_000)

    async def is_forgotten() -> bool:
        return (first,) not in await asked(database_url, remembered)

    await until(is_forgotten)
    limited.kill()
    await log.pass_to(9_000)
    limited.start()

    async def all_is_forgotten() -> bool:
        return await asked(database_url, remembered) == []

    await until(all_is_forgotten)
    assert limited.stop() == 0


async def _true(value: bool) -> bool:
    return value
