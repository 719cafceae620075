"""Staff with an issuer of its own: phones' tokens read nothing, whatever their scopes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.roles.api_keys import KeyTable
from tests.authorization_server import (
    AuthorizationServer,
    introspection,
    running_authorization_server,
)
from tests.rigs.api_harness import (
    SECRET,
    Answer,
    Api,
    api_settings,
    running_api,
    token,
    token_by,
)

ONLINE = "/api/v1/online-users"
STAFF_SECRET = "the secret of staff, of 32 bytes and more"


def staff_token(**claims: Any) -> str:
    return token_by(STAFF_SECRET, **{"scope": "presence:read", **claims})


@pytest.fixture
def database_url(cleared_database_url: str) -> str:
    return cleared_database_url


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(database_url, staff_jwt_secret=STAFF_SECRET)) as running:
        yield running


def assert_problem(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.json["code"]) == (status, code)


def assert_a_phones(answer: Answer) -> None:
    assert_problem(answer, 403, "scope_missing")
    assert "phone's token" in answer.json["detail"]
    assert "insufficient_scope" in answer.headers["WWW-Authenticate"]


async def test_a_phones_token_reads_nothing_whatever_its_scope(api: Api) -> None:
    for scope in ("presence:read", None):
        for _ in range(2):  # known, too
            assert_a_phones(await api.call(ONLINE, bearer=token(scope=scope)))
    page = await api.call("/login", "POST", bearer=None, data={"token": token()})
    assert page.status == 403
    assert "phone" in page.body.decode()


async def test_staff_reads_by_scope(api: Api) -> None:
    assert (await api.call(ONLINE, bearer=staff_token())).status == 200
    answer = await api.call(ONLINE, bearer=staff_token(scope="presence:write"))
    assert_problem(answer, 403, "scope_missing")
    assert "phone" not in answer.json["detail"]


@pytest.mark.parametrize(
    ("bearer", "code"),
    [
        (staff_token(exp=1), "token_expired"),
        (token(exp=1), "bad_signature"),
        (token_by("nobody's secret, of 32 bytes and more"), "bad_signature"),
        ("nonsense", "token_invalid"),
    ],
)
async def test_what_is_neither_is_told_why_staff_does_not_take_it(
    api: Api, bearer: str, code: str
) -> None:
    assert_problem(await api.call(ONLINE, bearer=bearer), 401, code)


async def test_keys_count_beside_staff(database_url: str, api: Api) -> None:
    key = KeyTable(database_url).create("CRM", ["presence:read"], None)
    assert (await api.call(ONLINE, bearer=key)).status == 200


async def test_one_issuer_may_tell_staff_by_audience(database_url: str) -> None:
    settings = api_settings(
        database_url,
        jwt_audience="phones",
        staff_jwt_secret=SECRET,
        staff_jwt_audience="staff",
        staff_jwt_issuer="https://id.example",
    )
    async with running_api(settings) as api:
        staff = token(aud="staff", iss="https://id.example")
        assert (await api.call(ONLINE, bearer=staff)).status == 200
        assert_a_phones(await api.call(ONLINE, bearer=token(aud="phones", iss="https://x")))
        assert_problem(await api.call(ONLINE, bearer=token(aud="other")), 401, "wrong_issuer")
        other = token(aud="other", iss="https://id.example")
        assert_problem(await api.call(ONLINE, bearer=other), 401, "wrong_audience")


@pytest.fixture
async def server() -> AsyncIterator[AuthorizationServer]:
    async with running_authorization_server() as running:
        yield running


async def test_phones_with_opaque_tokens_are_told_from_staff_too(
    database_url: str, server: AuthorizationServer
) -> None:
    phone = server.issue("opaque-1", scope="presence:read")
    settings = api_settings(database_url, **introspection(server), staff_jwt_secret=STAFF_SECRET)
    async with running_api(settings) as api:
        assert_a_phones(await api.call(ONLINE, bearer=phone))
        assert_problem(await api.call(ONLINE, bearer="opaque-2"), 401, "token_invalid")
        asked = server.requests
        assert (await api.call(ONLINE, bearer=staff_token())).status == 200
        assert_problem(await api.call(ONLINE, bearer=staff_token(exp=1)), 401, "token_expired")
        assert server.requests == asked, "staff's tokens are not shown to the phones' issuer"
        server.status = 503
        assert_problem(await api.call(ONLINE, bearer="opaque-3"), 401, "token_invalid")


async def test_without_staff_the_scopes_of_an_opaque_token_count(
    database_url: str, server: AuthorizationServer
) -> None:
    server.issue("reader", scope="presence:read")
    server.issue("phone")
    async with running_api(api_settings(database_url, **introspection(server))) as api:
        assert (await api.call(ONLINE, bearer="reader")).status == 200
        assert_problem(await api.call(ONLINE, bearer="phone"), 403, "scope_missing")
        assert_problem(await api.call(ONLINE, bearer="unknown"), 401, "token_revoked")
        server.status = 500
        answer = await api.call(ONLINE, bearer="another")
        assert_problem(answer, 503, "unavailable")
        assert 1 <= int(answer.headers["Retry-After"]) <= 5
