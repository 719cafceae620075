"""Phones that come and go many times a second, broken off before and after they are welcome."""

from __future__ import annotations

from tests.hostile.target import Attack, head, send, text_frame


async def attack(attack: Attack) -> None:
    target, chance, did = attack.target, attack.chance, attack.did

    async def one(number: int) -> None:
        if chance.random() < 0.3:
            async with attack.connection(target.ingest_port) as (_, writer):
                send(writer, head("GET", "/api/ws", "Connection: Upgrade", "Upgrade: websocket"))
                did["broken off"] += 1
        else:
            # Few users for many sockets: above their limit the newest wins, or is told 4429.
            async with attack.websocket(f"flapping-{number % 5}") as (reader, writer):
                send(writer, text_frame(b'{"id": 1, "screen": "Door"}'))
                if chance.random() < 0.5:
                    await reader.read(4_096)
        await attack.pause(0.25)

    await attack.crowd(24, one)
