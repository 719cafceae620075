"""The load generator: heartbeats as the published sample sends them, in a closed loop.

Run as ``python -m tests.bench.load PORT SECRET EXPIRY HEARTBEATS CONNECTIONS USERS MODE RATE``. The
mode is ``keep`` (connections), ``browse`` (the same, and each heartbeat names another screen than
the one before) or ``new`` (a connection for each heartbeat); the rate is heartbeats a second, or 0
for as many as are answered. Prints one JSON object: heartbeats, seconds, and how many answers
were not 200. The same secret and expiry (Unix seconds) make the same tokens: phones keep theirs for
dozens of heartbeats.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from itertools import count

import jwt
import uvloop

# One heartbeat in five names another screen; the others are the sample's timer.
SCREENS = ["Unknown", "Unknown", "Home", "Unknown", "Unknown", "Unknown", "Cart", "Unknown"]


def browsing() -> list[str]:
    """Screens of one after the other: seldom those on which an earlier run left its users."""
    return random.sample([f"Screen {n:02}" for n in range(60)], k=3)


def requests(
    port: int, secret: str, expiry: int, users: int, screens: list[str], *, keep: bool
) -> list[bytes]:
    """The bytes of every (user, screen) pair: made once, so that sending costs little."""
    made = []
    for n in range(users):
        token = jwt.encode({"sub": f"user-{n:06d}", "exp": expiry}, secret)
        for screen in screens:
            body = json.dumps(
                {"app_version": "1.4.2", "device_info": "Pixel 8 / Android 15", "screen": screen}
            ).encode()
            made.append(
                b"POST /api/update-online-status HTTP/1.1\r\n"
                b"user-agent: Dart/3.5 (dart:io)\r\naccept-encoding: gzip\r\n"
                + f"authorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n".encode()
                + b"content-type: application/json; charset=utf-8\r\n"
                + (b"" if keep else b"connection: close\r\n")
                + f"host: 127.0.0.1:{port}\r\n\r\n".encode()
                + body
            )
    return made


class Client(asyncio.Protocol):
    """One connection's answers; a heartbeat waits for the answer to the one before it."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bool] | None = None
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        if b'{"success": true}' in self._received and self.answer and not self.answer.done():
            self.answer.set_result(self._received.startswith(b"HTTP/1.1 200"))
            self._received = b""

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answer and not self.answer.done():
            self.answer.set_result(False)


async def run(
    port: int,
    secret: str,
    expiry: int,
    heartbeats: int,
    connections: int,
    users: int,
    *,
    keep: bool,
    browse: bool = False,
    rate: float = 0.0,
) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    order = browsing() if browse else SCREENS
    screens = sorted(set(order))
    prepared = requests(port, secret, expiry, users, screens, keep=keep)
    numbers = count()
    failed = 0

    async def connect() -> tuple[asyncio.Transport, Client]:
        return await loop.create_connection(Client, "127.0.0.1", port)

    async def client() -> None:
        nonlocal failed
        transport, protocol = await connect()
        while (number := next(numbers)) < heartbeats:
            if rate and (early := begun + number / rate - loop.time()) > 0:
                await asyncio.sleep(early)
            if (not keep and protocol.answer is not None) or transport.is_closing():
                transport.close()
                transport, protocol = await connect()
            offset = screens.index(order[(number // users) % len(order)])
            protocol.answer = loop.create_future()
            transport.write(prepared[len(screens) * (number % users) + offset])
            failed += not await protocol.answer
        transport.close()

    started, begun = time.perf_counter(), loop.time()
    await asyncio.gather(*(client() for _ in range(connections)))
    return {
        "heartbeats": heartbeats,
        "seconds": time.perf_counter() - started,
        "failed": failed,
    }


if __name__ == "__main__":
    _, port_, secret_, expiry_, heartbeats_, connections_, users_, mode_, rate_ = sys.argv
    print(  # noqa: T201
        json.dumps(
            uvloop.run(
                run(
                    int(port_),
                    secret_,
                    int(expiry_),
                    int(heartbeats_),
                    int(connections_),
                    int(users_),
                    keep=mode_ != "new",
                    browse=mode_ == "browse",
                    rate=float(rate_),
                )
            )
        )
    )
