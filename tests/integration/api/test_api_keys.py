"""Keys of services: made and revoked with `rollcall key`, taken by the API and the dashboard."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from deploy.cli.command import app
from deploy.roles.api_keys import KeyTable
from schemas.tokens.api_keys import MAX_KEYS, key_digest, new_key
from tests.rigs.api_harness import Api, Table, api_settings, running_api, token, wait_until
from tests.suite.forks import run_python

ONLINE = "/api/v1/online-users"
#: Revocation counts within `api.access.api_keys.READ_SECONDS`; this machine may be slow.
SECONDS = 30.0


@pytest.fixture
def database_url(cleared_database_url: str) -> str:
    return cleared_database_url


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with running_api(api_settings(database_url)) as running:
        yield running


@pytest.fixture
def table(database_url: str) -> KeyTable:
    return KeyTable(database_url)


def rollcall(database_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What the command `rollcall key` says, in this process: one of its own takes half a second."""
    command = ["key", *arguments]
    done = CliRunner().invoke(app, command, env={"ROLLCALL_DATABASE_URL": database_url})
    return subprocess.CompletedProcess(command, done.exit_code, done.stdout, done.stderr)


async def test_a_key_made_on_the_command_line_reads_until_it_is_revoked(
    database_url: str, api: Api
) -> None:
    made = run_python(
        ["-m", "deploy.cli", "key", "create", "--name", "CRM", "--scope", "presence:read"],
        env={**os.environ, "ROLLCALL_DATABASE_URL": database_url},
    )
    assert made.returncode == 0
    key = made.stdout.strip()
    assert made.stdout == f"{key}\n"
    assert key not in made.stderr
    assert "only now" in made.stderr
    assert (await api.call(ONLINE, bearer=key)).status == 200

    async def listed_as_used() -> bool:
        return listed(database_url)[1][-2] != "-"

    await wait_until(listed_as_used)
    heading, row = listed(database_url)
    assert heading == ["ID", "NAME", "SCOPES", "CREATED", "EXPIRES", "LAST USED", "REVOKED"]
    assert (row[1], row[2], row[4], row[6]) == ("CRM", "presence:read", "-", "-")

    revoked = rollcall(database_url, "revoke", "--name", "CRM")
    assert (revoked.returncode, revoked.stdout) == (0, "revoked CRM\n")
    started = time.monotonic()

    async def refused() -> bool:
        return (await api.call(ONLINE, bearer=key)).status == 401

    await wait_until(refused)
    assert time.monotonic() - started < SECONDS
    answer = await api.call(ONLINE, bearer=key)
    assert answer.json["code"] == "token_revoked"
    assert "invalid_token" in answer.headers["WWW-Authenticate"]
    assert listed(database_url)[1][6] != "-"


def listed(database_url: str) -> list[list[str]]:
    """The lines of `rollcall key list`, by column."""
    done = rollcall(database_url, "list")
    assert (done.returncode, done.stderr) == (0, "")
    return [
        [cell.strip() for cell in line.split("  ") if cell.strip()]
        for line in done.stdout.splitlines()
    ]


def test_a_key_is_stored_as_its_hash_alone(database_url: str, table: KeyTable) -> None:
    key = table.create("CRM", ["presence:read"], None)
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT digest, api_keys::text FROM api_keys").fetchone()
    assert row is not None
    assert row[0] == key_digest(key)
    assert key not in row[1]
    assert key.removeprefix("rck_") not in row[1]


def test_a_name_is_taken_until_its_key_is_revoked(database_url: str) -> None:
    create = ("create", "--name", "CRM", "--scope", "presence:read")
    assert rollcall(database_url, *create).returncode == 0
    again = rollcall(database_url, *create)
    assert again.returncode == 2
    assert again.stdout == ""
    assert "a key named CRM already" in again.stderr
    assert rollcall(database_url, "revoke", "--name", "CRM").returncode == 0
    assert rollcall(database_url, *create).returncode == 0
    assert len(listed(database_url)) == 3
    unknown = rollcall(database_url, "revoke", "--name", "ERP")
    assert unknown.returncode == 2
    assert "no key named ERP" in unknown.stderr


def test_there_are_not_more_keys_than_services_hold(database_url: str, table: KeyTable) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO api_keys (name, digest, scopes) "
            "SELECT n::text, sha256(n::text::bytea), '{}' FROM generate_series(1, %s) n",
            (MAX_KEYS,),
        )
    with pytest.raises(RuntimeError, match="revoke some first"):
        table.create("one more", ["presence:read"], None)
    table.revoke("1")
    table.create("one more", ["presence:read"], None)


async def test_scopes_of_a_key_count_as_those_of_a_token(api: Api, table: KeyTable) -> None:
    exporter = table.create("exporter", ["presence:export"], None)
    answer = await api.call(ONLINE, bearer=exporter)
    assert (answer.status, answer.json["code"]) == (403, "scope_missing")
    both = table.create("both", ["presence:export", "presence:read"], None)

    async def reads() -> bool:  # a new key counts within a second
        return (await api.call(ONLINE, bearer=both)).status == 200

    await wait_until(reads)


async def test_a_key_that_nobody_made_is_refused(api: Api) -> None:
    for key in (new_key(), "rck_", "rck_é", "rck_" + "x" * 5_000):
        answer = await api.call(ONLINE, bearer=key)
        assert (answer.status, answer.json["code"]) == (401, "token_invalid")


async def test_a_key_expires(database_url: str, api: Api, table: KeyTable) -> None:
    key = table.create("CRM", ["presence:read"], 1)
    cookie = await log_in(api, key)
    assert 0 < int(cookie["max-age"]) <= 12 * 3600
    rows = Table(database_url)
    rows.run("UPDATE api_keys SET expires_at = now() - interval '1 s'")
    rows.close()

    async def expired() -> bool:
        answer = await api.call(ONLINE, bearer=key)
        return answer.status == 401 and answer.json["code"] == "token_expired"

    await wait_until(expired)


