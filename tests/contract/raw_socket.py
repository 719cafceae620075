"""A client of ``/api/ws`` that says what it is told to, right or wrong, and nothing by itself."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol

from websockets.frames import Frame, Opcode

from tests.rigs.harness import DEADLINE_SECONDS, token


class Listening(Protocol):
    """An ingest, here or in a process of its own."""

    @property
    def port(self) -> int: ...


class Received(NamedTuple):
    """A frame of the server."""

    opcode: int
    payload: bytes


class RawSocket:
    """A socket that answers nothing by itself. Its handshake is a good one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(
        cls,
        ingest: Listening,
        *,
        source: str = "",
        authorization: str | None = None,
        receive_buffer_bytes: int | None = None,
        early: bytes = b"",
    ) -> RawSocket:
        """``authorization`` is that of the user ``raw`` unless it is given; empty for none.
        ``early`` goes out with the handshake, ``source`` is the client's address."""
        if authorization is None:
            authorization = f"Bearer {token('raw')}"
        sock = socket.socket()
        if receive_buffer_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        if source:
            sock.bind((source, 0))
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", ingest.port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET /api/ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
            f"sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n".encode()
            + (f"authorization: {authorization}\r\n".encode() if authorization else b"")
            + b"\r\n"
            + early
        )
        async with asyncio.timeout(DEADLINE_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        return cls(reader, writer)

    def send(self, payload: bytes) -> None:
        """A text message."""
        self.write(Frame(Opcode.TEXT, payload).serialize(mask=True))

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        self._writer.write(data)

    async def frames(self) -> AsyncIterator[Received]:
        """What the server sends, until it ends the connection."""
        try:
            while True:
                first, second = await self._reader.readexactly(2)
                length = second & 0x7F
                if length == 126:
                    length = int.from_bytes(await self._reader.readexactly(2), "big")
                yield Received(first & 0x0F, await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    async def close_code(self) -> int:
        """The code of the close frame that the server sends, once it comes."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            async for opcode, payload in self.frames():
                if opcode == Opcode.CLOSE:
                    return int.from_bytes(payload[:2], "big")
        raise AssertionError("the connection ended without a close frame")

    async def until_ended(self, *, within_seconds: float = DEADLINE_SECONDS) -> None:
        """Until the server ends the connection."""
        async with asyncio.timeout(within_seconds):
            while await self._reader.read(1024):
                pass

    async def until_closed(self) -> None:
        await self.until_ended()
        self.end()

    def end(self) -> None:
        """Break the connection."""
        self._writer.transport.abort()
