"""Sockets that ping and never read: each pong that a server writes stays in its memory."""

from __future__ import annotations

import asyncio
from typing import Final

from websockets.frames import Frame, Opcode

from tests.hostile.target import MET, Attack, send

_PINGS: Final = 400
_EVERY_SECONDS: Final = 0.1


async def attack(attack: Attack) -> None:
    did = attack.did
    pings = Frame(Opcode.PING, b"p" * 125).serialize(mask=True) * _PINGS

    async def one(number: int) -> None:
        async with attack.websocket(f"pinger-{number}", receive_buffer_bytes=2_048) as (_, writer):
            try:
                while True:
                    send(writer, pings)
                    did["pings"] += _PINGS
                    # No longer than a server that reads on would take.
                    async with asyncio.timeout(5):
                        await writer.drain()
                    await asyncio.sleep(_EVERY_SECONDS)
            except TimeoutError:
                did["not read any more"] += 1
            except MET:
                did["closed by the server"] += 1

    await attack.crowd(8, one)
