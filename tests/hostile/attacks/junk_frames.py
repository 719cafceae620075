"""Sockets that say what no client says: broken frames, broken JSON, and ever so much of it."""

from __future__ import annotations

import secrets

from websockets.frames import Frame, Opcode

from tests.hostile.target import MET, Attack, send, text_frame


async def attack(attack: Attack) -> None:
    chance, did = attack.chance, attack.did

    def junk() -> bytes:
        noise = secrets.token_bytes(chance.randint(1, 400))
        return chance.choice(
            [
                text_frame(b"["),
                text_frame(b"[" * 5_000),
                text_frame(b"\xff" + noise),
                text_frame(b'{"type": "unknown", "id": 1}'),
                text_frame(b'{"type": "auth", "token": "x.y.z"}'),
                text_frame(b'{"id": {}, "screen": "x"}'),
                text_frame(b"[" + b'{"type": "x"},' * 900 + b"{}]"),
                text_frame(b'{"screen": "' + b"x" * 15_000 + b'"}'),
                Frame(Opcode.TEXT, b'{"screen": "unmasked"}').serialize(mask=False),
                Frame(Opcode.BINARY, noise).serialize(mask=True),
                Frame(Opcode.PONG, noise[:125]).serialize(mask=True),
                Frame(Opcode.CLOSE, noise[:1]).serialize(mask=True),
                # A frame of 2^62 bytes begins; fragments that never end; reserved bits.
                b"\x81\xff\x40" + bytes(7) + b"\0\0\0\0",
                Frame(Opcode.TEXT, noise, fin=False).serialize(mask=True),
                b"\xf1\x80\0\0\0\0",
                noise,
            ]
        )

    async def one(number: int) -> None:
        reads = chance.random() < 0.5
        async with attack.websocket(f"junk-{number}", receive_buffer_bytes=4_096) as (
            reader,
            writer,
        ):
            try:
                for _ in range(300):
                    send(writer, junk())
                    await writer.drain()
                    did["frames"] += 1
                    if reads and not await reader.read(65_536):
                        break
                    await attack.pause(0.02)
            except MET:
                did["cut short"] += 1

    await attack.crowd(20, one)
