"""Bodies of which a byte comes now and then, with tokens that verify and without."""

from __future__ import annotations

from tests.hostile.target import HEARTBEAT, Attack, head, send


async def attack(attack: Attack) -> None:
    target, chance, did = attack.target, attack.chance, attack.did

    async def one(number: int) -> None:
        port = chance.choice(target.ports)
        path = HEARTBEAT if port == target.ingest_port else "/api/v1/users/lookup"
        headers = ["Content-Length: 1000"]
        if chance.random() < 0.7:
            token = target.token(f"slow-{number}", scope="presence:read")
            headers.append(f"Authorization: Bearer {token}")
        async with attack.connection(port) as streams:
            send(streams[1], head("POST", path, *headers))
            did["bodies"] += 1
            await attack.drip(streams, b" ")

    await attack.crowd(60, one)
