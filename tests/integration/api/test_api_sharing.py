"""Share links: made, listed and ended by managers; who has one sees numbers, nobody's name, and
nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from yarl import URL

from api.openapi import CALLS
from api.sharing.link import ENDED, MAX_LINKS, token_hash
from api.sharing.store import SHARED_SECONDS
from tests.rigs.api_harness import Answer, Api, Table, api_settings, running_api, token, wait_until

LINKS = "/api/v1/share-links"
MANAGER = token("lead", scope="presence:manage")
#: In a user's id, name and devices, and nowhere else.
TELLING = "zanzibar"


@pytest.fixture
def database_url(cleared_database_url: str) -> str:
    return cleared_database_url


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(database_url, auth_failures_burst=10_000)) as running:
        yield running


@pytest.fixture
def table(database_url: str) -> Iterator[Table]:
    opened = Table(database_url)
    opened.deployment(1)
    opened.offsets(0, foreground=3, background=1)
    yield opened
    opened.close()


async def make(api: Api, **wanted: Any) -> Answer:
    body = {"name": "Lobby", **wanted}
    return await api.call(LINKS, "POST", bearer=MANAGER, json=body)


async def seen(api: Api, path: str) -> Answer:
    """By somebody without a login."""
    return await api.call(path.replace("/shared/", "/api/v1/shared/"), bearer=None)


async def test_who_has_a_link_sees_numbers_and_nobody(api: Api, table: Table) -> None:
    user = f"{TELLING}-1"
    phone = {"device_info": f"{TELLING}'s phone", "platform": "iOS", "app_version": "1.10"}
    table.user(user, name=f"{TELLING} Smith", screen="Cart", **phone)
    for number in range(2):
        table.user(f"u{number}", screen="Home", platform="ios", app_version="1.9")
    table.user("away", state="background", screen="Cart", platform="android", app_version=None)
    made = await make(api)
    assert made.status == 201, made.body
    said = await seen(api, made.json["path"])
    assert said.status == 200, said.body
    assert said.json | {"as_of": "", "expires_at": ""} == {
        "count": 4,
        "by_state": {"foreground": 3, "background": 1},
        "as_of": "",
        "window_seconds": 300,
        "stale": False,
        "name": "Lobby",
        "expires_at": "",
        "screens": [{"screen": "Home", "foreground": 2}, {"screen": "Cart", "foreground": 1}],
        "other_screens": {"screens": 0, "foreground": 0},
        "versions": [
            {"version": version, "users": users}
            for version, users in (("1.10", 1), ("1.9", 2), (None, 1))
        ],
        "other_versions": 0,
        "platforms": [{"platform": "ios", "users": 3}, {"platform": "android", "users": 1}],
        "other_platforms": 0,
    }
    assert said.json["expires_at"] == made.json["expires_at"]
    page = await api.call(f"{made.json['path']}?utm_source=mail", bearer=None)
    assert page.status == 200
    for answer in (said, page):
        assert TELLING.encode() not in answer.body + str(answer.headers).encode()
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Robots-Tag"] == "noindex"
        assert answer.headers["Cache-Control"] == "no-store"
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_small_groups_are_told_together(api: Api, table: Table) -> None:
    table.run("INSERT INTO small_groups (min_group_size) VALUES (2)")
    for number, screen in enumerate(("Home", "Home", "Home", "Cart", "Pay")):
        table.user(f"u{number}", screen=screen, platform="web" if number == 0 else "ios")
    said = await seen(api, (await make(api)).json["path"])
    assert said.json["screens"] == [{"screen": "Home", "foreground": 3}]
    assert said.json["other_screens"] == {"screens": 2, "foreground": 2}
    # One of five has another platform: nobody is told which.
    assert (said.json["platforms"], said.json["other_platforms"]) == ([], 5)


async def test_the_token_is_told_once_and_nothing_but_its_hash_is_stored(
    api: Api, table: Table
) -> None:
    made = (await make(api, expires_in_hours=720)).json
    listed = await api.call(LINKS, bearer=MANAGER)
    [item] = listed.json["items"]
    assert {item["id"], item["name"], item["created_by"]} == {made["id"], "Lobby", "lead"}
    assert made["token"].encode() not in listed.body
    [[stored, whole, hours]] = table.run(
        "SELECT token_hash, l::text, extract(epoch FROM expires_at - created_at) / 3600 "
        "FROM share_links AS l"
    )
    assert stored == token_hash(made["token"])
    assert made["token"] not in whole
    assert hours == 720
    for wanted, field in (
        ({"expires_in_hours": 0}, "expires_in_hours"),
        ({"expires_in_hours": 721}, "expires_in_hours"),
        ({"name": "x" * 101}, "name"),
        ({"name": " "}, "name"),
    ):
        refused = await make(api, **wanted)
        assert refused.status == 422
        assert [each["field"] for each in refused.json["errors"]] == [field]


async def test_unknown_ended_and_expired_are_one_answer(api: Api, table: Table) -> None:
    ended, expired = (await make(api)).json, (await make(api)).json
    assert (await seen(api, ended["path"])).status == 200
    assert (await api.call(f"{LINKS}/{ended['id']}", "DELETE", bearer=MANAGER)).status == 204
    assert (await api.call(f"{LINKS}/{ended['id']}", "DELETE", bearer=MANAGER)).status == 404
    table.run("UPDATE share_links SET expires_at = now() WHERE id = %s", expired["id"])
    assert (await api.call(LINKS, bearer=MANAGER)).json["items"] == []

    async def is_over() -> bool:
        return (await seen(api, expired["path"])).status == 404

    await wait_until(is_over)
    answers = [
        await seen(api, path) for path in (ended["path"], expired["path"], "/shared/" + "x" * 43)
    ]
    assert {answer.status for answer in answers} == {404}
    assert {answer.json["detail"] for answer in answers} == {ENDED}
    assert len({len(answer.body) for answer in answers}) == 1
    pages = [
        await api.call(path, bearer=None, headers={"Accept": "text/html"})
        for path in (ended["path"], "/shared/x")
    ]
    assert [page.status for page in pages] == [404, 404]
    assert all(ENDED.encode() in page.body for page in pages)
    assert pages[0].body == pages[1].body


async def test_a_hundred_links_are_enough(api: Api, table: Table) -> None:
    table.run(
        "INSERT INTO share_links (id, token_hash, name, created_by, expires_at) SELECT "
        "'sl_' || lpad(to_hex(n), 16, '0'), sha256(n::text::bytea), 'x', 'x', "
        "now() + (n - 2) * interval '1 hour' FROM generate_series(1, %s) AS n",
        MAX_LINKS + 1,
    )
    # The first two have expired.
    assert (await make(api)).status == 201
    refused = await make(api)
    assert (refused.status, refused.json["errors"][0]["field"]) == (422, "name")
    assert "end some" in refused.json["detail"]


async def test_a_token_opens_its_page_and_no_other_call(api: Api, table: Table) -> None:
    table.user("ada", screen="Home")
    made = (await make(api)).json["token"]
    others = [call for call in CALLS if call.may.scope is not None or call.may.own]
    assert len(others) > 40
    for call in others:
        path = call.path.replace("{", "").replace("}", "")
        for sent in (
            {"headers": {"Authorization": f"Bearer {made}"}},
            {"headers": {"Cookie": f"rollcall_session={made}; token={made}"}},
            {"params": {"token": made, "access_token": made}},
        ):
            async with api.http.request(
                call.method, URL(api.origin + path, encoded=True), allow_redirects=False, **sent
            ) as answer:
                assert answer.status == 401, (call.operation, sent, answer.status)
    for page in ("/", "/users", "/share-links"):
        async with api.http.get(
            api.origin + page,
            headers={"Cookie": f"rollcall_session={made}"},
            params={"token": made},
            allow_redirects=False,
        ) as answer:
            assert (answer.status, answer.headers["Location"][:6]) == (303, "/login")


async def test_a_thousand_viewers_are_one_read(api: Api, table: Table) -> None:
    path = (await make(api)).json["path"]
    before = api.metric("rollcall_api_query_seconds_count", query="shared_live")
    started = time.monotonic()
    answers = await asyncio.gather(*(seen(api, path) for _ in range(100)))
    assert {answer.json["count"] for answer in answers} == {4}
    reads = api.metric("rollcall_api_query_seconds_count", query="shared_live") - before
    # On a slow machine they do not come in one second.
    assert reads <= 2 + (time.monotonic() - started) / SHARED_SECONDS


async def test_an_address_that_opens_links_too_often_is_told_when_to_come_back(
    database_url: str, table: Table
) -> None:
    settings = api_settings(database_url, count_calls_per_second=0.02, count_calls_burst=3)
    async with running_api(settings) as api:
        path = (await make(api)).json["path"]
        statuses = [(await seen(api, path)).status for _ in range(3)]
        page = await api.call(path, bearer=None)
        assert (statuses, page.status) == ([200, 200, 200], 429)
        assert int(page.headers["Retry-After"]) > 30
        assert api.metric("rollcall_api_rate_limited_total", route="shared") == 1
        # The public count has a limit of its own, and managers have none of this kind.
        assert (await api.count()).status == 200
        assert (await api.call(LINKS, bearer=MANAGER)).status == 200
