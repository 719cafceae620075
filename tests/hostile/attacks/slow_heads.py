"""Slowloris: heads that never end, a byte now and then, so that the connection looks alive."""

from __future__ import annotations

from tests.hostile.target import HEARTBEAT, Attack, send


async def attack(attack: Attack) -> None:
    target, chance, did = attack.target, attack.chance, attack.did

    async def one(_number: int) -> None:
        async with attack.connection(chance.choice(target.ports)) as streams:
            did["heads"] += 1
            send(streams[1], f"POST {HEARTBEAT} HTTP/1.1\r\nHost: x\r\nX-Slow: ".encode())
            await attack.drip(streams, b"z")

    await attack.crowd(100, one)
