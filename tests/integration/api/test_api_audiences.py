"""Audiences: who is in them, recounted by brute force; what is refused; what previews cost."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from tests.integration.analytics.analytics_rows import AnalyticsTable
from tests.integration.api.audience_oracle import (
    AS_OF,
    drawn,
    matching,
    random_filters,
    random_fleet,
    write,
)
from tests.rigs.api_harness import Answer, Api, api_settings, running_api, token, wait_until

PATH = "/api/v1/audiences"
CSV, NDJSON = "text/csv", "application/x-ndjson"
EXPORTER = token("marketing", scope="presence:export")


# The API and its database are shared; `table` empties it for each test.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("table")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(shared_database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(shared_database_url)) as running:
        yield running


@pytest.fixture
def table(shared_database_url: str) -> Iterator[AnalyticsTable]:
    opened = AnalyticsTable(shared_database_url)
    opened.clear()
    yield opened
    opened.close()


async def ask(api: Api, name: str, wanted: Any, **headers: str) -> Answer:
    body = wanted if isinstance(wanted, bytes) else json.dumps(wanted).encode()
    return await api.call(f"{PATH}/{name}", "POST", bearer=EXPORTER, data=body, headers=headers)


async def exported(api: Api, wanted: Any) -> list[str]:
    answer = await ask(api, "export", wanted)
    assert answer.status == 200, answer.body
    return [json.loads(line)["user_id"] for line in answer.body.splitlines()]


def many_users(table: AnalyticsTable, count: int, device_info: str = "Pixel 9") -> None:
    table.run(
        'INSERT INTO presence (user_id, "partition", state, reason, changed_at, last_active, '
        "device_count, device, device_info, signed_out) "
        "SELECT 'user-' || n, 0, 'offline', 'timed_out', '2026-03-30T11:00Z', '2026-03-30T11:00Z', "
        "0, 'd', %s, false FROM generate_series(1, %s) n",
        device_info,
        count,
    )
    table.run("ANALYZE presence")


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 8))]
)
async def test_an_audience_is_who_brute_force_finds(
    api: Api, table: AnalyticsTable, seed: int
) -> None:
    rng = random.Random(seed)
    fleet = random_fleet(rng, 60)
    write(table, fleet)
    sizes = []
    for wanted in islice(random_filters(rng, fleet), 80):
        found = matching(fleet, wanted)
        members = drawn(found, wanted)
        ids = await exported(api, wanted)
        assert (sorted(ids), wanted) == (sorted(members), wanted)
        preview = (await ask(api, "preview", wanted)).json
        assert (preview["count"], preview["matching"]) == (len(members), len(found)), wanted
        assert (preview["is_exact"], preview["estimated_from"]) == (True, None)
        assert {user["user_id"] for user in preview["sample"]} <= members
        assert len(preview["sample"]) == min(20, len(members))
        sizes.append(len(members))
    # Filters that find nobody, or everybody, would show nothing.
    assert sum(0 < size < len(fleet) for size in sizes) > 40


async def test_a_sample_shows_users_as_lists_do(api: Api, table: AnalyticsTable) -> None:
    table.log_time(AS_OF)
    table.user("ada", name="Ada", screen="Cart", app_version="1.0", platform="ios")
    preview = (await ask(api, "preview", {})).json
    [user] = (await api.get("/api/v1/users")).json["items"]
    assert preview == {
        "count": 1,
        "matching": 1,
        "is_exact": True,
        "estimated_from": None,
        "sample": [user],
        "as_of": "2026-03-30T12:00:00.000Z",
        "stale": True,
    }


async def test_a_capped_audience_does_not_reshuffle_when_somebody_comes(
    api: Api, table: AnalyticsTable
) -> None:
    table.log_time(AS_OF)
    many_users(table, 1_000)
    before = set(await exported(api, {"cap": 100}))
    assert set(await exported(api, {"cap": 100})) == before
    assert before < set(await exported(api, {"cap": 150}))
    assert len(before & set(await exported(api, {"cap": 100, "seed": "another"}))) < 50
    # A thousand draws of one in a hundred: they come from everywhere.
    assert 20 < sum(int(user.removeprefix("user-")) <= 500 for user in before) < 80
    table.user("somebody", "offline")
    after = set(await exported(api, {"cap": 100}))
    assert len(before - after) <= 1
    assert after - before <= {"somebody"}


async def test_ids_are_exact_in_ndjson_and_run_nothing_in_csv(
    api: Api, table: AnalyticsTable
) -> None:
    ids = ["ada", "+4915112345", "=1+1", "@SUM(A1)", "-a", 'a,"b"', "é😀"]
    for user_id in ids:
        table.user(user_id)
    lines = await ask(api, "export", {})
    assert lines.headers["Content-Type"] == NDJSON
    assert sorted(json.loads(line)["user_id"] for line in lines.body.splitlines()) == sorted(ids)
    assert all(list(json.loads(line)) == ["user_id"] for line in lines.body.splitlines())
    sheet = await ask(api, "export", {}, Accept=CSV)
    assert sheet.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    [header, *cells] = csv.reader(io.StringIO(sheet.body.decode(), newline=""))
    assert header == ["user_id"]
    assert sorted(cell for (cell,) in cells) == sorted(
        f"'{each}" if each in ("=1+1", "@SUM(A1)", "-a") else each for each in ids
    )
    for answer, ending in ((lines, "ndjson"), (sheet, "csv")):
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        assert answer.headers["Content-Disposition"].endswith(f'.{ending}"')
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Rollcall-Stale"] == "true"
        assert answer.headers["X-Rollcall-As-Of"] == ""
    assert (await ask(api, "export", {"online": False}, Accept=CSV)).body == b'"user_id"\r\n'
    assert (await ask(api, "export", {"online": False})).body == b""


async def test_a_period_that_begins_before_spans_are_kept_is_refused_naming_the_limit(
    api: Api, table: AnalyticsTable
) -> None:
    table.log_time(AS_OF)
    table.insert("retention_progress", [{"table_name": "spans", "kept_from": AS_OF}])
    table.run("UPDATE retention_progress SET kept_from = '2026-03-16T00:00Z'")
    for name in ("saw", "did_not_see"):
        for since in ({"from": "2026-03-15T23:59:59Z"}, {"within_seconds": 15 * 86_400}):
            for call in ("preview", "export"):
                answer = await ask(api, call, {name: {"screen": "Home", **since}})
                assert (answer.status, answer.json["code"]) == (400, "bad_parameter")
                [error] = answer.json["errors"]
                assert error["field"] == name
                assert "2026-03-16T00:00:00.000Z" in error["message"]
        kept = {name: {"screen": "Home", "from": "2026-03-16T00:00:00Z"}}
        assert (await ask(api, "preview", kept)).status == 200


async def test_dates_are_days_of_the_zone_that_is_asked_for(
    api: Api, table: AnalyticsTable
) -> None:
    table.log_time(AS_OF)
    table.zone("Europe/Berlin", AS_OF)
    table.user("ada", "offline", last_active=datetime(2026, 3, 28, 23, 30, tzinfo=UTC))
    day = {"last_active": {"from": "2026-03-29", "to": "2026-03-30"}}
    assert await exported(api, day) == ["ada"]
    assert await exported(api, {**day, "tz": "Europe/Berlin"}) == ["ada"]
    assert await exported(api, {**day, "tz": "UTC"}) == []


async def test_what_counts_as_the_last_instants_follows_the_log_and_no_clock(
    api: Api, table: AnalyticsTable
) -> None:
    table.log_time(AS_OF)
    table.user("ada", "offline", last_active=AS_OF - timedelta(seconds=60))
    assert await exported(api, {"last_active": {"within_seconds": 60}}) == ["ada"]
    assert await exported(api, {"last_active": {"within_seconds": 59}}) == []
    assert await exported(api, {"last_active": {"not_within_seconds": 59}}) == ["ada"]
    assert await exported(api, {"last_active": {"not_within_seconds": 60}}) == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_json"),
        (b"[]", 400, "bad_json"),
        (b"\xff", 400, "bad_json"),
        (b'{"onlin": true}', 422, "bad_field"),
        (b'{"online": true, "online": true}', 422, "bad_field"),
        (b'{"last_active": {"within_seconds": 5, "not_within_seconds": 5}}', 422, "bad_field"),
        (b'{"exclude_user_ids": [' + b'"a",' * 10_000 + b'"a"]}', 422, "bad_field"),
        (b" " * (4 * 1024 * 1024 + 1), 413, "body_too_large"),
        (b"[" * 1_000_000, 400, "bad_json"),
    ],
)
async def test_a_body_that_cannot_be_used_is_refused(
    api: Api, table: AnalyticsTable, body: bytes, status: int, code: str
) -> None:
    for name in ("preview", "export"):
        answer = await ask(api, name, body)
        assert (answer.status, answer.json["code"]) == (status, code)
        assert len(answer.body) < 5_000
    assert (await ask(api, "preview?cap=5", {})).json["code"] == "bad_parameter"


async def test_ten_thousand_excluded_users_are_no_burden(api: Api, table: AnalyticsTable) -> None:
    many_users(table, 10_050)
    wanted = {"exclude_user_ids": [f"user-{number}" for number in range(1, 10_001)]}
    assert len(await exported(api, wanted)) == 50
    assert (await ask(api, "preview", wanted)).json["count"] == 50


async def test_only_the_scope_lets_in(api: Api, table: AnalyticsTable) -> None:
    calls = (("preview", "POST"), ("export", "POST"), ("exports", "GET"))
    for name, method in calls:
        for bearer, status, code in (
            (token(), 403, "scope_missing"),
            (token(scope=None), 403, "scope_missing"),
            (None, 401, "token_missing"),
        ):
            answer = await api.call(f"{PATH}/{name}", method, bearer=bearer, data=b"{}")
            assert (answer.status, answer.json["code"]) == (status, code), name
            if status == 403:
                assert "presence:export" in answer.json["detail"]
        wrong = await api.call(f"{PATH}/{name}", "PUT", bearer=EXPORTER)
        assert wrong.status == 405
        assert method in wrong.headers["Allow"]
    assert table.run("SELECT count(*) FROM audience_exports") == [(0,)]
    # And the scope alone opens nothing else.
    assert (await api.call("/api/v1/users", bearer=EXPORTER)).status == 403


async def test_the_dashboards_cookie_counts_from_our_own_page_only(
    api: Api, table: AnalyticsTable
) -> None:
    both = token("staff", scope="presence:read presence:export")
    login = await api.call("/login", "POST", bearer=None, data={"token": both})
    cookie = login.headers["Set-Cookie"].partition(";")[0]

    async def from_page(name: str, **headers: str) -> int:
        answer = await api.call(
            f"{PATH}/{name}",
            "POST",
            bearer=None,
            data=b"{}",
            headers={"Cookie": cookie, **headers},
        )
        return answer.status

    for name in ("preview", "export"):
        assert await from_page(name, **{"Sec-Fetch-Site": "same-origin"}) == 200
        assert await from_page(name, Origin=api.origin) == 200
        for site in ("cross-site", "same-site"):
            assert await from_page(name, **{"Sec-Fetch-Site": site}) in (400, 401)
        assert await from_page(name, Origin="https://elsewhere.example") == 400
        assert await from_page(name, Origin="null") == 400
    # Two exports: a row each, and none of those that were refused.
    assert table.run("SELECT who, count(*) FROM audience_exports GROUP BY who") == [("staff", 2)]


async def test_a_count_that_takes_too_long_is_an_estimate_and_says_so(
    database_url: str,
) -> None:
    """No regular expression finds a platform in these long texts: the slowest of filters. How long
    it takes here is measured first, and a call that meets another speed than that is repeated."""
    table = AnalyticsTable(database_url)
    table.log_time(AS_OF)
    many_users(table, 100_000, "x" * 200)
    table.close()
    async with running_api(api_settings(database_url, api_statement_timeout_seconds=60)) as api:
        started = time.monotonic()
        preview = (await ask(api, "preview", {"platform": "amiga"})).json
        assert (preview["count"], preview["is_exact"]) == (0, True)
    limit_seconds = time.monotonic() - started

    async def is_estimated() -> bool:
        nonlocal limit_seconds, preview
        settings = api_settings(database_url, api_statement_timeout_seconds=limit_seconds)
        async with running_api(settings) as api:
            answer = await ask(api, "preview", {"platform": "amiga"})
        if answer.status == 503:
            limit_seconds *= 1.5
            return False
        preview = answer.json
        limit_seconds /= 2
        assert (answer.status, preview["count"]) == (200, 0)
        return not preview["is_exact"]

    await wait_until(is_estimated)
    assert 10_000 < preview["estimated_from"] < 40_000


async def test_a_preview_whose_client_leaves_is_cancelled_in_the_database(
    shared_database_url: str, table: AnalyticsTable
) -> None:
    settings = api_settings(shared_database_url, api_statement_timeout_seconds=60)
    async with running_api(settings) as api:
        with psycopg.connect(shared_database_url) as other:
            other.execute("LOCK TABLE presence")

            async def waiting() -> bool:
                return table.run(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rollcall-api' "
                    "AND datname = current_database() AND wait_event_type = 'Lock'"
                ) != [(0,)]

            async def is_free() -> bool:
                return not await waiting()

            headers = {"Authorization": f"Bearer {EXPORTER}"}
            asking = api.http.post(f"{api.origin}{PATH}/preview", data=b"{}", headers=headers)
            async with asyncio.TaskGroup() as group:
                call = group.create_task(asking.__aenter__())
                await wait_until(waiting)
                call.cancel()
            await wait_until(is_free)
        assert (await ask(api, "preview", {})).status == 200


async def test_previews_are_few_at_a_time_and_leave_the_pool_to_others(
    shared_database_url: str, table: AnalyticsTable
) -> None:
    settings = api_settings(shared_database_url, api_pool_wait_seconds=4)
    async with running_api(settings) as api:
        await preview_four_at_once(api, shared_database_url)


async def preview_four_at_once(api: Api, database_url: str) -> None:
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE presence")
        readers = [token(f"reader {n}", scope="presence:export") for n in range(4)]
        previews = [
            asyncio.create_task(api.call(f"{PATH}/preview", "POST", bearer=reader, data=b"{}"))
            for reader in readers
        ]
        answers = await asyncio.gather(*previews[2:])
        other.rollback()
    refused = [answer for answer in answers if "Too many" in answer.body.decode()]
    assert [answer.status for answer in refused] == [503, 503]
    await asyncio.gather(*previews)
