"""Answers of other people's servers, read no further than they should be long."""

from __future__ import annotations

import aiohttp


async def read_at_most(answer: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The body. Raises ``ValueError`` on one that is longer."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise ValueError(f"more than {max_bytes} bytes")
    return bytes(body)
