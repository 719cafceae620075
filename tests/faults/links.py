"""The lines between clients and servers: a proxy each, which can be cut, slowed or broken off."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from threading import Thread
from typing import Any, TypeVar

from tests.faults.postgres_wire import CommitWatch

T = TypeVar("T")
_CHUNK = 65_536
#: How long the answer to a COMMIT may take to come, before the connection ends without it.
_COMMIT_SECONDS = 5.0


class Background:
    """An event loop in a thread of its own: the proxies and the phones live there."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 30) -> T:
        """Its result, in the thread that asks."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def call(self, function: Any, *arguments: Any) -> None:
        """In the loop's thread, soon."""
        self.loop.call_soon_threadsafe(function, *arguments)

    def stop(self) -> None:
        self.run(self._cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _cancel_all(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class Link:
    """From ``port`` to ``target_port`` of this machine. What is changed here holds at once, for
    connections that are open too."""

    def __init__(self, name: str, background: Background, port: int, target_port: int) -> None:
        self.name, self.port = name, port
        #: Before each answer of the server.
        self.answer_delay_seconds = 0.0
        #: So many of the next COMMITs lose their answer and their connection.
        self.commits_to_cut = 0
        self.commits_cut = 0
        self._target_port = target_port
        self._background = background
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._there: set[asyncio.StreamWriter] = set()
        background.run(self._listen())

    def cut(self) -> None:
        """Nothing comes through any more, and nobody is told."""
        self._background.call(self._open.clear)

    def ports(self) -> set[int]:
        """That of the client's side, and those of the server's side as it is now: packets of this
        line, and of no other, are from or to one of them."""
        return {self.port, *self._background.run(self._ports_there())}

    async def _ports_there(self) -> set[int]:
        return {writer.get_extra_info("sockname")[1] for writer in self._there}

    def mend(self) -> None:
        """All that waited comes through."""
        self._background.call(self._open.set)

    def break_off(self) -> None:
        """Every connection ends, on both sides."""
        self._background.call(self._abort)

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _listen(self) -> None:
        await asyncio.start_server(self._connection, "127.0.0.1", self.port)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            await self._open.wait()
            there_reader, there = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers.add(there)
            self._there.add(there)
            connection = _Connection(self, reader, writer, there_reader, there)
            # Either side's end is that of both.
            both = [
                asyncio.ensure_future(connection.asked()),
                asyncio.ensure_future(connection.answered()),
            ]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            await connection.end()
            for each in both:
                each.cancel()
        except (OSError, asyncio.CancelledError):
            # Cancelled at the end of the run only: asyncio tells of a handler that was.
            pass
        finally:
            for side in (writer, there):
                if side is not None:
                    self._writers.discard(side)
                    self._there.discard(side)
                    side.transport.abort()

    async def passes(self) -> None:
        """Waits for as long as the line is cut."""
        await self._open.wait()


class _Connection:
    """One client and its server."""

    def __init__(
        self,
        link: Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there_reader: asyncio.StreamReader,
        there: asyncio.StreamWriter,
    ) -> None:
        self._link = link
        self._reader, self._writer = reader, writer
        self._there_reader, self._there = there_reader, there
        self._watch = CommitWatch()
        self._committing = False
        self._committed = asyncio.Event()

    async def asked(self) -> None:
        """From the client to the server."""
        with contextlib.suppress(OSError):
            while data := await self._reader.read(_CHUNK):
                await self._link.passes()
                end = self._watch.feed(data)
                if end is not None and self._link.commits_to_cut > 0:
                    self._link.commits_to_cut -= 1
                    # From here on no answer comes through; what was asked is done.
                    self._committing = True
                    self._there.write(data[:end])
                    async with asyncio.timeout(_COMMIT_SECONDS):
                        await self._committed.wait()
                    self._link.commits_cut += 1
                    return
                self._there.write(data)
                await self._there.drain()

    async def answered(self) -> None:
        """From the server to the client."""
        seen = b""
        with contextlib.suppress(OSError):
            while data := await self._there_reader.read(_CHUNK):
                await self._link.passes()
                if self._committing:
                    seen += data
                    if b"COMMIT\0" in seen:
                        self._committed.set()
                    continue
                if self._link.answer_delay_seconds:
                    await asyncio.sleep(self._link.answer_delay_seconds)
                self._writer.write(data)
                await self._writer.drain()

    async def end(self) -> None:
        """What one side has still said reaches the other."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.gather(self._writer.drain(), self._there.drain())
