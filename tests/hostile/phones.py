"""The honest ones: ``python -m tests.hostile.phones TARGET SEED SECONDS PHONES INTERVAL``.

Phones with the guide's app, kept alive or with a connection each call, phones with a socket, and
people at the dashboard's API. Half of them share the attackers' address. Each event names a screen
of its own, so that it can be found in the log. Prints one JSON object: the milliseconds of all
calls, what was refused and why, and the events that were accepted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Final

import aiohttp
import uvloop

from tests.hostile.target import HEARTBEAT, LOGOUT, Target

#: Shared with the attackers, and their own.
ADDRESSES: Final = ("127.0.0.1", "127.0.1.1")
READERS: Final = 4
#: Longer than any promise: what takes this long is told as refused.
CALL_SECONDS: Final = 15.0
#: One beat in so many comes with a new token, as after a refresh; one in so many is a logout.
NEW_TOKEN, LOGOUT_IN = 4, 20


@dataclass
class Told:
    """What became of all calls of this process."""

    ms: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    #: ``[user, screen]`` of each heartbeat that was accepted.
    accepted: list[tuple[str, str]] = field(default_factory=list)


class Phone:
    """One user with one device."""

    def __init__(self, number: int, target: Target, chance: Random, told: Told) -> None:
        self.user = f"honest-{number}"
        self._target = target
        self._chance = chance
        self._told = told
        self._address = ADDRESSES[number % len(ADDRESSES)]
        self._keeps = number % 3 != 0
        self._token = target.token(self.user)
        self._count = 0

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                local_addr=(self._address, 0),
                force_close=not self._keeps,
                # Shorter than any server's, and longer than the pause between two calls.
                keepalive_timeout=60 if self._keeps else None,
            ),
            timeout=aiohttp.ClientTimeout(total=CALL_SECONDS),
        )

    def next_screen(self) -> str:
        self._count += 1
        return f"Screen {self._count}"

    async def over_http(self, interval_seconds: float) -> None:
        """A call now and then, for ever."""
        async with self._session() as http:
            await asyncio.sleep(self._chance.uniform(0, interval_seconds))
            while True:
                if self._count % NEW_TOKEN == 0:
                    self._token = self._target.token(self.user, nonce=self._count)
                leaves = self._count % LOGOUT_IN == LOGOUT_IN - 1
                screen = self.next_screen()
                if await self._call(http, LOGOUT if leaves else HEARTBEAT, screen) and not leaves:
                    self._told.accepted.append((self.user, screen))
                if leaves:  # and comes back with a token of its own
                    self._token = self._target.token(self.user, back=self._count)
                await asyncio.sleep(interval_seconds * self._chance.uniform(0.9, 1.1))

    async def _call(self, http: aiohttp.ClientSession, path: str, screen: str) -> bool:
        url = f"http://127.0.0.1:{self._target.ingest_port}{path}"
        headers = {"Authorization": f"Bearer {self._token}"}
        body = {} if path == LOGOUT else {"screen": screen, "device_info": "Pixel 8"}
        return await timed(self._told, http.post(url, json=body, headers=headers))

    async def over_a_socket(self, interval_seconds: float) -> None:
        """A frame now and then; connects again where it must, and tells that it had to."""
        url = f"ws://127.0.0.1:{self._target.ingest_port}/api/ws"
        async with self._session() as http:
            await asyncio.sleep(self._chance.uniform(0, interval_seconds))
            while True:
                headers = {"Authorization": f"Bearer {self._token}"}
                try:
                    async with http.ws_connect(url, headers=headers) as socket:
                        await self._talk(socket, interval_seconds)
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    self._told.refused[f"socket: {said(error)}"] += 1
                await asyncio.sleep(1)

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse, interval: float) -> None:
        while True:
            screen = self.next_screen()
            begun = time.perf_counter()
            await socket.send_json({"id": self._count, "screen": screen})
            async with asyncio.timeout(CALL_SECONDS):
                while True:
                    message = await socket.receive()
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        self._told.refused[f"socket: closed with {socket.close_code}"] += 1
                        return
                    answer = message.json()
                    if answer.get("id") == self._count:
                        break
            if answer["type"] != "ack":
                self._told.refused[f"socket: {answer['code']}"] += 1
            else:
                self._told.ms.append(1000 * (time.perf_counter() - begun))
                self._told.accepted.append((self.user, screen))
            await asyncio.sleep(interval * self._chance.uniform(0.9, 1.1))


async def timed(told: Told, call: aiohttp.client._RequestContextManager) -> bool:
    """Whether it was answered with a 200."""
    begun = time.perf_counter()
    try:
        async with call as answer:
            await answer.read()
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        told.refused[said(error)] += 1
        return False
    if answer.status != 200:
        told.refused[f"{answer.method} {answer.url.path}: {answer.status}"] += 1
        return False
    told.ms.append(1000 * (time.perf_counter() - begun))
    return True


def said(error: BaseException) -> str:
    return f"{type(error).__name__} {error}"[:100].strip()


async def read_lists(target: Target, number: int, told: Told) -> None:
    """Somebody at the dashboard."""
    token = target.token(f"staff-{number}", scope="presence:read")
    headers = {"Authorization": f"Bearer {token}"}
    connector = aiohttp.TCPConnector(local_addr=(ADDRESSES[number % len(ADDRESSES)], 0))
    async with aiohttp.ClientSession(connector=connector, headers=headers) as http:
        while True:
            url = f"http://127.0.0.1:{target.api_port}/api/v1/online-users"
            await timed(told, http.get(url, timeout=aiohttp.ClientTimeout(total=CALL_SECONDS)))
            await asyncio.sleep(2)


async def run(target: Target, seed: int, seconds: float, phones: int, interval: float) -> Told:
    told = Told()
    chance = Random(f"{seed} phones")
    calls = [read_lists(target, number, told) for number in range(READERS)]
    for number in range(phones):
        phone = Phone(number, target, chance, told)
        by_socket = number % 5 == 0
        calls.append((phone.over_a_socket if by_socket else phone.over_http)(interval))
    everybody = asyncio.gather(*calls)
    try:
        async with asyncio.timeout(seconds):
            await everybody
    except TimeoutError:
        return told
    raise SystemExit("an honest phone stopped by itself")


if __name__ == "__main__":
    _, target_, seed_, seconds_, phones_, interval_ = sys.argv
    found = uvloop.run(
        run(Target.load(target_), int(seed_), float(seconds_), int(phones_), float(interval_))
    )
    sys.stdout.write(json.dumps(vars(found)) + "\n")
