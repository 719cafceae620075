"""More kept-alive connections than the door has room for, of clients that never show a token."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.hostile.target import Attack, head, send

#: Of each door; ``tests.hostile`` gives them room for 2,000.
_CONNECTIONS: Final = 2_500


async def attack(attack: Attack) -> None:
    target, chance, did = attack.target, attack.chance, attack.did
    begun = asyncio.Event()
    asyncio.get_running_loop().call_later(3, begun.set)

    async def one(number: int) -> None:
        # Not all in one moment: the client's machine is this one.
        if not begun.is_set():
            await asyncio.sleep(chance.uniform(0, 10))
        async with attack.connection(target.ports[number % 2]) as (reader, writer):
            if chance.random() < 0.5:
                send(writer, head("GET", "/nowhere"))
            # Until the server ends it.
            while chunk := await reader.read(65_536):
                if b" 503 " in chunk[:16]:
                    did["answered 503"] += 1
            did["ended by the server"] += 1
        await attack.pause(1.0)

    await attack.crowd(2 * _CONNECTIONS, one, patience_seconds=300)
