"""The index of searches, on Debian's PostgreSQL: built where it can be, used where it is."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner

from deploy.cli.command import app
from tests.rigs.api_harness import NOON, Api, Table, api_settings, at, running_api
from tests.rigs.debian_postgres import DebianPostgres, running_debian_postgres

KNOWN = "/api/v1/users"
ONLINE = "/api/v1/online-users"
PLAN = "Bitmap Index Scan on presence_search"


@pytest.fixture(scope="module")
def server() -> Iterator[DebianPostgres]:
    with running_debian_postgres() as running:
        yield running


@pytest.fixture
def owner(server: DebianPostgres) -> str:
    """URL of an empty database of a role that is no superuser."""
    name = f"rollcall_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for statement in (
            "CREATE ROLE {} LOGIN",
            "CREATE DATABASE {name} OWNER {name} LOCALE 'C.UTF-8' TEMPLATE template0",
        ):
            text = statement.replace("{}", "{name}")
            connection.execute(sql.SQL(text).format(name=sql.Identifier(name)))
    return server.url(name, name)


def migrated(url: str, *options: str) -> str:
    done = CliRunner().invoke(app, ["migrate", *options], env={"ROLLCALL_DATABASE_URL": url})
    assert done.exit_code == 0, done.output
    return done.stdout


async def ids(api: Api, path: str = KNOWN, **parameters: str) -> list[str]:
    answer = await api.get(path, **parameters)
    assert answer.status == 200, answer.body
    return answer.user_ids


def crowd(table: Table) -> None:
    """Four thousand whom nobody looks for, so that an index is worth it."""
    table.deployment(1)
    table.offsets(0)
    table.run(
        "INSERT INTO presence (user_id, partition, name, state, reason, changed_at, device_count,"
        " device, signed_out) SELECT 'x' || n, 0, 'Nobody ' || md5(n::text), 'offline',"
        " 'timed_out', %s, 0, 'default', false FROM generate_series(1, 4000) n",
        NOON,
    )


async def test_a_search_uses_the_index_and_finds_what_it_found_without(
    server: DebianPostgres, owner: str
) -> None:
    role = f"api_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    assert "searches read user by user, without an index, as asked" in migrated(
        owner, "--no-search-index", "--api-role", role
    )
    table = Table(owner)
    crowd(table)
    table.user("u1", name="José Álvarez")
    table.user("U2-jose", name="100% Eve_Jones", changed_at=at(-1))
    table.user("u3", "offline", name="Amina DIALLO", changed_at=at(-2))
    table.user("u4", "offline", name="Søren Жуков", changed_at=at(-3))
    table.user("u5", "offline", name="王小明", changed_at=at(-4))
    found = {
        "JOSE": ["u1", "U2-jose"],
        "alvár": ["u1"],
        "iallo": ["u3"],
        "00% eve": ["U2-jose"],
        "eve_j": ["U2-jose"],
        "eve%j": [],
        "жУК": ["u4"],
        "王小明": ["u5"],
        "%%%": [],
        "a\\b": [],
        "am": ["u3"],
    }
    # The API has a role of its own, and runs before there is an index.
    url = server.url(role, owner.rpartition("/")[2])
    async with running_api(api_settings(url)) as api:

        async def everything() -> dict[str, list[str]]:
            return {text: await ids(api, search=text) for text in found}

        assert await everything() == found
        assert await ids(api, search="soren") == []
        assert PLAN not in server.log.read_text()
        assert "searches have the index presence_search, built now" in migrated(owner)
        assert await everything() == found
        plans = server.log.read_text()
        assert PLAN in plans
        # As the server's list of accents has it.
        assert await ids(api, search="soren") == ["u4"]
        assert await ids(api, ONLINE, search="iallo") == []
        counted = await api.get(KNOWN, search="JOSE", count="true", limit="1")
        assert (counted.json["count"], counted.user_ids) == (2, ["u1"])
        after = counted.json["next_cursor"]
        assert await ids(api, search="JOSE", count="true", limit="1", cursor=after) == ["U2-jose"]
        assert "searches have the index presence_search\n" in migrated(owner)
        migrated(owner, "--no-search-index")
        assert await everything() == found
    table.close()


def test_a_role_that_may_not_create_extensions_migrates_and_is_told(
    server: DebianPostgres, owner: str
) -> None:
    name = owner.rpartition("/")[2]
    migrated(owner, "--no-search-index")
    with psycopg.connect(server.url(database=name), autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} OWNER TO postgres").format(sql.Identifier(name))
        )
        # The database is no longer its own; the tables are.
        connection.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(sql.Identifier(name)))
        told = migrated(owner)
        assert "this role may not create extensions; let a superuser run CREATE EXTENSION" in told
        for extension in ("pg_trgm", "unaccent"):
            connection.execute(sql.SQL("CREATE EXTENSION {}").format(sql.Identifier(extension)))
    assert "searches have the index presence_search, built now" in migrated(owner)


def test_a_server_without_the_extensions_migrates_and_says_what_it_lacks(database_url: str) -> None:
    assert "this server has no pg_trgm and no unaccent" in migrated(database_url)
