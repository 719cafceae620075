"""Whoever tries to make the API stumble, from outside."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from api.cursor import Position, encode_cursor
from api.filters import Sort, UserFilter
from tests.integration.api_harness import Api, Table, api_settings, running_api

ONLINE = "/api/v1/online-users"
#: What a position could ask of PostgreSQL that it cannot say.
FORGED = (
    Position(2**63 - 1, "u", 1),
    Position(-(2**63), "u", 1),
    Position(1_000_000, "a\0b", 1),
    Position(1_000_000, "u", -(2**40)),
    Position(1_000_000, "u", 20_000),
)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(database_url)) as running:
        yield running


def forged(position: msgspec.Struct, context: bytes) -> str:
    """With the checksum that cursors had before it was keyed."""
    payload = msgspec.msgpack.encode(position)
    checksum = hashlib.blake2b(
        context + b"\0" + payload, digest_size=9, person=b"rollcall-cursor"
    ).digest()
    return base64.urlsafe_b64encode(checksum + payload).rstrip(b"=").decode()


@pytest.mark.parametrize("sort", ["-changed_at", "-last_active"])
@pytest.mark.parametrize("position", FORGED)
async def test_a_forged_cursor_is_a_400_and_never_a_500(
    api: Api, position: Position, sort: Any
) -> None:
    context = UserFilter("online", sort=sort).context
    answer = await api.get(ONLINE, sort=sort, cursor=forged(position, context))
    assert (answer.status, answer.json["code"]) == (400, "bad_cursor")


async def test_a_position_that_nobody_stores_is_a_400_even_with_our_own_key(
    api: Api, database_url: str
) -> None:
    table = Table(database_url)
    [(secret,)] = table.run("SELECT secret FROM api_secret")
    table.close()
    sorts: tuple[Sort, ...] = ("-changed_at", "-last_active")
    for sort in sorts:
        context = UserFilter("online", sort=sort).context
        for position in FORGED[:4]:
            cursor = encode_cursor(position, context, bytes(secret))
            answer = await api.get(ONLINE, sort=sort, cursor=cursor)
            assert (answer.status, answer.json["code"]) == (400, "bad_cursor")
    # The longest list has an end, and what is behind it is nothing.
    cursor = encode_cursor(FORGED[4], context, bytes(secret))
    answer = await api.get(ONLINE, sort="-last_active", cursor=cursor)
    assert (answer.status, answer.user_ids, answer.json["next_cursor"]) == (200, [], None)
