"""The doors under attack, and what every attack needs: tokens, connections, paces, a first line."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from random import Random
from typing import Final, TypeAlias

import jwt
from websockets.frames import Frame, Opcode

HEARTBEAT: Final = "/api/update-online-status"
LOGOUT: Final = "/api/logout-status"
ANSWER_SECONDS: Final = 10.0
#: One that honest phones share, as a carrier's NAT makes it, and one that is the attackers' own.
ADDRESSES: Final = ("127.0.0.1", "127.0.0.66")
#: What an attack meets and goes on after: a door that is shut, or was broken off.
MET: Final = (OSError, EOFError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Target:
    """Where the doors are, and the secret of their tokens."""

    ingest_port: int
    api_port: int
    secret: str

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Target:
        return cls(**json.loads(text))

    @property
    def ports(self) -> tuple[int, int]:
        return self.ingest_port, self.api_port

    def token(self, user: str, *, lasts_seconds: float = 3600, **claims: object) -> str:
        """One that verifies; a negative time is since its expiry."""
        expires = {"exp": int(time.time() + lasts_seconds)}
        return jwt.encode({"sub": user, **expires, **claims}, self.secret)


@dataclass
class Attack:
    """What one attack has: the target, chances of its own, and a tally that is printed."""

    target: Target
    chance: Random
    did: Counter[str]

    async def crowd(
        self, size: int, one: Callable[[int], Awaitable[None]], *, patience_seconds: float = 60
    ) -> None:
        """So many at once, each again and again, whatever they meet. Ends by cancellation."""

        async def go_on(number: int) -> None:
            while True:
                try:
                    async with asyncio.timeout(patience_seconds):
                        await one(number)
                except TimeoutError:
                    self.did["gave up"] += 1
                except MET as met:
                    self.did[type(met).__name__] += 1
                # Against a door that refuses at once.
                await asyncio.sleep(self.chance.uniform(0.02, 0.1))

        async with asyncio.TaskGroup() as group:
            for number in range(size):
                group.create_task(go_on(number))

    async def pause(self, mean_seconds: float) -> None:
        """A while of random length."""
        await asyncio.sleep(min(self.chance.expovariate(1 / mean_seconds), 5 * mean_seconds))

    @asynccontextmanager
    async def connection(
        self, port: int, *, receive_buffer_bytes: int | None = None
    ) -> AsyncIterator[Streams]:
        """Broken off at the end, as crashing clients do."""
        sock = socket.socket()
        try:
            if receive_buffer_bytes is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            sock.setblocking(False)
            sock.bind((self.chance.choice(ADDRESSES), 0))
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
            reader, writer = await asyncio.open_connection(sock=sock, limit=65_536)
        except OSError:
            sock.close()
            raise
        self.did["connections"] += 1
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    @asynccontextmanager
    async def websocket(
        self, user: str, *, receive_buffer_bytes: int | None = None
    ) -> AsyncIterator[Streams]:
        """A socket of this user, welcomed; what it says is up to the attack."""
        async with self.connection(
            self.target.ingest_port, receive_buffer_bytes=receive_buffer_bytes
        ) as (reader, writer):
            key = base64.b64encode(os.urandom(16)).decode()
            send(
                writer,
                head(
                    "GET",
                    "/api/ws",
                    "Connection: Upgrade",
                    "Upgrade: websocket",
                    "Sec-WebSocket-Version: 13",
                    f"Sec-WebSocket-Key: {key}",
                    f"Authorization: Bearer {self.target.token(user)}",
                ),
            )
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 101"):
                self.did[f"no socket, {status_of(answer)}"] += 1
                raise ConnectionError("no socket")
            self.did["sockets"] += 1
            yield reader, writer

    async def drip(self, streams: Streams, byte: bytes) -> None:
        """A byte now and then, until there is an answer or an end."""
        reader, writer = streams
        answering = asyncio.create_task(self.note_answer(reader, seconds=30))
        try:
            while not answering.done():
                send(writer, byte)
                await asyncio.wait([answering], timeout=self.chance.uniform(0.2, 1.0))
        finally:
            answering.cancel()
            await asyncio.wait([answering])

    async def note_answer(
        self,
        reader: asyncio.StreamReader,
        what: str = "answered",
        *,
        seconds: float = ANSWER_SECONDS,
    ) -> bytes:
        """Tally the status of what comes, or that nothing does; gives the head."""
        try:
            async with asyncio.timeout(seconds):
                answer = await reader.readuntil(b"\r\n\r\n")
        except TimeoutError:
            self.did[f"{what} nothing"] += 1
            return b""
        except MET:
            self.did[f"{what} by a closed connection"] += 1
            return b""
        self.did[f"{what} {status_of(answer)}"] += 1
        return answer


def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Write; raises ``ConnectionError`` where the other side has ended the connection."""
    if writer.transport.is_closing():
        raise ConnectionError("closed")
    writer.write(data)


def head(method: str, path: str, *headers: str) -> bytes:
    """The head of a request, whole."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def status_of(answer: bytes) -> str:
    return answer[9:12].decode("latin-1")


def text_frame(payload: bytes) -> bytes:
    """A message of one frame, as a client must mask it."""
    return Frame(Opcode.TEXT, payload).serialize(mask=True)
