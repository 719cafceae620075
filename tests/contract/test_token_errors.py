"""Every row of the table of token errors, on both of the phones' calls, for every kind of token."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec

from schemas.http.problems import TOKEN_CODES
from schemas.log.events import Heartbeat, Logout
from schemas.log.settings import KafkaSettings
from schemas.tokens.api_keys import new_key
from tests.authorization_server import (
    AuthorizationServer,
    introspection,
    running_authorization_server,
)
from tests.rigs.harness import (
    Answer,
    Ingest,
    client_events,
    ingest_settings,
    running_ingest,
    token,
)

CALLS = ("/api/update-online-status", "/api/logout-status")
STAFF_SECRET = "the secret of staff, of 32 bytes and more"
NOW = int(time.time())
P256 = ec.generate_private_key(ec.SECP256R1())
GOOD = {"iss": "https://id.example", "aud": "phones"}

#: Rows of JWTs by secret: the Authorization header, and the code.
JWT_ROWS: dict[str, tuple[str | None, str]] = {
    "no header": (None, "token_missing"),
    "another scheme": ("Basic YTpi", "token_missing"),
    "no token": ("Bearer ", "token_missing"),
    "expired long ago": (f"Bearer {token(exp=1, **GOOD)}", "token_expired"),
    "not valid yet": (f"Bearer {token(nbf=NOW + 3600, **GOOD)}", "token_not_yet_valid"),
    "signed by nobody": (f"Bearer {token('u1', 'x' * 40, **GOOD)}", "bad_signature"),
    "signed for staff": (
        f"Bearer {token('u1', STAFF_SECRET, scope='presence:read', **GOOD)}",
        "bad_signature",
    ),
    "for staff, by the same issuer": (
        f"Bearer {token(**{**GOOD, 'aud': 'staff'})}",
        "wrong_audience",
    ),
    "for nobody": (f"Bearer {token(iss=GOOD['iss'])}", "wrong_audience"),
    "by another issuer": (f"Bearer {token(**{**GOOD, 'iss': 'x'})}", "wrong_issuer"),
    "no JWT": ("Bearer opaque", "token_invalid"),
    "no user": (f"Bearer {token('', **GOOD)}", "token_invalid"),
    "a service's key": (f"Bearer {new_key()}", "token_invalid"),
}
#: Rows of opaque tokens: what the authorization server says, and the code.
OPAQUE_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "inactive": ({"active": False}, "token_revoked"),
    "expired, says our clock": ({"active": True, "sub": "u1", "exp": 1, **GOOD}, "token_expired"),
    "for staff": ({"active": True, "sub": "u1", **GOOD, "aud": "staff"}, "wrong_audience"),
    "by another issuer": ({"active": True, "sub": "u1", **GOOD, "iss": "x"}, "wrong_issuer"),
    "no user": ({"active": True, **GOOD}, "token_invalid"),
}


async def call(ingest: Ingest, path: str, authorization: str | None) -> Answer:
    if authorization is None:
        return await ingest.call(path)
    return await ingest.call(path, authorization=authorization)


def assert_refused(answer: Answer, code: str) -> None:
    assert (answer.status, answer.json["code"]) == (401, code)
    assert answer.json["success"] is False
    assert answer.json["detail"]
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="rollcall"')
    assert ("invalid_token" in challenge) == (code != "token_missing")


def assert_unavailable(answer: Answer) -> None:
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert 1 <= int(answer.headers["retry-after"]) <= 5
    assert "www-authenticate" not in answer.headers


def audience(**values: Any) -> dict[str, Any]:
    return {"jwt_issuer": GOOD["iss"], "jwt_audience": GOOD["aud"], **values}


@pytest.fixture
async def ingest(kafka_settings: KafkaSettings) -> AsyncIterator[Ingest]:
    async with running_ingest(ingest_settings(kafka_settings, **audience())) as running:
        yield running


@pytest.fixture
async def server() -> AsyncIterator[AuthorizationServer]:
    async with running_authorization_server() as running:
        yield running


@pytest.fixture
async def opaque(
    kafka_settings: KafkaSettings, server: AuthorizationServer
) -> AsyncIterator[Ingest]:
    """An ingest for opaque tokens."""
    settings = ingest_settings(kafka_settings, **audience(**introspection(server)))
    async with running_ingest(settings) as running:
        yield running


@asynccontextmanager
async def ingest_with_key_set(kafka: KafkaSettings, status: int) -> AsyncIterator[Ingest]:
    """An ingest whose keys are at a URL that answers with this status."""
    listed = json.loads(jwt.get_algorithm_by_name("ES256").to_jwk(P256.public_key()))
    body = json.dumps({"keys": [{**listed, "kid": "k1", "alg": "ES256"}]})

    async def keys(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    app = web.Application()
    app.router.add_get("/jwks.json", keys)
    async with TestServer(app) as running:
        settings = ingest_settings(kafka, jwks_url=str(running.make_url("/jwks.json")))
        async with running_ingest(settings) as ingest:
            yield ingest


async def test_a_jwt_that_is_refused_is_told_its_cause(ingest: Ingest) -> None:
    for path in CALLS:
        for row, (authorization, code) in JWT_ROWS.items():
            answer = await call(ingest, path, authorization)
            assert answer.status == 401, row
            assert_refused(answer, code)


async def test_an_opaque_token_that_is_refused_is_told_its_cause(
    opaque: Ingest, server: AuthorizationServer
) -> None:
    for path in CALLS:
        for number, (row, (claims, code)) in enumerate(OPAQUE_ROWS.items()):
            server.tokens[f"t-{number}"] = claims
            answer = await call(opaque, path, f"Bearer t-{number}")
            assert answer.status == 401, row
            assert_refused(answer, code)
        assert_refused(await call(opaque, path, None), "token_missing")
        for odd in ("no bearer token!", new_key()):
            assert_refused(await call(opaque, path, f"Bearer {odd}"), "token_invalid")


async def test_a_key_that_its_issuer_does_not_list_is_unknown(
    kafka_settings: KafkaSettings,
) -> None:
    signed = jwt.encode({"sub": "u1"}, P256, "ES256", headers={"kid": "k2"})
    async with ingest_with_key_set(kafka_settings, 200) as ingest:
        for path in CALLS:
            assert_refused(await call(ingest, path, f"Bearer {signed}"), "unknown_key")


def test_every_row_of_the_table_is_tested_here() -> None:
    codes = {code for _, code in (*JWT_ROWS.values(), *OPAQUE_ROWS.values())}
    assert codes | {"unknown_key"} == TOKEN_CODES


async def test_an_issuer_that_is_away_is_503_and_never_401(
    kafka_settings: KafkaSettings, opaque: Ingest, server: AuthorizationServer
) -> None:
    server.status = 503
    for number, path in enumerate(CALLS):
        assert_unavailable(await call(opaque, path, f"Bearer t-{number}"))
    signed = jwt.encode({"sub": "u1"}, P256, "ES256", headers={"kid": "k1"})
    async with ingest_with_key_set(kafka_settings, 500) as ingest:
        for path in CALLS:
            assert_unavailable(await call(ingest, path, f"Bearer {signed}"))


async def test_an_opaque_token_brings_heartbeat_and_logout_into_the_log(
    kafka_settings: KafkaSettings, opaque: Ingest, server: AuthorizationServer
) -> None:
    server.issue("t-1", sid="s1", name="Zoë", exp=NOW + 86_400, **GOOD)
    for path in CALLS:
        assert (await call(opaque, path, "Bearer t-1")).status == 200
    assert server.requests == 1
    heartbeat, logout = await client_events(kafka_settings)
    assert isinstance(heartbeat, Heartbeat)
    assert (heartbeat.user, heartbeat.token, heartbeat.name) == ("u1", "sid:s1", "Zoë")
    assert isinstance(logout, Logout)
    assert (logout.user, logout.token) == ("u1", "sid:s1")
    assert logout.token_expires_ms == (NOW + 86_400 + 30) * 1000
