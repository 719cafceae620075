"""A TCP proxy that loses what it should carry."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable


class Proxy:
    """A TCP proxy on a fixed port that can lose what goes through it."""

    def __init__(self, port: int, upstream_port: int) -> None:
        self.port = port
        self._upstream_port = upstream_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._deaf: set[asyncio.StreamReader] = set()
        self._answers: set[asyncio.StreamReader] = set()
        self._cuts = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """End every connection and refuse new ones."""
        assert self._server is not None
        self._server.close()
        self._cuts += 1
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def hold(self) -> None:
        """Accept bytes, deliver none: a machine that hangs."""
        self._open.clear()

    def deafen(self) -> None:
        """Lose the server's answers on the connections that there are now."""
        self._deaf |= self._answers

    def release(self) -> None:
        self._open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cuts = self._cuts
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        except OSError:
            writer.transport.abort()
            return
        if self._cuts > cuts:  # the cut came while this one was on its way
            writer.transport.abort()
            upstream[1].transport.abort()
            return
        self._writers |= {writer, upstream[1]}
        self._answers.add(upstream[0])
        for pumping in (
            self._pump(_some, reader, upstream[1]),
            self._pump(self.answer, upstream[0], writer),
        ):
            task = asyncio.create_task(pumping)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def answer(self, server: asyncio.StreamReader) -> bytes:
        """What the client gets next of what ``server`` says; nothing at its end."""
        return await _some(server)

    async def _pump(
        self,
        read: Callable[[asyncio.StreamReader], Awaitable[bytes]],
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await read(source):
                await self._open.wait()
                if source not in self._deaf:
                    sink.write(data)
                    await sink.drain()
        sink.close()


async def _some(source: asyncio.StreamReader) -> bytes:
    return await source.read(65_536)
