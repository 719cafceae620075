"""Clients that open sockets and then only answer pings, as thin as they can be.

Run as ``python -m tests.bench.idle_sockets PORT SECRET FIRST COUNT``: one socket for each of
``COUNT`` users from number ``FIRST`` on. Prints one JSON object a line: when all are open, for each
line on standard input, and at its end.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import jwt
import uvloop

#: Each has its own ephemeral ports, which are taken when it connects.
SOURCES = [f"127.0.2.{n}" for n in range(1, 201)]
BIND_ADDRESS_NO_PORT = 24
#: Handshakes at a time.
CONCURRENT = 64
#: Until all are open; long, on a machine that does other things too.
OPEN_SECONDS = 300
# Masked with four zero bytes, which mask nothing.
PONG = b"\x8a\x80" + bytes(4)
PING = 0x89
CLOSE = 0x88


@dataclass
class Tally:
    """What happened to all sockets of this process."""

    pings: int = 0
    #: By close code, or by what broke the connection.
    closed: Counter[str] = field(default_factory=Counter)


class IdleSocket(asyncio.Protocol):
    """Welcomed once the server said so; answers pings."""

    def __init__(self, hello: bytes, tally: Tally) -> None:
        self.welcomed = asyncio.get_running_loop().create_future()
        self._hello = hello
        self._tally = tally
        self._received = b""
        self._close_code = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self.welcomed.done():
            head, found, rest = self._received.partition(b"\r\n\r\n")
            if not found or len(rest) < 2:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                raise SystemExit(head.decode())
            self._received = rest
            self.welcomed.set_result(None)
        while len(self._received) >= 2:
            first, length = self._received[0], self._received[1]
            if len(self._received) < 2 + length:
                return
            frame, self._received = self._received[2 : 2 + length], self._received[2 + length :]
            if first == PING:
                self._tally.pings += 1
                self._transport.write(PONG)
            elif first == CLOSE:
                self._close_code = str(int.from_bytes(frame[:2], "big"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._tally.closed[self._close_code or type(exc).__name__] += 1
        if not self.welcomed.done():
            self.welcomed.set_exception(ConnectionError("closed before it was open"))


def hello(port: int, secret: str, number: int) -> bytes:
    """Handshake and first frame of one phone."""
    token = jwt.encode({"sub": f"user-{number:06d}", "exp": int(time.time()) + 3600}, secret)
    frame = json.dumps({"screen": "Home", "device_id": f"phone-{number}", "platform": "ios"})
    return (
        (
            f"GET /api/ws HTTP/1.1\r\nuser-agent: Dart/3.5 (dart:io)\r\nconnection: Upgrade\r\n"
            f"upgrade: websocket\r\nsec-websocket-version: 13\r\n"
            f"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nauthorization: Bearer {token}\r\n"
            f"host: 127.0.0.1:{port}\r\n\r\n"
        ).encode()
        + bytes([0x81, 0x80 | len(frame)])
        + bytes(4)
        + frame.encode()
    )


async def run(port: int, secret: str, first: int, count: int) -> None:
    loop = asyncio.get_running_loop()
    tally = Tally()
    # Made before, so that opening costs little.
    hellos = [hello(port, secret, number) for number in range(first, first + count)]
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    tell(ready=count)
    await commands.readline()

    async def some() -> None:
        while hellos:
            mine = IdleSocket(hellos.pop(), tally)
            sock = socket.socket()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
            sock.bind((SOURCES[len(hellos) % len(SOURCES)], 0))
            await loop.sock_connect(sock, ("127.0.0.1", port))
            await loop.create_connection(lambda: mine, sock=sock)  # noqa: B023 - called at once
            await mine.welcomed

    async with asyncio.timeout(OPEN_SECONDS):
        await asyncio.gather(*(some() for _ in range(CONCURRENT)))
    tell(open=count)
    while await commands.readline():
        tell(pings=tally.pings, **{f"closed, {how}": n for how, n in tally.closed.items()})


def tell(**values: int) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(run(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
