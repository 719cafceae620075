"""Logouts without end: the same one again, other ones of the same user, and with expired tokens."""

from __future__ import annotations

import json

from tests.hostile.target import LOGOUT, Attack, head, send


async def attack(attack: Attack) -> None:
    target, chance, did = attack.target, attack.chance, attack.did

    async def one(number: int) -> None:
        user = f"leaver-{number}"
        same = target.token(user)
        expired = target.token(user, lasts_seconds=-23 * 3600)
        async with attack.connection(target.ingest_port) as (reader, writer):
            for count in range(200):
                kind, token, said = chance.choice(
                    [
                        ("repeated", same, {}),
                        ("expired", expired, {}),
                        ("of another device", same, {"device_id": f"d{count}"}),
                        ("with a new token", target.token(user, nonce=count), {}),
                    ]
                )
                body = json.dumps(said).encode()
                length = f"Content-Length: {len(body)}"
                send(writer, head("POST", LOGOUT, f"Authorization: Bearer {token}", length) + body)
                did["logouts"] += 1
                answer = await attack.note_answer(reader, f"{kind}:")
                if not answer:
                    return
                # Small answers: the body came with the head, or comes next.
                await reader.read(65_536)
                await attack.pause(0.1)

    await attack.crowd(16, one)
