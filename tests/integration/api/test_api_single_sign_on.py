"""Single sign-on: whom a trusted proxy names reads, and nobody else can name anybody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from http.client import HTTPConnection

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from api.access.api_keys import ApiKeys
from api.access.browser_session import BrowserSessions
from api.access.browser_session_table import SessionTable
from api.access.readers import Readers
from api.access.single_sign_on import SingleSignOn
from api.http.door import Door
from api.metrics import ApiMetrics
from api.postgres.database import Database
from api.signing.secret import ApiSecret
from schemas.tokens.door import TokenDoor
from schemas.tokens.verifiers import phone_verifier
from tests.rigs.api_harness import (
    DEADLINE_SECONDS,
    Answer,
    Api,
    api_settings,
    running_api,
    token,
)

ONLINE = "/api/v1/online-users"
LOOKUP = "/api/v1/users/lookup"
PROXY, STRANGER = "127.0.0.2", "127.0.0.3"
ADA = ("X-Staff-User", "ada@example.com")
SIGN_ON = {"sso_user_header": "X-Staff-User", "sso_trusted_proxies": f"{PROXY}, 10.0.0.0/8"}
NAVIGATION = (
    ("Sec-Fetch-Site", "cross-site"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Dest", "document"),
)
IGNORED = "rollcall_api_sign_on_ignored_total"


class Caller:
    """Calls one API from addresses of its own choice, with exactly these headers."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def get(self, *headers: tuple[str, str], path: str = ONLINE, by: str = PROXY) -> Answer:
        return await asyncio.to_thread(self._call, "GET", path, headers, by, None)

    async def post(self, *headers: tuple[str, str], path: str, body: str) -> Answer:
        return await asyncio.to_thread(self._call, "POST", path, headers, PROXY, body)

    def _call(
        self, method: str, path: str, headers: Sequence[tuple[str, str]], by: str, body: str | None
    ) -> Answer:
        connection = HTTPConnection(
            "127.0.0.1", self._port, timeout=DEADLINE_SECONDS, source_address=(by, 0)
        )
        try:
            connection.putrequest(method, path)
            for name, value in headers:
                connection.putheader(name, value.encode())
            content = None if body is None else body.encode()
            if content is not None:
                connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()


@pytest.fixture
def database_url(cleared_database_url: str) -> str:
    return cleared_database_url


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(database_url, **SIGN_ON)) as running:
        yield running


@pytest.fixture
def caller(api: Api) -> Caller:
    return Caller(api.port)


async def test_whom_a_trusted_proxy_names_reads_the_api_and_sees_the_dashboard(
    caller: Caller,
) -> None:
    assert (await caller.get(ADA)).status == 200
    page = await caller.get(ADA, path="/")
    assert page.status == 200
    assert "set-cookie" not in page.headers
    assert (await caller.get(ADA, path="/users")).status == 200
    # HTTP does not care for the case of a header's name.
    assert (await caller.get(("x-staff-USER", "ada@example.com"))).status == 200


async def test_nobody_named_is_nobody(caller: Caller) -> None:
    assert (await caller.get()).status == 401
    for name in ("", "  "):
        assert (await caller.get(("X-Staff-User", name))).status == 401
    page = await caller.get(path="/")
    assert (page.status, page.headers["Location"]) == (303, "/login")


async def test_from_anybody_else_the_header_is_ignored_counted_and_told_once(
    api: Api, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="api.access.single_sign_on"):
        for _ in range(3):
            assert (await caller.get(ADA, by=STRANGER)).status == 401
        forwarded = ("X-Forwarded-For", PROXY)
        assert (await caller.get(ADA, forwarded, by=STRANGER)).status == 401
    assert api.metric(IGNORED) == 4
    [told] = [record.getMessage() for record in caplog.records]
    assert "X-Staff-User" in told
    assert "ROLLCALL_SSO_TRUSTED_PROXIES" in told
    assert STRANGER not in told
    # It takes nothing from those who have a token.
    bearer = ("Authorization", f"Bearer {token()}")
    assert (await caller.get(ADA, bearer, by=STRANGER)).status == 200


async def test_without_the_setting_no_header_means_anything(database_url: str) -> None:
    async with running_api(api_settings(database_url)) as api:
        for name in ("X-Staff-User", "X-Forwarded-User", "X-Forwarded-Email", "Remote-User"):
            assert (await Caller(api.port).get((name, "ada@example.com"))).status == 401
        assert api.metric(IGNORED) == 0


@pytest.mark.parametrize(
    "headers",
    [
        [ADA, ("X-Staff-User", "mallory")],
        [("x-staff-user", "mallory"), ADA],
        [ADA, ("X-Staff-User", "")],
        [("X-Staff-User", "mallory, ada@example.com")],
    ],
)
async def test_a_name_that_a_client_could_have_added_is_refused(
    caller: Caller, headers: list[tuple[str, str]]
) -> None:
    for path in (ONLINE, "/"):
        answer = await caller.get(*headers, path=path)
        assert answer.status == 400
        assert b"the proxy must replace what clients send" in answer.body


