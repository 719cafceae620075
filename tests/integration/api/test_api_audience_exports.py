"""Exports of audiences: streamed at constant memory, of one moment, and none without its row."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import psutil
import psycopg
import pytest
from psycopg import sql

from deploy.roles.api_keys import KeyTable
from tests.conftest import fresh_database
from tests.integration.analytics.analytics_rows import AnalyticsTable
from tests.integration.api.audience_oracle import AS_OF
from tests.rigs.api_harness import Answer, Api, api_settings, running_api, token, wait_until

PATH = "/api/v1/audiences"
CSV = "text/csv"
EXPORTER = token("marketing", scope="presence:export")
HEADERS = {"Authorization": f"Bearer {EXPORTER}"}
READ_GRANT = """SELECT ON deployment, stream_offsets, rollup_progress, reporting_zone, small_groups,
    retention_progress, presence, current_presence, spans, api_secret, clock_steps, audits"""
AUDIT_GRANT = """SELECT, INSERT (id, who, who_kind, format, filter),
    UPDATE (ended_at, outcome, rows, as_of, problem) ON audience_exports"""
READS_GRANT = "SELECT, INSERT, UPDATE (calls, users) ON reads_audit"
#: Far more than the buffers on the way hold: few users of long ids.
MANY, ID_LENGTH = 50_000, 280


@pytest.fixture
def database_url(cleared_database_url: str) -> str:
    return cleared_database_url


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(database_url)) as running:
        yield running


@pytest.fixture
def table(database_url: str) -> Iterator[AnalyticsTable]:
    opened = AnalyticsTable(database_url)
    opened.log_time(AS_OF)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def many_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """Of a database with so many users that it takes seconds to write them."""
    with fresh_database(postgres_url, template_database) as url:
        table = AnalyticsTable(url)
        table.log_time(AS_OF)
        many_users(table, MANY)
        table.close()
        yield url


@pytest.fixture
def many_table(many_url: str) -> Iterator[AnalyticsTable]:
    opened = AnalyticsTable(many_url)
    opened.run("DELETE FROM audience_exports")
    yield opened
    opened.close()


@pytest.fixture
async def many_api(many_url: str, many_table: AnalyticsTable) -> AsyncIterator[Api]:
    async with running_api(api_settings(many_url)) as running:
        yield running


@pytest.fixture
async def crowded_api(many_url: str, many_table: AnalyticsTable) -> AsyncIterator[Api]:
    """Who waits for one of its few places is told soon."""
    async with running_api(api_settings(many_url, api_pool_wait_seconds=4)) as running:
        yield running


def many_users(table: AnalyticsTable, count: int) -> None:
    table.run(
        'INSERT INTO presence (user_id, "partition", state, reason, changed_at, device_count, '
        "signed_out) SELECT n || repeat('x', %s), 0, 'offline', 'timed_out', "
        "'2026-03-30T11:00Z', 0, false FROM generate_series(1, %s) n",
        *(ID_LENGTH, count),
    )


async def export(api: Api, wanted: Any, **headers: str) -> Answer:
    body = json.dumps(wanted).encode()
    return await api.call(f"{PATH}/export", "POST", bearer=EXPORTER, data=body, headers=headers)


async def begun(api: Api, who: str = "marketing") -> aiohttp.ClientResponse:
    """An export whose reader has read its beginning and nothing more."""
    headers = {"Authorization": f"Bearer {token(who, scope='presence:export')}"}
    answer = await api.http.post(f"{api.origin}{PATH}/export", data=b"{}", headers=headers)
    assert answer.status == 200
    await answer.content.readany()
    return answer


async def exports(api: Api, query: str = "") -> Any:
    answer = await api.call(f"{PATH}/exports{query}", bearer=EXPORTER)
    assert answer.status == 200, answer.body
    return answer.json


async def ended(api: Api) -> dict[str, Any]:
    """The newest export, once it has ended."""

    async def has_ended() -> bool:
        return bool((await exports(api))["items"][0]["outcome"] != "running")

    await wait_until(has_ended)
    newest: dict[str, Any] = (await exports(api))["items"][0]
    return newest


async def test_an_export_is_a_row_that_says_who_took_what_and_how_it_ended(
    api: Api, table: AnalyticsTable
) -> None:
    for user_id in ("ada", "ben", "cleo"):
        table.user(user_id)
    wanted = {"online": True, "exclude_user_ids": ["ada", "zoe"]}
    answer = await export(api, wanted, Accept=CSV)
    assert answer.body == b'"user_id"\r\n"ben"\r\n"cleo"\r\n'
    row = await ended(api)
    assert row["id"] == answer.headers["X-Rollcall-Export-ID"]
    assert row["ended_at"] >= row["started_at"]
    assert {**row, "id": "", "started_at": "", "ended_at": ""} == {
        "id": "",
        "started_at": "",
        "ended_at": "",
        "who": "marketing",
        "who_kind": "token",
        "format": "csv",
        # Whom it left out is nobody's to keep: how many is.
        "filter": {"online": True, "exclude_user_ids": {"count": 2}},
        "outcome": "completed",
        "rows": 2,
        "as_of": "2026-03-30T12:00:00.000Z",
        "problem": None,
        "destination": None,
        "resumes": None,
    }
    assert "zoe" not in str(table.run("SELECT * FROM audience_exports"))


async def test_the_row_is_there_before_the_first_user_is_sent(
    many_api: Api, many_table: AnalyticsTable
) -> None:
    answer = await begun(many_api)
    [row] = (await exports(many_api))["items"]
    assert (row["outcome"], row["rows"], row["ended_at"]) == ("running", 0, None)
    body = await answer.read()
    assert (await ended(many_api))["rows"] == MANY
    assert body.count(b"\n") < MANY  # what was read before


async def test_no_row_no_users(api: Api, table: AnalyticsTable) -> None:
    table.user("ada")
    table.run("ALTER TABLE audience_exports RENAME TO elsewhere")
    try:
        answer = await export(api, {})
    finally:
        table.run("ALTER TABLE elsewhere RENAME TO audience_exports")
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    # A request id may hold these letters, too.
    assert "ada" not in str({**answer.json, "request_id": ""})


async def test_a_client_that_goes_away_is_a_cancelled_export(
    many_api: Api, many_table: AnalyticsTable, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await begun(many_api)
    answer.close()
    row = await ended(many_api)
    assert row["outcome"] == "cancelled"
    assert 0 < row["rows"] < MANY
    assert not caplog.records
    assert many_api.metric("rollcall_api_broken_exports_total") == 0
    # What PostgreSQL kept for it is gone with it, and the connection serves others.
    assert (await export(many_api, {"cap": 1})).status == 200


async def test_a_client_that_goes_away_before_the_first_user_is_one_too(
    api: Api, table: AnalyticsTable, database_url: str
) -> None:
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE presence")
        call = asyncio.create_task(export(api, {}))

        async def is_recorded() -> bool:
            return bool((await exports(api))["items"])

        await wait_until(is_recorded)
        call.cancel()
        row = await ended(api)
    assert (row["outcome"], row["rows"]) == ("cancelled", 0)


async def test_an_export_that_breaks_has_no_end_and_has_failed(
    many_api: Api, many_table: AnalyticsTable
) -> None:
    answer = await begun(many_api)
    many_table.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'rollcall-api' AND datname = current_database()"
    )
    with pytest.raises(aiohttp.ClientError):
        await answer.read()
    row = await ended(many_api)
    assert (row["outcome"], row["problem"]) == ("failed", "The database cannot be reached.")
    assert 0 < row["rows"] < MANY
    assert many_api.metric("rollcall_api_broken_exports_total") == 1


async def test_looking_for_users_has_a_time_limit_of_its_own(
    many_url: str, many_table: AnalyticsTable
) -> None:
    async with running_api(api_settings(many_url, api_export_timeout_seconds=0.02)) as api:
        answer = await export(api, {"cap": MANY})
        assert (answer.status, answer.json["code"]) == (503, "unavailable")
        assert answer.headers["Retry-After"]
        row = await ended(api)
        assert (row["outcome"], row["rows"]) == ("failed", 0)
        assert row["problem"] == "The database took too long for this answer."


async def test_an_export_that_a_restart_ends_has_failed(
    many_url: str, many_table: AnalyticsTable
) -> None:
    settings = api_settings(many_url, api_statement_timeout_seconds=1)
    async with aiohttp.ClientSession() as reader:
        async with running_api(settings) as api:
            await begun(replace(api, http=reader))
        [(outcome, rows)] = many_table.run("SELECT outcome, rows FROM audience_exports")
        assert outcome == "failed"
        assert 0 < rows < MANY


async def test_a_slow_reader_gets_one_moment_and_holds_no_snapshot(
    api: Api, table: AnalyticsTable
) -> None:
    # In a thread: the API, which still opens its connections, shares this test's loop.
    await asyncio.to_thread(many_users, table, MANY)
    answer = await begun(api)
    table.run("DELETE FROM presence")
    table.user("late")
    # Nothing that the reader is slow with keeps PostgreSQL from clearing up.
    [(holders,)] = table.run(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rollcall-api' "
        "AND datname = current_database() AND (backend_xmin IS NOT NULL OR xact_start IS NOT NULL)"
    )
    assert holders == 0
    body = await answer.read()
    assert b"late" not in body
    assert (await ended(api))["rows"] == MANY


async def test_memory_does_not_grow_with_the_length_of_an_export(
    many_api: Api, many_table: AnalyticsTable
) -> None:
    process = psutil.Process()

    async def peak_bytes(wanted: Any) -> tuple[int, int]:
        most, length = 0, 0
        path = f"{many_api.origin}{PATH}/export"
        async with many_api.http.post(path, data=json.dumps(wanted), headers=HEADERS) as answer:
            async for chunk in answer.content.iter_any():
                length += len(chunk)
                most = max(most, process.memory_info().rss)
        return most, length

    await peak_bytes({"cap": 1_400})
    short, short_length = await peak_bytes({"cap": 1_400})
    long, long_length = await peak_bytes({})
    assert long_length > 25 * short_length
    assert long - short < 8_000_000 < long_length


async def test_the_audit_is_read_newest_first_page_by_page(api: Api, table: AnalyticsTable) -> None:
    for number in range(5):
        await export(api, {"cap": number + 1})
    first = await exports(api, "?limit=2")
    assert [row["filter"]["cap"] for row in first["items"]] == [5, 4]
    assert first["as_of"] == "2026-03-30T12:00:00.000Z"
    await export(api, {"cap": 9})
    second = await exports(api, f"?limit=2&cursor={first['next_cursor']}")
    assert [row["filter"]["cap"] for row in second["items"]] == [3, 2]
    third = await exports(api, f"?limit=2&cursor={second['next_cursor']}")
    assert [row["filter"]["cap"] for row in third["items"]] == [1]
    assert third["next_cursor"] is None
    for query in ("?cursor=nonsense", "?limit=0", "?who=ada"):
        assert (await api.call(f"{PATH}/exports{query}", bearer=EXPORTER)).status == 400


async def test_an_export_whose_end_nobody_could_write_is_unknown(
    api: Api, table: AnalyticsTable
) -> None:
    table.run(
        "INSERT INTO audience_exports (id, started_at, who, format, filter) VALUES "
        "(gen_random_uuid(), now() - interval '1 hour', 'old', 'csv', '{}'), "
        "(gen_random_uuid(), now(), 'new', 'csv', '{}')"
    )
    items = (await exports(api))["items"]
    assert [(row["who"], row["outcome"]) for row in items] == [
        ("new", "running"),
        ("old", "unknown"),
    ]


def test_of_the_audit_only_the_end_of_what_runs_can_be_written(table: AnalyticsTable) -> None:
    table.run(
        "INSERT INTO audience_exports (id, who, format, filter) "
        "VALUES (gen_random_uuid(), 'ada', 'csv', '{}')"
    )
    for change in (
        "who = 'ben'",
        "who_kind = 'api_key'",
        "filter = '{\"cap\": 1}'",
        "rows = 5",
        "started_at = now()",
    ):
        with pytest.raises(psycopg.errors.RaiseException, match="only its end"):
            table.run(
                f"UPDATE audience_exports SET {change}"
                + ("" if change == "rows = 5" else ", outcome = 'completed', ended_at = now()")
            )
    table.run("UPDATE audience_exports SET outcome = 'failed', ended_at = now(), rows = 5")
    with pytest.raises(psycopg.errors.RaiseException, match="only its end"):
        table.run("UPDATE audience_exports SET outcome = 'completed'")


async def test_a_role_with_the_least_of_grants_is_enough(
    database_url: str, table: AnalyticsTable
) -> None:
    """Those that the migration names."""
    role, password = f"api_{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
    name = sql.Identifier(role)
    table.user("ada")
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, password))
        try:
            for grant in (READ_GRANT, AUDIT_GRANT, READS_GRANT):
                owner.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(grant), name))
            server = urlsplit(database_url)
            url = server._replace(
                netloc=f"{role}:{password}@{server.hostname}:{server.port}"
            ).geturl()
            async with running_api(api_settings(url)) as api:
                assert (await export(api, {"online": True})).body == b'{"user_id":"ada"}\n'
                seen = {"saw": {"screen": "Home", "within_seconds": 60}}
                preview = await api.call(
                    f"{PATH}/preview", "POST", bearer=EXPORTER, data=json.dumps(seen).encode()
                )
                assert preview.status == 200, preview.body
                assert (await ended(api))["outcome"] == "completed"
            with psycopg.connect(url, autocommit=True) as connection:
                for forbidden in (
                    "DELETE FROM audience_exports",
                    "UPDATE audience_exports SET who = 'nobody'",
                    "TRUNCATE audience_exports",
                    "UPDATE presence SET name = 'x'",
                ):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(forbidden.encode())
        finally:
            owner.execute(sql.SQL("DROP OWNED BY {}").format(name))
            owner.execute(sql.SQL("DROP ROLE {}").format(name))


async def test_exports_are_few_at_a_time_and_each_that_is_refused_is_recorded(
    crowded_api: Api, many_table: AnalyticsTable, caplog: pytest.LogCaptureFixture
) -> None:
    readers = [await begun(crowded_api, f"reader {number}") for number in range(2)]
    refused = await export(crowded_api, {})
    assert (refused.status, refused.json["code"]) == (503, "unavailable")
    assert "exports" in refused.json["detail"]
    # The database is as well as before, and nobody says otherwise.
    assert not [line for line in caplog.messages if "503" in line or "answers again" in line]
    assert (await ended(crowded_api))["problem"] == refused.json["detail"]
    assert (await crowded_api.call("/api/v1/users")).status == 200
    await asyncio.gather(*(reader.read() for reader in readers))

    async def have_ended() -> bool:
        return [row["outcome"] for row in (await exports(crowded_api))["items"]] == [
            "failed",
            "completed",
            "completed",
        ]

    await wait_until(have_ended)


async def test_one_reader_whose_exports_stall_leaves_a_place_to_others(
    crowded_api: Api, many_table: AnalyticsTable
) -> None:
    stalled = await begun(crowded_api)
    refused = await export(crowded_api, {})
    assert (refused.status, refused.json["code"]) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) >= 1
    assert "You have too many exports" in refused.json["detail"]
    other = await begun(crowded_api, "other")
    assert (await other.read()).count(b"\n") < MANY
    stalled.close()


async def test_an_api_key_with_the_scope_exports_and_is_named(
    api: Api, table: AnalyticsTable, database_url: str
) -> None:
    key = KeyTable(database_url).create("push", ["presence:export"], None)
    answer = await api.call(f"{PATH}/export", "POST", bearer=key, data=b"{}")
    assert answer.status == 200
    row = await ended(api)
    assert (row["who"], row["who_kind"]) == ("key:push", "api_key")


async def test_a_token_whose_user_looks_like_an_api_key_is_not_taken_for_it(
    api: Api, table: AnalyticsTable
) -> None:
    spoof = token("key:push", scope="presence:export")
    assert (await api.call(f"{PATH}/export", "POST", bearer=spoof, data=b"{}")).status == 200
    row = await ended(api)
    assert (row["who"], row["who_kind"]) == ("key:push", "token")
