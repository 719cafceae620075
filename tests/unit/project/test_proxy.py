"""The proxy of the tests loses what it says it loses."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.rigs.proxy import Proxy
from tests.rigs.rig import free_port


@pytest.mark.parametrize("steps", range(12))
async def test_a_connection_that_a_cut_meets_on_its_way_is_cut_too(steps: int) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(100):
                writer.write(data)

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as upstream:
        proxy = Proxy(free_port(), upstream.sockets[0].getsockname()[1])
        await proxy.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        for _ in range(steps):
            await asyncio.sleep(0)

        await proxy.cut()

        async with asyncio.timeout(30):
            with contextlib.suppress(OSError):
                writer.write(b"still there?")
                assert await reader.read(100) == b""
        writer.transport.abort()
