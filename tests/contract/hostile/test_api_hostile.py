"""Whoever tries to make the API stumble, from outside."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from prometheus_client import CollectorRegistry

from api.app import TOKEN_WARNINGS, create_app, create_runner
from api.presence.filters import Sort, UserFilter
from api.signing.cursor import Position, encode_cursor
from schemas.http.admin_port import create_admin_app
from tests.conftest import fresh_database
from tests.rigs.api_harness import (
    Api,
    Table,
    api_settings,
    running_api,
    token_by,
)

ONLINE = "/api/v1/online-users"
#: What a position could ask of PostgreSQL that it cannot say.
FORGED = (
    Position(2**63 - 1, "u", 1),
    Position(-(2**63), "u", 1),
    Position(1_000_000, "a\0b", 1),
    Position(1_000_000, "u", -(2**40)),
    Position(1_000_000, "u", 20_000),
)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """Of all: none of these tests stores anything."""
    with fresh_database(postgres_url, template_database) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
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


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        (ONLINE, "GET", 200),
        ("/api/online-users-count", "GET", 200),
        ("/api/openapi.json", "GET", 200),
        ("/api/v1/feed", "HEAD", 200),
        ("/login", "GET", 200),
        ("/static/x/pages/live.js", "GET", 200),
        (f"{ONLINE}?limit=0", "GET", 400),
        ("/api/v1/users/nobody", "GET", 404),
        ("/nothing", "GET", 404),
        (ONLINE, "PUT", 405),
        ("/api/v1/breakdown?by=platform", "GET", 200),
        (f"{ONLINE}?tz=" + "x" * 40_000, "GET", 431),
    ],
)
async def test_no_answer_is_sniffed(api: Api, path: str, method: str, status: int) -> None:
    answer = await api.call(path, method)
    assert answer.status == status
    assert answer.headers.getall("X-Content-Type-Options") == ["nosniff"]


async def test_no_table_and_no_answer_without_http_is_sniffed(api: Api) -> None:
    sheet = await api.call("/api/v1/breakdown?by=platform", headers={"Accept": "text/csv"})
    assert sheet.headers.getall("X-Content-Type-Options") == ["nosniff"]
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(b"nonsense\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    assert b"400 Bad Request" in answer
    assert b"X-Content-Type-Options: nosniff" in answer


async def test_no_answer_of_an_admin_port_is_sniffed() -> None:
    async def waiting() -> str:
        return "waiting"

    async def ready() -> None:
        return None

    registry = CollectorRegistry()
    apps = (
        create_admin_app(registry, ready, list, ready),
        create_admin_app(registry, ready, list),
        create_admin_app(registry, waiting),
    )
    for app in apps:
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            async with aiohttp.ClientSession() as http:
                for path in ("metrics", "healthz", "readyz", "nothing"):
                    async with http.get(f"http://127.0.0.1:{site.port}/{path}") as answer:
                        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        finally:
            await runner.cleanup()


async def test_readiness_tells_why_tokens_do_not_count(database_url: str) -> None:
    """As ingest's does: here staff's secret was given as its base64."""
    secret = b"the secret of the tests, of 32 bytes and more"
    settings = api_settings(
        database_url,
        jwt_secret="a secret of phones, of 32 bytes and more",
        staff_jwt_secret=base64.b64encode(secret).decode(),
    )
    registry = CollectorRegistry()
    app = create_app(settings, registry=registry)
    assert app[TOKEN_WARNINGS]() == []
    runner = create_runner(app, settings)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        headers = {"Authorization": f"Bearer {token_by(secret.decode(), scope='presence:read')}"}
        url = f"http://127.0.0.1:{site.port}{ONLINE}"
        async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
            assert answer.status == 401
    finally:
        await runner.cleanup()
    [warning] = app[TOKEN_WARNINGS]()
    assert "ROLLCALL_STAFF_JWT_SECRET=base64:" in warning
