"""Phones that drove into a tunnel: sockets that were welcomed, and then say and read nothing."""

from __future__ import annotations

import asyncio

from tests.hostile.target import Attack, send, text_frame


async def attack(attack: Attack) -> None:
    async def one(number: int) -> None:
        async with attack.websocket(f"tunnel-{number}", receive_buffer_bytes=2_048) as (_, writer):
            send(writer, text_frame(b'{"screen": "Tunnel"}'))
            # Longer than the patience of a server whose ping is not answered.
            await asyncio.sleep(attack.chance.uniform(5, 55))

    await attack.crowd(60, one)