@pytest.mark.parametrize("name", ["a" * 257, "ada\u0085"])
async def test_a_name_that_no_user_can_have_is_refused(caller: Caller, name: str) -> None:
    answer = await caller.get(("X-Staff-User", name))
    assert (answer.status, answer.json["code"]) == (400, "bad_request")


async def test_a_token_goes_before_the_name(caller: Caller) -> None:
    refused = await caller.get(ADA, ("Authorization", "Bearer nonsense"))
    assert (refused.status, refused.json["code"]) == (401, "token_invalid")
    without_scope = await caller.get(ADA, ("Authorization", f"Bearer {token(scope=None)}"))
    assert without_scope.status == 403


async def test_other_sites_pages_cannot_make_use_of_a_sign_on(caller: Caller) -> None:
    cross_site = ("Sec-Fetch-Site", "cross-site")
    assert (await caller.get(ADA, cross_site)).status == 401
    assert (await caller.get(ADA, ("Sec-Fetch-Site", "same-site"))).status == 401
    assert (await caller.get(ADA, ("Sec-Fetch-Site", "same-origin"))).status == 200
    frame = [*NAVIGATION[:2], ("Sec-Fetch-Dest", "iframe")]
    assert (await caller.get(ADA, *frame, path="/")).status == 303
    # A POST counts from our own pages, and from programs, which send none of a browser's headers.
    own_page = ("Sec-Fetch-Site", "same-origin")
    foreign_origin = ("Origin", "https://elsewhere.example")
    for headers, status in (
        ([ADA], 200),
        ([ADA, own_page], 200),
        ([ADA, cross_site], 401),
        ([ADA, *NAVIGATION], 401),
        ([ADA, foreign_origin], 400),
    ):
        lookup = await caller.post(*headers, path=LOOKUP, body='{"user_ids": ["u1"]}')
        assert lookup.status == status, headers


async def test_what_changes_something_is_taken_from_our_own_page_only(database_url: str) -> None:
    settings = api_settings(database_url, **SIGN_ON)
    metrics = ApiMetrics(CollectorRegistry())
    database = Database(settings, metrics)
    readers = Readers(
        phone_verifier(settings),
        None,
        ApiKeys(database),
        BrowserSessions(settings, ApiSecret(database), SessionTable(database)),
        SingleSignOn(settings, metrics),
        TokenDoor(settings.auth_failures, key_set=lambda: 0, limited=lambda: None),
        settings.proxies,
    )

    async def change(request: web.Request) -> web.Response:
        reader = await readers.admit(request, cookie=True)
        return web.Response(text=reader.user)

    app = web.Application()
    app.router.add_post("/change", Door(metrics).guard("other", change))
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        caller = Caller(site.port)
        for allowed in (
            ("Sec-Fetch-Site", "same-origin"),
            ("Origin", f"http://127.0.0.1:{site.port}"),
        ):
            answer = await caller.post(ADA, allowed, path="/change", body="")
            assert (answer.status, answer.body) == (200, b"ada@example.com")
        refused = await caller.post(ADA, ("Origin", "http://evil.example"), path="/change", body="")
        assert (refused.status, refused.json["code"]) == (400, "bad_request")
        refused = await caller.post(ADA, *NAVIGATION, path="/change", body="")
        assert refused.status == 401
    finally:
        await runner.cleanup()


async def test_the_way_back_from_the_identity_provider_ends_on_the_page(caller: Caller) -> None:
    assert (await caller.get(ADA, *NAVIGATION, path="/")).status == 200


async def test_scopes_may_be_fixed(database_url: str) -> None:
    settings = api_settings(database_url, **SIGN_ON, sso_scopes="presence:write")
    async with running_api(settings) as api:
        answer = await Caller(api.port).get(ADA)
        assert (answer.status, answer.json["code"]) == (403, "scope_missing")


async def test_whose_sign_on_may_too_little_can_log_in_with_a_token(database_url: str) -> None:
    settings = api_settings(database_url, **SIGN_ON, sso_scopes="presence:write")
    async with running_api(settings) as api:
        caller = Caller(api.port)
        page = await caller.get(ADA, path="/")
        assert (page.status, page.headers["Location"]) == (303, "/login?why=scope")
        login = await caller.post(ADA, path="/login", body=f"token={token()}")
        assert login.status == 303
        cookie = login.headers["Set-Cookie"].partition(";")[0]
        assert (await caller.get(ADA, ("Cookie", cookie), path="/")).status == 200
        assert (await caller.get(ADA, ("Cookie", cookie))).status == 200


async def test_scopes_may_come_from_the_proxy_and_then_from_nowhere_else(
    database_url: str,
) -> None:
    settings = api_settings(database_url, **SIGN_ON, sso_scopes_header="X-Staff-Scopes")
    async with running_api(settings) as api:
        caller = Caller(api.port)

        async def status(*scopes: str) -> int:
            return (await caller.get(ADA, *(("X-Staff-Scopes", each) for each in scopes))).status

        assert await status("presence:read") == 200
        assert await status("presence:write presence:read") == 200
        assert await status("presence:write") == 403
        assert await status("") == 403
        assert await status() == 403
        assert await status("presence:write", "presence:read") == 400
        assert await status("presence:write, presence:read") == 400
        scopes_alone = await caller.get(("X-Staff-Scopes", "presence:read"))
        assert scopes_alone.status == 401
