"""Who looked: no call shows a user without its row."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from api.reads.audit import GROUP_SECONDS, ReadAudit
from api.settings import ApiSettings
from tests.rigs.api_harness import (
    SECRET,
    Api,
    Table,
    api_settings,
    running_api,
    token,
    wait_until,
)

ROWS = "SELECT who_kind, who, call, calls, users FROM reads_audit ORDER BY call, who"
AUDITOR = token("dpo", scope="presence:audit")


@pytest.fixture
def database_url(cleared_database_url: str) -> str:
    return cleared_database_url


@pytest.fixture
def table(database_url: str) -> Iterator[Table]:
    table = Table(database_url)
    table.deployment(1)
    table.offsets(0, foreground=2)
    table.user("ada", name="Ada")
    table.user("bob", name="Bob", screen="Cart")
    yield table
    table.close()


@pytest.fixture
async def api(table: Table, database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(database_url)) as api:
        yield api


async def test_every_call_that_shows_users_leaves_a_row(api: Api, table: Table) -> None:
    assert (await api.get("/api/v1/users/ada")).status == 200
    assert (await api.get("/api/v1/users/nobody")).status == 404
    assert (await api.get("/api/v1/users/ada/timeline")).status == 200
    assert (await api.get("/api/v1/users/nobody/timeline")).status == 404
    assert (await api.get("/api/v1/users")).status == 200
    assert (await api.get("/api/v1/online-users", screen="Cart")).status == 200
    body = b'{"user_ids": ["ada", "bob", "nobody"]}'
    assert (await api.call("/api/v1/users/lookup", "POST", data=body)).status == 200
    csv = await api.call("/api/v1/users", headers={"Accept": "text/csv"})
    assert csv.status == 200
    export = token("marketing", scope="presence:export")
    for call in ("preview", "export"):
        path = f"/api/v1/audiences/{call}"
        assert (await api.call(path, "POST", bearer=export, data=b"{}")).status == 200

    async def export_is_over() -> bool:
        found = "SELECT calls, users FROM reads_audit WHERE call = 'audience_export'"
        return table.run(found) == [(1, 2)]

    await wait_until(export_is_over)
    assert table.run(
        "SELECT who_kind, who, call, sum(calls), sum(users)"
        " FROM reads_audit GROUP BY 1, 2, 3 ORDER BY 3"
    ) == [
        ("token", "marketing", "audience_export", 1, 2),
        ("token", "marketing", "audience_preview", 1, 2),
        ("token", "staff", "lookup", 3, 2),
        ("token", "staff", "online_users", 1, 1),
        ("token", "staff", "timeline", 2, 1),
        ("token", "staff", "user", 2, 1),
        ("token", "staff", "users", 1, 2),
        ("token", "staff", "users_file", 1, 2),
    ]
    audit = ReadAudit(None, ApiSettings(jwt_secret=SECRET).audit_key)  # type: ignore[arg-type]
    subjects = {
        bytes(s)
        for (s,) in table.run("SELECT subject FROM reads_audit WHERE call IN ('user', 'lookup')")
    }
    assert subjects == {audit.of_user(user) for user in ("ada", "bob", "nobody")}
    assert "ada" not in str(table.run("SELECT r::text FROM reads_audit r"))


async def test_calls_of_one_minute_are_one_row(api: Api, table: Table) -> None:
    for _ in range(5):
        answers = await asyncio.gather(*(api.get("/api/v1/users/ada") for _ in range(10)))
        assert {answer.status for answer in answers} == {200}
    rows = table.run(ROWS)
    assert sum(row[3] for row in rows) == 50
    assert len(rows) <= 2  # a minute may have ended meanwhile


async def test_fifty_calls_at_once_are_few_transactions(api: Api) -> None:
    await api.get("/api/v1/users/ada")
    before = api.metric("rollcall_api_query_seconds_count", query="reads_noted")
    await asyncio.gather(*(api.get("/api/v1/users/ada") for _ in range(50)))
    written = api.metric("rollcall_api_query_seconds_count", query="reads_noted") - before
    assert 1 <= written <= 25
    assert GROUP_SECONDS == 0.01


async def test_the_feed_leaves_a_row_at_its_start_and_at_its_end(api: Api, table: Table) -> None:
    headers = {"Authorization": f"Bearer {token()}"}
    async with api.http.get(f"{api.origin}/api/v1/feed", headers=headers) as feed:
        assert feed.status == 200
        await feed.content.readline()
        assert [row[2] for row in table.run(ROWS)] == ["feed_start"]

    async def has_ended() -> bool:
        return [row[2] for row in table.run(ROWS)] == ["feed_end", "feed_start"]

    await wait_until(has_ended)


async def test_what_cannot_be_noted_is_not_shown(api: Api, table: Table) -> None:
    body = b'{"user_ids": ["ada"]}'
    table.run("ALTER TABLE reads_audit RENAME TO gone")
    try:
        for path in (
            "/api/v1/users/ada",
            "/api/v1/users/ada/timeline",
            "/api/v1/users",
            "/api/v1/online-users",
            "/api/v1/feed",
        ):
            answer = await api.get(path)
            assert (answer.status, answer.json["code"]) == (503, "unavailable"), path
            # A request id may hold these letters, too.
            assert "ada" not in str({**answer.json, "request_id": ""})
        assert (await api.call("/api/v1/users/lookup", "POST", data=body)).status == 503
        export = token("marketing", scope="presence:export")
        for call in ("preview", "export"):
            path = f"/api/v1/audiences/{call}"
            assert (await api.call(path, "POST", bearer=export, data=b"{}")).status == 503
        assert table.run("SELECT count(*) FROM audience_exports") == [(0,)]
    finally:
        table.run("ALTER TABLE gone RENAME TO reads_audit")
    assert (await api.get("/api/v1/users/ada")).status == 200


async def test_the_audit_says_who_looked_at_a_user(api: Api) -> None:
    for who, user in (("eve", "ada"), ("mallory", "bob"), ("eve", "ada")):
        assert (await api.call(f"/api/v1/users/{user}", bearer=token(who))).status == 200
    answer = await api.call("/api/v1/audit?user=ada", bearer=AUDITOR)
    assert answer.status == 200
    items = answer.json["items"]
    assert {(i["who"], i["who_kind"], i["call"]) for i in items} == {("eve", "token", "user")}
    assert sum(i["calls"] for i in items) == 2
    everything = await api.call("/api/v1/audit", bearer=AUDITOR)
    assert {i["who"] for i in everything.json["items"]} == {"eve", "mallory"}


async def test_a_user_sees_that_somebody_looked_at_them_and_not_who(api: Api) -> None:
    for user in ("ada", "bob"):
        assert (await api.get(f"/api/v1/users/{user}")).status == 200
    answer = await api.call("/api/v1/me/data", bearer=token("ada", scope=None))
    assert answer.status == 200
    [looked] = [p for p in answer.json["stored"] if p["where"] == "the table reads_audit"]
    [row] = looked["rows"]
    assert (row.keys(), row["call"], row["calls"]) == ({"minute", "call", "calls"}, "user", 1)
    assert "staff" not in json.dumps(row)


async def test_the_audit_is_paged_and_comes_as_csv(api: Api, table: Table) -> None:
    for n in range(7):
        table.run(
            "INSERT INTO reads_audit VALUES (date_trunc('minute', now()) - %s * interval '1 min',"
            " 'api_key', 'CRM', 'user', sha256(%s), 1, 1)",
            n // 2,
            str(n).encode(),
        )
    seen, cursor = [], ""
    while cursor is not None:
        path = "/api/v1/audit?limit=3" + (f"&cursor={cursor}" if cursor else "")
        page = (await api.call(path, bearer=AUDITOR)).json
        seen += [(i["minute"], i["subject"]) for i in page["items"]]
        cursor = page["next_cursor"]
    assert len(set(seen)) == len(seen) == 7
    assert seen == sorted(seen, reverse=True)
    csv = await api.call("/api/v1/audit", bearer=AUDITOR, headers={"Accept": "text/csv"})
    lines = csv.body.decode().splitlines()
    assert lines[0] == '"minute","who_kind","who","call","subject","calls","users"'
    assert len(lines) == 8


async def test_only_the_scope_of_the_audit_reads_it(api: Api) -> None:
    for scope in ("presence:read", "presence:export", "presence:read presence:export"):
        answer = await api.call("/api/v1/audit", bearer=token(scope=scope))
        assert (answer.status, answer.json["code"]) == (403, "scope_missing")
    assert (await api.call("/api/v1/users", bearer=AUDITOR)).status == 403
    bad = await api.call("/api/v1/audit?user=", bearer=AUDITOR)
    assert (bad.status, bad.json["errors"][0]["field"]) == (400, "user")


async def test_a_list_comes_as_csv_from_the_server(api: Api, table: Table) -> None:
    table.user("eve", name="=cmd|' /C calc'!A0")
    answer = await api.call("/api/v1/users?sort=user_id", headers={"Accept": "text/csv"})
    lines = answer.body.decode().split("\r\n")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert lines[0].startswith('"user_id","name","state"')
    assert [line.split(",")[0] for line in lines[1:4]] == ['"ada"', '"bob"', '"eve"']
    assert "\"'=cmd" in lines[3]
    assert "X-Rollcall-Next-Cursor" not in answer.headers
    first = await api.call("/api/v1/users?sort=user_id&limit=2", headers={"Accept": "text/csv"})
    cursor = first.headers["X-Rollcall-Next-Cursor"]
    rest = await api.get("/api/v1/users", sort="user_id", cursor=cursor)
    assert rest.user_ids == ["eve"]
    too_many = await api.call("/api/v1/users?limit=10001", headers={"Accept": "text/csv"})
    assert too_many.status == 400


async def test_without_a_key_it_is_noted_who_looked_and_said_that_at_whom_is_not(
    database_url: str, table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_api(api_settings(database_url, user_hash_key="")) as api:
        assert "set ROLLCALL_USER_HASH_KEY" in caplog.text
        assert (await api.get("/api/v1/users/ada")).status == 200
        [row] = (await api.call("/api/v1/audit", bearer=AUDITOR)).json["items"]
        assert (row["call"], row["subject"]) == ("user", "0" * 64)
        answer = await api.call("/api/v1/audit?user=ada", bearer=AUDITOR)
        assert answer.status == 503
        assert "ROLLCALL_USER_HASH_KEY" in answer.json["detail"]


def test_two_filters_are_two_subjects_and_neither_is_a_user() -> None:
    audit = ReadAudit(None, b"k" * 32)  # type: ignore[arg-type]
    found = {audit.of_filter(b"a"), audit.of_filter(b"b"), audit.of_user("a")}
    assert len(found) == 3


def test_nobody_else_may_change_what_was_noted(database_url: str) -> None:
    with psycopg.connect(database_url) as db:
        held = db.execute(
            "SELECT count(*) FROM pg_class, aclexplode(relacl) AS held"
            " WHERE oid = 'reads_audit'::regclass AND held.grantee = 0"
        ).fetchone()
    assert held == (0,)
