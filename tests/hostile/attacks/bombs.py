"""Two megabytes that unpack to two thousand, sent to where they are read and to where not."""

from __future__ import annotations

import gzip
import zlib
from typing import Final

from tests.hostile.target import HEARTBEAT, LOGOUT, Attack, head, send

_BLOCK_BYTES: Final = 1 << 24
_BLOCKS: Final = 120
_CHUNK_BYTES: Final = 65_536


def _zeros(window_bits: int) -> bytes:
    """Zeros, packed. Each block is flushed whole, so one is packed and repeated: the checksum at
    the end would be wrong, but nobody who gets there is still well."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    first = packer.compress(bytes(_BLOCK_BYTES)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(_BLOCK_BYTES)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * _BLOCKS


async def attack(attack: Attack) -> None:
    target, chance, did = attack.target, attack.chance, attack.did
    gzipped, deflated = _zeros(31), _zeros(15)
    twice = gzip.compress(gzipped)
    bodies = [
        ("gzip", gzipped),
        ("deflate", deflated),
        ("gzip, gzip", twice),
        ("br", gzipped),
        ("identity", gzipped),
    ]
    paths = [
        (target.ingest_port, HEARTBEAT),
        (target.ingest_port, LOGOUT),
        (target.ingest_port, "/nowhere"),
        (target.api_port, "/api/v1/users/lookup"),
        (target.api_port, "/api/v1/audiences/export"),
        (target.api_port, "/login"),
        (target.api_port, "/nowhere"),
    ]

    async def one(number: int) -> None:
        port, path = chance.choice(paths)
        encoding, body = chance.choice(bodies)
        headers = ["Content-Type: application/json", f"Content-Encoding: {encoding}"]
        if chance.random() < 0.5:
            token = target.token(f"bomber-{number}", scope="presence:read presence:export")
            headers.append(f"Authorization: Bearer {token}")
        chunked = chance.random() < 0.3
        headers.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}")
        async with attack.connection(port) as (reader, writer):
            send(writer, head("POST", path, *headers))
            did["bombs"] += 1
            try:
                for at in range(0, len(body), _CHUNK_BYTES):
                    chunk = body[at : at + _CHUNK_BYTES]
                    send(writer, b"%x\r\n%s\r\n" % (len(chunk), chunk) if chunked else chunk)
                    await writer.drain()
            except OSError:
                did["cut short"] += 1
            await attack.note_answer(reader)
        await attack.pause(1.0)

    await attack.crowd(4, one)