async def test_a_storm_of_bad_keys_is_no_storm_of_queries(
    database_url: str, api: Api, table: KeyTable
) -> None:
    key = table.create("CRM", ["presence:read"], None)
    started = time.monotonic()
    for _ in range(200):
        assert (await api.call(ONLINE, bearer=new_key())).status == 401
    assert (await api.call(ONLINE, bearer=key)).status == 200
    reads = api.metric("rollcall_api_query_seconds_count", query="keys")
    assert reads <= 2 + (time.monotonic() - started)


async def test_the_last_use_is_stored_once_a_minute(
    database_url: str, api: Api, table: KeyTable
) -> None:
    key = table.create("CRM", ["presence:read"], None)

    async def stored() -> bool:
        return table.list()[0].last_used_at is not None

    assert (await api.call(ONLINE, bearer=key)).status == 200
    await wait_until(stored)
    first = table.list()[0].last_used_at
    for _ in range(20):
        assert (await api.call(ONLINE, bearer=key)).status == 200
    assert api.metric("rollcall_api_query_seconds_count", query="key_used") == 1
    assert table.list()[0].last_used_at == first


async def test_a_last_use_that_cannot_be_stored_costs_no_call(
    database_url: str, api: Api, table: KeyTable, caplog: pytest.LogCaptureFixture
) -> None:
    key = table.create("CRM", ["presence:read"], None)
    rows = Table(database_url)
    rows.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE insufficient_privilege; END $$"
    )
    rows.run("CREATE TRIGGER refuse BEFORE UPDATE ON api_keys EXECUTE FUNCTION refuse()")
    assert (await api.call(ONLINE, bearer=key)).status == 200

    async def said() -> bool:
        return "was not stored" in caplog.text

    await wait_until(said)
    assert (await api.call(ONLINE, bearer=key)).status == 200
    assert key not in caplog.text
    rows.run("DROP FUNCTION refuse CASCADE")
    rows.close()


async def test_storing_a_last_use_never_holds_up_a_revocation(database_url: str, api: Api) -> None:
    """Both change the key's row, and this process serves nothing while it revokes."""
    table = KeyTable(make_conninfo(database_url, options="-c lock_timeout=2s"))
    names = [f"key {number}" for number in range(20)]
    keys = [table.create(name, ["presence:read"], None) for name in names]
    for name, key in zip(names, keys, strict=True):
        assert (await api.call(ONLINE, bearer=key)).status == 200
        table.revoke(name)


async def log_in(api: Api, key: str) -> dict[str, str]:
    answer = await api.call("/login", "POST", bearer=None, data={"token": key})
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    [morsel] = SimpleCookie(answer.headers["Set-Cookie"]).values()
    return {**dict(morsel), "Cookie": f"{morsel.key}={morsel.value}"}


async def test_the_dashboard_lets_a_key_in(api: Api, table: KeyTable) -> None:
    key = table.create("screen in the hall", ["presence:read"], None)
    cookie = await log_in(api, key)
    assert key.removeprefix("rck_") not in str(cookie)
    for path in ("/", ONLINE):
        page = await api.call(path, bearer=None, headers={"Cookie": cookie["Cookie"]})
        assert page.status == 200
    table.revoke("screen in the hall")

    async def sent_to_the_login() -> bool:
        page = await api.call("/", bearer=None, headers={"Cookie": cookie["Cookie"]})
        return page.status == 303

    await wait_until(sent_to_the_login)
    bad = await api.call("/login", "POST", bearer=None, data={"token": new_key()})
    assert bad.status == 401
    assert "no such key" in bad.body.decode()


async def test_no_key_is_logged(
    api: Api, table: KeyTable, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = table.create("CRM", ["presence:read"], None)
    await api.call(ONLINE, bearer=key)
    await log_in(api, key)
    table.revoke("CRM")
    await api.call(ONLINE, bearer=key)
    assert key.removeprefix("rck_") not in caplog.text


async def test_without_a_database_keys_are_neither_good_nor_bad(database_url: str) -> None:
    gone = database_url.rpartition("/")[0] + "/no_such_database"
    async with running_api(api_settings(gone, api_pool_wait_seconds=1)) as api:
        answer = await api.call(ONLINE, bearer=new_key())
        assert (answer.status, answer.json["code"]) == (503, "unavailable")
        assert 1 <= int(answer.headers["Retry-After"]) <= 5
        page = await api.call("/login", "POST", bearer=None, data={"token": new_key()})
        assert page.status == 503


def test_a_database_without_the_table_names_the_remedy(database_url: str) -> None:
    rows = Table(database_url)
    rows.run("ALTER TABLE api_keys RENAME TO elsewhere")
    try:
        done = rollcall(database_url, "list")
    finally:
        rows.run("ALTER TABLE elsewhere RENAME TO api_keys")
        rows.close()
    assert done.returncode == 1
    assert "rollcall migrate" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_database_that_is_away_is_one_line_without_its_password(tmp_path: Path) -> None:
    done = rollcall("postgresql://u:hidden@127.0.0.1:9/d", "list")
    assert done.returncode == 1
    assert "ROLLCALL_DATABASE_URL" in done.stderr
    assert done.stderr.count("\n") == 1
    odd = rollcall("u:hidden@h", "list")
    assert odd.returncode == 2
    assert "hidden" not in done.stderr + odd.stderr


async def test_a_token_is_still_a_token(api: Api) -> None:
    assert (await api.call(ONLINE, bearer=token())).status == 200
