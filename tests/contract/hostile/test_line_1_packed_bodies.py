"""Issue 15, line 1: packed bodies hold nobody up, however they come and whoever reads them."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib

import pytest

from tests.rigs.api_harness import api_settings, running_api
from tests.rigs.harness import Ingest, exchange, token

KINDS = ("once", "twice", "chunked")


def request(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: x", "connection: close", *headers]
    if not any("transfer" in header for header in headers):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def zeros(count: int) -> bytes:
    """Gzip of so many zeros, whose check at the end is wrong: a gigabyte is not packed for it."""
    packer = zlib.compressobj(9, wbits=31)
    head = packer.compress(b"\0") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b"\0" * 10_000_000) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * (count // 10_000_000) + packer.flush()


@pytest.fixture(scope="module")
def requests() -> dict[str, tuple[bytes, str]]:
    """Body and headers by kind; packed here, as each process of a run imports all modules."""
    bomb = zeros(2_000_000_000)
    twice = gzip.compress(bomb, 9)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(bomb), bomb)
    return {
        "once": (bomb, "content-encoding: gzip"),
        "twice": (twice, "content-encoding: gzip, gzip"),
        "chunked": (chunked, "content-encoding: gzip\r\ntransfer-encoding: chunked"),
    }


async def longest_pause(port: int, requests: list[bytes]) -> tuple[float, set[int]]:
    """How much CPU the loop, which the server runs on too, took before others had a turn, in
    seconds; and the statuses."""
    pauses = [0.0]

    async def watch() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.005)
            pauses.append(time.thread_time() - before)

    watcher = asyncio.create_task(watch())
    statuses: set[int] = set()
    for each in requests:
        try:
            statuses.add((await exchange(port, each)).status)
        except (ConnectionError, asyncio.IncompleteReadError):
            statuses.add(0)  # closed while it was still being sent
    watcher.cancel()
    return max(pauses), statuses


@pytest.mark.parametrize("kind", KINDS)
async def test_line_1_a_bomb_holds_no_phone_up(
    ingest: Ingest, requests: dict[str, tuple[bytes, str]], kind: str
) -> None:
    body, headers = requests[kind]
    bearer = f"authorization: Bearer {token()}"
    pause, statuses = await longest_pause(
        ingest.port,
        [
            request("/api/update-online-status", body, headers, bearer),
            request("/api/update-online-status", body, headers),
            request("/nothing", body, headers),
        ],
    )
    assert pause < 1.0
    assert statuses <= {0, 401, 404, 413}


async def test_line_1_nor_a_reader_or_who_logs_in(
    database_url: str, requests: dict[str, tuple[bytes, str]]
) -> None:
    async with running_api(api_settings(database_url)) as api:
        for body, headers in requests.values():
            pause, statuses = await longest_pause(
                api.port,
                [
                    request(path, body, headers)
                    for path in ("/login", "/api/v1/users/lookup", "/nothing")
                ],
            )
            assert pause < 1.0
            assert statuses <= {0, 401, 404, 413, 415}
