"""What is no request, or two at once: noise, endless headers, lengths that contradict."""

from __future__ import annotations

import secrets

from tests.hostile.target import HEARTBEAT, Attack, head, send


async def attack(attack: Attack) -> None:
    target, chance, did = attack.target, attack.chance, attack.did

    def junk() -> bytes:
        bearer = f"Authorization: Bearer {target.token('smuggler')}"
        return chance.choice(
            [
                secrets.token_bytes(chance.randint(1, 2_000)),
                b"\x16\x03\x01" + secrets.token_bytes(200),  # TLS at a plain port
                b"GET / HTTP/1.1\r\n" + b"X-%d: y\r\n" % 1 * 3_000,
                head("GET", "/" + "a" * 60_000),
                head("GET", "/api/v1/users/%00%ff%zz?cursor=" + "A" * 3_000, bearer),
                head("POST", HEARTBEAT, bearer, "Content-Length: -1"),
                head("POST", HEARTBEAT, bearer, "Content-Length: 99999999999999999999"),
                head("POST", HEARTBEAT, bearer, "Content-Length: 2", "Content-Length: 4") + b"{}{}",
                head("POST", HEARTBEAT, bearer, "Content-Length: 3", "Transfer-Encoding: chunked")
                + b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
                head("POST", HEARTBEAT, bearer, "Transfer-Encoding: chunked")
                + b"ffffffffffffffff\r\n{}\r\n",
                head("GET", HEARTBEAT, bearer) * 500,
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            ]
        )

    async def one(number: int) -> None:
        async with attack.connection(chance.choice(target.ports)) as (reader, writer):
            send(writer, junk())
            did["requests"] += 1
            if chance.random() < 0.7:
                await attack.note_answer(reader)
        await attack.pause(0.3)

    await attack.crowd(8, one)
