"""Who is let in, and what everybody else is told: tokens, cookies, methods, errors."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import AsyncIterator, Iterator
from http.cookies import Morsel, SimpleCookie
from typing import Any
from urllib.parse import urljoin

import pytest
import pytest_asyncio

from deploy.local import maven, webjars
from tests.conftest import fresh_database
from tests.rigs.api_harness import Answer, Api, Table, api_settings, running_api, token

Headers = dict[str, str]

ONLINE = "/api/v1/online-users"
ANALYTICS = [
    "/api/v1/screens",
    "/api/v1/screens/engagement",
    "/api/v1/screens/Home",
    "/api/v1/flows",
    "/api/v1/funnel",
    "/api/v1/retention",
    "/api/v1/health",
    "/api/v1/outages",
    "/api/v1/screen-rules",
    "/api/v1/concurrency",
    "/api/v1/active-users",
    "/api/v1/breakdown",
    "/api/v1/sessions/summary",
    "/api/v1/users/u1/timeline",
]
PROTECTED = [
    ("GET", ONLINE),
    ("GET", "/api/v1/users"),
    ("GET", "/api/v1/users/u1"),
    ("POST", "/api/v1/users/lookup"),
    *(("GET", path) for path in ANALYTICS),
]


# Nothing is stored here: all tests share an API and its empty database.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    with fresh_database(postgres_url, template_database) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running_api(
        api_settings(database_url, jwt_leeway_seconds=0, cors_origins="https://app.example.com")
    ) as running:
        yield running


def assert_problem(answer: Answer, status: int, code: str) -> None:
    assert answer.status == status
    problem = answer.json
    assert problem.keys() == {
        *("type", "title", "status", "detail", "code", "errors", "request_id")
    }
    assert problem["type"] == "about:blank"
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("method", "path"), PROTECTED)
async def test_without_a_token_nobody_reads_of_people(api: Api, method: str, path: str) -> None:
    answer = await api.call(path, method, bearer=None)
    assert_problem(answer, 401, "token_missing")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="rollcall"'


#: That are not the one; each call gets one of them.
OTHER_SCOPES = (None, "", "presence:write", "presence:readall", "presence")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        *((*call, OTHER_SCOPES[number % 5]) for number, call in enumerate(PROTECTED)),
        *(("GET", ONLINE, scope) for scope in OTHER_SCOPES[1:]),
    ],
)
async def test_a_token_without_the_scope_is_not_enough(
    api: Api, method: str, path: str, scope: str | None
) -> None:
    answer = await api.call(path, method, bearer=token(scope=scope))
    assert_problem(answer, 403, "scope_missing")
    assert "insufficient_scope" in answer.headers["WWW-Authenticate"]
    assert "presence:read" in answer.json["detail"]


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": "other presence:read"},
        {"scope": None, "scp": ["presence:read"]},
        {"scope": None, "scopes": ["presence:read"]},
        {"scope": None, "permissions": ["x", "presence:read"]},
    ],
)
async def test_scopes_are_found_where_issuers_put_them(api: Api, claims: dict[str, Any]) -> None:
    assert (await api.call(ONLINE, bearer=token(**claims))).status == 200


@pytest.mark.parametrize(
    ("bearer", "code"),
    [
        (token(exp=1), "token_expired"),
        (token(nbf=int(time.time()) + 3600), "token_not_yet_valid"),
        (token()[:-8] + "AAAAAAAA", "bad_signature"),
        ("nonsense", "token_invalid"),
        ("é", "token_invalid"),
    ],
)
async def test_a_bad_token_is_told_its_cause(api: Api, bearer: str, code: str) -> None:
    before = api.metric("rollcall_api_token_refusals_total", code=code)
    answer = await api.call(ONLINE, bearer=bearer)
    assert_problem(answer, 401, code)
    assert code in answer.headers["WWW-Authenticate"]
    assert api.metric("rollcall_api_token_refusals_total", code=code) == before + 1


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic YTpi", token()])
async def test_only_a_bearer_header_counts(api: Api, authorization: str) -> None:
    answer = await api.call(ONLINE, bearer=None, headers={"Authorization": authorization})
    assert_problem(answer, 401, "token_missing")


async def test_the_scheme_may_be_written_in_any_case(api: Api) -> None:
    headers = {"Authorization": f"bEARER {token()}"}
    assert (await api.call(ONLINE, bearer=None, headers=headers)).status == 200


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/api/online-users-count", "GET, HEAD"),
        (ONLINE, "GET, HEAD"),
        ("/api/v1/users", "GET, HEAD"),
        ("/api/v1/users/u1", "DELETE, GET, HEAD"),
        ("/api/v1/users/u1/tracking", "GET, HEAD, PUT"),
        ("/api/v1/users/u1/data", "GET, HEAD"),
        ("/api/v1/users/lookup", "DELETE, GET, HEAD, POST"),
        *((path, "GET, HEAD") for path in ANALYTICS),
        ("/", "GET, HEAD"),
        ("/users", "GET, HEAD"),
        ("/login", "GET, HEAD, POST"),
        ("/logout", "POST"),
        ("/static/x/rollcall.css", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(api: Api, path: str, allow: str) -> None:
    for method in {"DELETE", "PUT", "PATCH"} - {*allow.split(", ")}:
        answer = await api.call(path, method, bearer=None)
        assert_problem(answer, 405, "method_not_allowed")
        assert answer.headers["Allow"] == allow


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api", "/favicon.ico", "/static/x/y.js"])
async def test_an_unknown_path_is_not_found(api: Api, path: str) -> None:
    assert_problem(await api.call(path, bearer=None), 404, "not_found")


@pytest.mark.parametrize("path", [ONLINE, "/api/v1/users", "/login", "/static/x/rollcall.css"])
async def test_head_works_where_get_does(api: Api, path: str) -> None:
    get, head = await api.call(path), await api.call(path, "HEAD")
    assert (get.status, head.status, head.body) == (200, 200, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


async def test_a_sane_request_id_is_taken_over_and_no_other(api: Api) -> None:
    for path in (ONLINE, "/api/online-users-count", "/nothing", "/login"):
        given = await api.call(path, headers={"X-Request-ID": "trace/1.2:3"})
        assert given.headers["X-Request-ID"] == "trace/1.2:3"
        for odd in ("", "x" * 129, "a b", "<script>"):
            made = await api.call(path, headers={"X-Request-ID": odd})
            assert made.headers["X-Request-ID"] != odd
            assert 16 <= len(made.headers["X-Request-ID"]) <= 32


async def test_calls_are_counted_by_route_and_outcome(api: Api) -> None:
    def counted(outcome: str) -> float:
        name = "rollcall_api_requests_total"
        return api.metric(name, route="online_users", outcome=outcome)

    before = counted("answered"), counted("bad_parameter")
    await api.call(ONLINE)
    await api.call(ONLINE + "?limit=0")
    assert (counted("answered"), counted("bad_parameter")) == (before[0] + 1, before[1] + 1)


# The dashboard's session.


def cookie_of(answer: Answer) -> Morsel[str]:
    jar = SimpleCookie(answer.headers["Set-Cookie"])
    [morsel] = jar.values()
    return morsel


async def log_in(api: Api, given: str, **headers: str) -> Answer:
    return await api.call("/login", "POST", bearer=None, data={"token": given}, headers=headers)


async def session(api: Api, database_url: str, given: str, *, age_seconds: int = 0) -> Headers:
    """The headers of a browser whose session was begun or used so long ago."""
    cookie = cookie_of(await log_in(api, given))
    if age_seconds:
        table = Table(database_url)
        table.run(
            "UPDATE browser_sessions SET used_at = used_at - %s * interval '1 second', "
            "expires_at = expires_at - %s * interval '1 second'",
            age_seconds,
            age_seconds,
        )
        table.close()
    return {"Cookie": f"{cookie.key}={cookie.value}"}


async def test_a_login_gives_a_cookie_that_reads(api: Api) -> None:
    given = token(exp=int(time.time()) + 3600)
    answer = await log_in(api, f" {given[:30]}\n{given[30:]} ")  # as terminals break it
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert answer.headers["Cache-Control"] == "no-store"
    cookie = cookie_of(answer)
    assert cookie.key == f"rollcall_session_{api.port}"
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert cookie["path"] == "/"
    assert not cookie["secure"]
    assert 3500 <= int(cookie["max-age"]) <= 3600
    headers = {"Cookie": f"{cookie.key}={cookie.value}"}
    for path in (ONLINE, "/api/v1/users", "/"):
        read = await api.call(path, bearer=None, headers=headers)
        assert read.status == 200
        assert "Access-Control-Allow-Origin" not in read.headers


async def test_a_session_never_outlives_its_token_nor_half_a_day(api: Api) -> None:
    now = int(time.time())
    for expires, longest in ((now + 60, 60), (now + 10**6, 43_200), (None, 43_200)):
        cookie = cookie_of(await log_in(api, token(exp=expires)))
        assert longest - 10 <= int(cookie["max-age"]) <= longest


@pytest.mark.parametrize("path", ["/", ONLINE])
async def test_a_session_that_is_used_slides(api: Api, database_url: str, path: str) -> None:
    now = int(time.time())
    headers = await session(api, database_url, token())
    fresh = await api.call(path, bearer=None, headers=headers)
    assert (fresh.status, "Set-Cookie" in fresh.headers) == (200, False)
    for expires, longest in ((now + 10_000, 10_000), (now + 10**6, 43_200)):
        headers = await session(api, database_url, token(exp=expires), age_seconds=5_000)
        older = await api.call(path, bearer=None, headers=headers)
        assert older.status == 200
        renewed = cookie_of(older)
        assert headers["Cookie"] == f"{renewed.key}={renewed.value}"
        assert renewed["httponly"]
        assert longest - 10 <= int(renewed["max-age"]) <= longest


async def test_a_session_that_nobody_used_is_over_whatever_the_browser_keeps(
    api: Api, database_url: str
) -> None:
    headers = await session(api, database_url, token(), age_seconds=43_201)
    assert_problem(await api.call(ONLINE, bearer=None, headers=headers), 401, "token_missing")
    async with running_api(api_settings(database_url, session_seconds=60)) as brief:
        headers = await session(brief, database_url, token(), age_seconds=61)
        assert (await brief.call(ONLINE, bearer=None, headers=headers)).status == 401


async def test_a_refused_call_renews_nothing(api: Api, database_url: str) -> None:
    given = token(exp=int(time.time()) + 10_000)
    headers = await session(api, database_url, given, age_seconds=5_000)
    other = "another secret of the tests, of 32 bytes and more"
    async with running_api(api_settings(database_url, jwt_secret=other)) as stranger:
        named = {"Host": f"127.0.0.1:{api.port}", **headers}
        answer = await stranger.call(ONLINE, bearer=None, headers=named)
    assert_problem(answer, 401, "bad_signature")
    assert "Set-Cookie" not in answer.headers


async def test_logging_out_is_not_undone_by_a_renewal(api: Api, database_url: str) -> None:
    headers = await session(api, database_url, token(), age_seconds=5_000)
    answer = await api.call("/logout", "POST", bearer=None, headers=headers)
    assert cookie_of(answer)["max-age"] == "0"


@pytest.mark.parametrize(
    ("given", "status", "word"),
    [
        ("", 401, "token"),
        ("nonsense", 401, "nor an API key"),
        (token(exp=1), 401, "expired"),
        (token(scope=None), 403, "presence:read"),
    ],
)
async def test_a_login_that_fails_says_why_on_the_page(
    api: Api, given: str, status: int, word: str
) -> None:
    answer = await log_in(api, given)
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Set-Cookie" not in answer.headers
    assert word in answer.body.decode()
    assert not given or given not in answer.body.decode()


async def test_a_form_of_another_site_logs_nobody_in(api: Api) -> None:
    ours = f"127.0.0.1:{api.port}"
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site", "Origin": f"http://{ours}"},
    ):
        answer = await log_in(api, token(), **headers)
        assert answer.status == 400
        assert "Set-Cookie" not in answer.headers
    for headers in (
        {"Sec-Fetch-Site": "same-origin", "Origin": f"http://{ours}"},
        {"Origin": f"https://{ours}"},  # a gateway ends TLS
        {},
    ):
        assert (await log_in(api, token(), **headers)).status == 303


async def test_a_form_that_is_none_is_refused(api: Api) -> None:
    for data in (b"\xff\xfe", b"a=1&" * 20, b"x" * 20_000):
        answer = await api.call("/login", "POST", bearer=None, data=data)
        assert answer.status in (400, 401, 413)
        assert "Set-Cookie" not in answer.headers


async def test_the_cookie_is_secure_where_the_browser_came_by_https(
    api: Api, database_url: str
) -> None:
    answer = await log_in(api, token(), **{"X-Forwarded-Proto": "https"})
    assert cookie_of(answer)["secure"]
    async with running_api(api_settings(database_url, api_cookie_secure=True)) as strict:
        assert cookie_of(await log_in(strict, token()))["secure"]


async def test_the_cookie_counts_for_reads_of_our_own_pages_only(
    api: Api, database_url: str
) -> None:
    cookie = await session(api, database_url, token())
    for site in ("same-origin", "none"):
        answer = await api.call(ONLINE, bearer=None, headers={**cookie, "Sec-Fetch-Site": site})
        assert answer.status == 200
    for site in ("cross-site", "same-site"):
        answer = await api.call(ONLINE, bearer=None, headers={**cookie, "Sec-Fetch-Site": site})
        assert_problem(answer, 401, "token_missing")
    # A Bearer token that is bad is not made good by a cookie.
    assert_problem(await api.call(ONLINE, bearer="nonsense", headers=cookie), 401, "token_invalid")
    # Stacks on one host have different ports, and cookies know none.
    value = cookie["Cookie"].partition("=")[2]
    other = {"Cookie": f"rollcall_session_{api.port + 1}={value}; rollcall_session={value}"}
    assert_problem(await api.call(ONLINE, bearer=None, headers=other), 401, "token_missing")


async def test_the_cookie_counts_for_a_post_of_our_own_page_only(
    api: Api, database_url: str
) -> None:
    cookie = await session(api, database_url, token())

    async def look_up(**headers: str) -> Answer:
        every = {**cookie, **headers}
        body = {"user_ids": ["a"]}
        return await api.call("/api/v1/users/lookup", "POST", bearer=None, headers=every, json=body)

    assert (await look_up(**{"Sec-Fetch-Site": "same-origin"})).json["unknown"] == ["a"]
    assert (await look_up(Origin=api.origin)).status == 200
    # On plain http browsers leave the first header out.
    assert_problem(await look_up(Origin="http://evil.example"), 400, "bad_request")
    cross_site = {"Sec-Fetch-Site": "cross-site", "Origin": api.origin}
    assert_problem(await look_up(**cross_site), 401, "token_missing")


async def test_a_session_whose_token_has_expired_leads_to_the_login(
    api: Api, database_url: str
) -> None:
    given = token(exp=int(time.time()) + 100)
    headers = await session(api, database_url, given, age_seconds=101)
    page = await api.call("/", bearer=None, headers=headers)
    assert (page.status, page.headers["Location"]) == (303, "/login?why=ended")
    assert_problem(await api.call(ONLINE, bearer=None, headers=headers), 401, "token_missing")


async def test_a_copied_cookie_dies_with_logout_in_every_process(
    api: Api, database_url: str
) -> None:
    headers = await session(api, database_url, token())
    async with running_api(api_settings(database_url)) as replica:
        named = {"Host": f"127.0.0.1:{api.port}", **headers}
        assert (await replica.call(ONLINE, bearer=None, headers=named)).status == 200
        assert (await api.call("/logout", "POST", bearer=None, headers=headers)).status == 303
        assert (await replica.call(ONLINE, bearer=None, headers=named)).status == 401
        assert (await api.call(ONLINE, bearer=None, headers=headers)).status == 401


async def test_a_restart_logs_nobody_out_and_pages_on(database_url: str) -> None:
    async with running_api(api_settings(database_url)) as before:
        headers = await session(before, database_url, token())
        host = {"Host": f"127.0.0.1:{before.port}"}
    async with running_api(api_settings(database_url)) as after:
        answer = await after.call(ONLINE, bearer=None, headers={**host, **headers})
        assert answer.status == 200


async def test_neither_the_cookie_nor_the_database_gives_a_token_away(
    api: Api, database_url: str
) -> None:
    given = token("ada@example.com")
    headers = await session(api, database_url, given)
    table = Table(database_url)
    rows = table.run("SELECT token, digest, owner FROM browser_sessions")
    table.close()
    kept = b"".join(bytes(value) for row in rows for value in row)
    for part in given.split("."):
        assert part not in headers["Cookie"]
        assert part.encode() not in kept
    assert b"ada@example.com" not in kept
    assert headers["Cookie"].partition("=")[2].encode() not in kept


async def test_a_cookie_that_somebody_made_up_costs_no_query(api: Api, database_url: str) -> None:
    headers = await session(api, database_url, token())
    name = "rollcall_api_query_seconds_count"
    asked = api.metric(name, query="session")
    value = headers["Cookie"]
    for made_up in (value[:-1] + ("A" if value[-1] != "A" else "B"), value[:-8], value + "AAAA"):
        answer = await api.call(ONLINE, bearer=None, headers={"Cookie": made_up})
        assert_problem(answer, 401, "token_missing")
    assert api.metric(name, query="session") == asked


async def test_a_link_asks_before_it_replaces_a_session(api: Api, database_url: str) -> None:
    headers = await session(api, database_url, token("ada", name="Ada"))
    link = {"token": token("eve", name="<b>Eve</b>"), "next": "/users"}
    asked = await api.call("/login", "POST", bearer=None, data=link, headers=headers)
    assert asked.status == 409
    assert "Set-Cookie" not in asked.headers
    assert asked.headers["Cache-Control"] == "no-store"
    page = asked.body.decode()
    assert "logged in as <bdi>Ada</bdi>" in page
    assert "&lt;b&gt;Eve&lt;/b&gt;" in page
    assert (await api.call(ONLINE, bearer=None, headers=headers)).status == 200
    # Pressed, it replaces; the session before is over.
    pressed = {**link, "pressed": "1"}
    answer = await api.call("/login", "POST", bearer=None, data=pressed, headers=headers)
    assert (answer.status, answer.headers["Location"]) == (303, "/users")
    assert (await api.call(ONLINE, bearer=None, headers=headers)).status == 401


async def test_a_link_of_the_same_person_asks_nothing(api: Api, database_url: str) -> None:
    headers = await session(api, database_url, token("ada"))
    link = {"token": token("ada", exp=int(time.time()) + 7_200)}
    answer = await api.call("/login", "POST", bearer=None, data=link, headers=headers)
    assert answer.status == 303


async def test_logout_takes_the_cookie_away(api: Api) -> None:
    answer = await api.call("/logout", "POST", bearer=None)
    assert (answer.status, answer.headers["Location"]) == (303, "/login")
    assert cookie_of(answer)["max-age"] == "0"
    foreign = await api.call(
        "/logout", "POST", bearer=None, headers={"Origin": "https://evil.example"}
    )
    assert_problem(foreign, 400, "bad_request")


async def test_pages_allow_nothing_but_their_own_files(api: Api) -> None:
    for path in ("/login", "/static/x/pages/live.js"):
        headers = (await api.call(path, bearer=None)).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


async def test_files_are_kept_for_ever_at_the_address_of_their_version(api: Api) -> None:
    page = (await api.call("/login", bearer=None)).body.decode()
    sheet = page.split('rel="stylesheet" href="')[1].split('"')[0]
    kept = await api.call(sheet, bearer=None)
    assert kept.headers["Content-Type"] == "text/css; charset=utf-8"
    assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    # During an upgrade another version's page asks: it gets ours, and does not keep it.
    other = await api.call("/static/other/pages/live.js", bearer=None)
    assert other.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert other.headers["Cache-Control"] == "no-cache"


async def test_uplot_comes_from_its_webjar_and_is_kept_for_ever(api: Api) -> None:
    page = (await api.call("/login", bearer=None)).body.decode()
    address = page.split('data-uplot="')[1].split('"')[0]
    assert address.endswith(webjar_version())
    kept = await api.call(f"{address}/uPlot.iife.min.js", bearer=None)
    assert b"var uPlot=function" in kept.body
    assert kept.headers["Content-Encoding"] == "gzip"
    assert int(kept.headers["Content-Length"]) < 50_000
    assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    other = await api.call("/static/uplot-1.0/uPlot.min.css", bearer=None)
    assert other.headers["Cache-Control"] == "no-cache"


def webjar_version() -> str:
    """Of the pinned jar."""
    [jar] = maven.read_lock(webjars.LOCK_FILE)
    return jar.name.removesuffix(".jar")


async def test_only_the_page_of_swagger_ui_may_show_images_of_data(api: Api) -> None:
    for path, allowed in (("/login", "img-src 'self';"), ("/docs", "img-src 'self' data:;")):
        answer = await api.call(path, bearer=None)
        assert allowed in answer.headers["Content-Security-Policy"], path


async def test_long_json_is_compressed_for_who_takes_it(api: Api) -> None:
    path = "/api/openapi.json"
    packed = await api.call(path, bearer=None, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept-Encoding"
    plain = await api.call(path, bearer=None, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.body == packed.body  # the client has unpacked it


#: What a script asks for when it is needed is no such import.
STATIC_IMPORT = re.compile(r'(?:from|import) "(\.{1,2}/[\w/]+\.js)"')


async def test_a_page_asks_for_all_its_scripts_at_once(api: Api, database_url: str) -> None:
    headers = await session(api, database_url, token())
    page = (await api.call("/screens", bearer=None, headers=headers)).body.decode()
    scripts = re.findall(r'<script type="module" src="([^"]+)"', page)
    asked = set(re.findall(r'<link rel="modulepreload" href="([^"]+)"', page))
    needed: set[str] = set()
    waiting = [*scripts]
    while waiting:
        address = waiting.pop()
        source = (await api.call(address, bearer=None)).body.decode()
        found = {urljoin(address, name) for name in STATIC_IMPORT.findall(source)}
        waiting += found - needed
        needed |= found
    assert asked == needed
    assert len(asked) > 20


async def test_the_login_leads_to_the_page_that_was_asked_for_and_to_ours_only(api: Api) -> None:
    asked = await api.call("/users?q=%2F%25", bearer=None)
    assert (asked.status, asked.headers["Location"]) == (
        303,
        "/login?next=%2Fusers%3Fq%3D%252F%2525",
    )
    form = (await api.call(asked.headers["Location"], bearer=None)).body.decode()
    assert 'name="next" type="hidden" value="/users?q=%2F%25"' in form
    for wanted, reached in (
        ("/users?q=%2F%25", "/users?q=%2F%25"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ):
        data = {"token": token(), "next": wanted}
        answer = await api.call("/login", "POST", bearer=None, data=data)
        assert (answer.status, answer.headers["Location"]) == (303, reached)


async def test_a_page_without_its_database_is_a_page_that_says_so(database_url: str) -> None:
    nowhere = database_url.rsplit("/", 1)[0] + "/no_such_database"
    away = api_settings(nowhere, api_pool_wait_seconds=1)
    async with running_api(away) as lost:
        headers = {"Cookie": f"rollcall_session_{lost.port}={'x' * 64}"}
        page = await lost.call("/", bearer=None, headers=headers)
    assert page.status == 503
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.headers["Retry-After"]
    assert "cannot be reached" in page.body.decode()


async def test_pages_say_that_data_is_simulated_where_it_is(api: Api, database_url: str) -> None:
    async with running_api(api_settings(database_url, simulated=True)) as simulated:
        for running, said in ((api, False), (simulated, True)):
            headers = await session(running, database_url, token())
            page = await running.call("/", bearer=None, headers=headers)
            assert ("Simulated data" in page.body.decode()) == said


async def test_no_token_is_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    given = token()
    await api.call(ONLINE, bearer=given)
    await log_in(api, given)
    await log_in(api, given[:-4] + "AAAA")
    assert given.split(".")[1] not in caplog.text


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/me/tracking", "GET, HEAD, PUT"),
        ("/api/v1/me/data", "GET, HEAD"),
        ("/api/v1/me", "DELETE"),
    ],
)
async def test_the_apps_own_pages_may_make_a_users_own_calls(
    api: Api, path: str, methods: str
) -> None:
    page = {"Origin": "https://app.example.com"}
    asked = await api.call(path, "OPTIONS", bearer=None, headers=page)
    assert asked.status == 204
    assert asked.headers["Access-Control-Allow-Methods"] == methods
    assert "authorization" in asked.headers["Access-Control-Allow-Headers"]
    refused = await api.call(path, methods.partition(",")[0], bearer=None, headers=page)
    assert_problem(refused, 401, "token_missing")
    assert "Origin" in refused.headers["Vary"]
    for answer in (asked, refused):  # an error is read by the page, too
        assert answer.headers["Access-Control-Allow-Origin"] == page["Origin"]
        assert "Access-Control-Allow-Credentials" not in answer.headers

    stranger = {"Origin": "https://elsewhere.example.com"}
    for method in ("OPTIONS", "GET"):
        answer = await api.call(path, method, bearer=None, headers=stranger)
        assert "Access-Control-Allow-Origin" not in answer.headers
    wrong = await api.call(path, "PATCH", bearer=None)
    assert_problem(wrong, 405, "method_not_allowed")
    assert wrong.headers["Allow"] == ", ".join(sorted([*methods.split(", "), "OPTIONS"]))
