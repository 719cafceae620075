"""Tokens that do not count, at both doors, known ones and ever new ones: an old app version, or a
guesser, at the address that honest phones share."""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

from tests.hostile.target import HEARTBEAT, LOGOUT, Attack, Target, head, send


async def attack(attack: Attack) -> None:
    target, chance, did = attack.target, attack.chance, attack.did
    # What an old version goes on sending, and never anything else.
    same = [target.token(f"old-{n}", lasts_seconds=-90_000) for n in range(50)]

    def bad_token() -> str:
        return chance.choice(
            [
                chance.choice(same),
                target.token(secrets.token_hex(4), lasts_seconds=-3600),
                Target(0, 0, "another secret, of thirty-two bytes").token(secrets.token_hex(4)),
                secrets.token_urlsafe(30),
                f"eyJhbGciOiJIUzI1NiJ9.{secrets.token_urlsafe(60)}.x",
                "rk_" + secrets.token_urlsafe(32),
                "[" * 2_000,
            ]
        )

    async def one(number: int) -> None:
        port = chance.choice(target.ports)
        async with attack.connection(port) as (reader, writer):
            for _ in range(chance.randint(1, 30)):
                bearer = f"Authorization: Bearer {bad_token()}"
                if port == target.ingest_port:
                    path = chance.choice([HEARTBEAT, LOGOUT])
                    send(writer, head("POST", path, bearer, "Content-Length: 0"))
                elif chance.random() < 0.7:
                    send(writer, head("GET", "/api/v1/online-users", bearer))
                else:
                    form = urlencode({"token": bad_token()}).encode()
                    kind = "Content-Type: application/x-www-form-urlencoded"
                    length = f"Content-Length: {len(form)}"
                    send(writer, head("POST", "/login", kind, length) + form)
                did["tries"] += 1
                answer = await attack.note_answer(reader)
                if not answer:
                    return
                await reader.readexactly(_length(answer))
                await attack.pause(0.08)

    await attack.crowd(24, one)


def _length(answer: bytes) -> int:
    for line in answer.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    raise ConnectionError("an answer without a length")
