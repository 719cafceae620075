"""The same phones against a running Rollcall, in real time: does the closed form hold there too?

With short windows, so that minutes are enough: offline after 8 s and a call every 3 s, so two lost
ones in a row show somebody offline. Episodes are counted in the table of changes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Final

import aiohttp

from deploy.simulate.wire import HEARTBEAT_PATH, SAMPLE_HEADERS, sample_heartbeat
from deploy.tokens import make_token, signing_key
from tests.bench.accuracy.closed_form import episodes_an_hour
from tests.bench.accuracy.paths import Lossy
from tests.bench.accuracy.phones import SCREEN, CallingPhone
from tests.e2e.stack import Up
from tests.e2e.stacks import running_up
from tests.rigs.rig import rows

OFFLINE_AFTER_SECONDS: Final = 8
INTERVAL_SECONDS: Final = 3.0
LOSS: Final = 0.3
USERS: Final = 150


@dataclass(frozen=True, slots=True)
class Live:
    """False offline episodes of so many user-hours, and how many the closed form expects."""

    user_hours: float
    episodes: int
    expected: float


def measure_live(seconds: float, seed: int) -> Live:
    """Start a stack and let everybody call it for so long."""
    with running_up(
        *("--offline-after", str(OFFLINE_AFTER_SECONDS), "--heartbeat-interval", "2"),
        "--allow-short-timing",
        ROLLCALL_OUTAGE_GAP_SECONDS="6",
    ) as up:
        asyncio.run(_call_all(up, seconds, seed))
        query = "SELECT count(*) FROM changes WHERE user_state = 'offline' AND reason = 'timed_out'"
        [(episodes,)] = rows(up.database_url(), query)
    # Nobody can go offline before their first deadline, nor be seen to after the last one.
    watched = seconds - OFFLINE_AFTER_SECONDS - INTERVAL_SECONDS / 2
    hours = USERS * watched / 3600
    expected = hours * episodes_an_hour(LOSS, INTERVAL_SECONDS, OFFLINE_AFTER_SECONDS)
    return Live(hours, episodes, expected)


async def _call_all(up: Up, seconds: float, seed: int) -> None:
    key = signing_key(up.data_dir)
    loop = asyncio.get_running_loop()
    began = loop.time()
    body = sample_heartbeat("1.0.0", "Flutter App", SCREEN)

    async def live(session: aiohttp.ClientSession, number: int) -> None:
        random = Random(f"live {seed} {number}")
        phone = CallingPhone(f"user-{number}", INTERVAL_SECONDS, Lossy(LOSS, random), random)
        token = make_token(key, user=f"user-{number}", expires_seconds=3600)
        while phone.next_at < seconds:
            at = phone.next_at
            await asyncio.sleep(began + at - loop.time())
            if phone.act(at):
                async with session.post(
                    up.url + HEARTBEAT_PATH, data=body, headers={"authorization": f"Bearer {token}"}
                ) as answer:
                    answer.raise_for_status()

    async with (
        aiohttp.ClientSession(headers=SAMPLE_HEADERS) as session,
        asyncio.TaskGroup() as group,
    ):
        for number in range(USERS):
            group.create_task(live(session, number))
