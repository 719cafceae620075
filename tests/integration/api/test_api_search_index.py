"""The index of searches, on Debian's PostgreSQL: built where it can be, used where it is."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner

from deploy.cli.command import app
from schemas.database.search_index import drop_search_index, make_search_index
from schemas.log.events import Erase, Heartbeat, OptOut
from tests.integration.processor.test_signs_of_life import USERS, Log
from tests.rigs.api_harness import NOON, Api, Table, api_settings, at, running_api
from tests.rigs.debian_postgres import DebianPostgres
from tests.rigs.rig import rows, wait_for

KNOWN = "/api/v1/users"
ONLINE = "/api/v1/online-users"
PLAN = "Bitmap Index Scan on search_texts_trigrams"
#: As an earlier build made it.
OF_BEFORE = "CREATE INDEX presence_search ON presence (lower(name))"
TEXTS = "SELECT user_id, name FROM search_texts ORDER BY 1"


@pytest.fixture(scope="module")
def server(debian_postgres: DebianPostgres) -> DebianPostgres:
    return debian_postgres


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
        assert "searches have the index search_texts_trigrams, built now" in migrated(owner)
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
        assert "searches have the index search_texts_trigrams\n" in migrated(owner)
        migrated(owner, "--no-search-index")
        assert await everything() == found
    table.close()


def test_what_is_searched_follows_whoever_writes_presence(owner: str) -> None:
    migrated(owner, "--no-search-index")
    table = Table(owner)
    table.user("ada", name="Ada")
    table.user("bob")
    table.run(OF_BEFORE)
    assert rows(owner, "SELECT count(*) FROM search_texts") == [(0,)]
    assert make_search_index(owner) == "searches have the index search_texts_trigrams, built now"
    assert rows(owner, "SELECT to_regclass('presence_search')") == [(None,)]
    assert rows(owner, TEXTS) == [("ada", "Ada"), ("bob", None)]

    table.user("cyd", name="Cyd")
    table.run("UPDATE presence SET name = 'Bob' WHERE user_id = 'bob'")
    table.run("DELETE FROM presence WHERE user_id = 'ada'")
    assert rows(owner, TEXTS) == [("bob", "Bob"), ("cyd", "Cyd")]
    placed = "SELECT ctid::text, xmin::text FROM search_texts WHERE user_id = 'cyd'"
    before = rows(owner, placed)
    table.run("UPDATE presence SET screen = 'Cart', name = 'Cyd' WHERE user_id = 'cyd'")
    assert rows(owner, placed) == before

    drop_search_index(owner)
    assert rows(owner, "SELECT count(*) FROM search_texts") == [(0,)]
    table.user("dee", name="Dee")
    assert rows(owner, TEXTS) == []
    assert make_search_index(owner).endswith("built now")
    assert rows(owner, TEXTS) == [("bob", "Bob"), ("cyd", "Cyd"), ("dee", "Dee")]

    # A trigger that somebody dropped: nobody knows what was missed.
    table.run("DROP TRIGGER search_texts_removed ON presence")
    table.run("DELETE FROM presence WHERE user_id = 'dee'")
    assert make_search_index(owner).endswith("built now")
    assert rows(owner, TEXTS) == [("bob", "Bob"), ("cyd", "Cyd")]
    table.close()


async def test_nothing_of_who_is_erased_or_opts_out_is_searched(owner: str) -> None:
    migrated(owner)
    log = Log(owner)
    await log.claim()
    named = [Heartbeat(user=u, token="t", device_id="phone", name=u.title()) for u in USERS[:3]]
    await log.write(tuple(named))
    assert rows(owner, TEXTS) == [(u, u.title()) for u in USERS[:3]]
    renamed = Heartbeat(user=USERS[0], token="t", device_id="phone", name="Ada", screen="Cart")
    await log.write(
        (renamed, Erase(user=USERS[1], request="r"), OptOut(user=USERS[2], request="s"))
    )
    assert rows(owner, TEXTS) == [(USERS[0], "Ada")]
    await log.store.close()


def test_who_is_removed_while_the_index_is_built_is_not_in_it(owner: str) -> None:
    migrated(owner, "--no-search-index")
    table = Table(owner)
    table.user("ada", name="Ada")
    with psycopg.connect(owner) as eraser, ThreadPoolExecutor(1) as beside:
        eraser.execute("SELECT FROM presence WHERE user_id = 'ada' FOR UPDATE")
        told = beside.submit(make_search_index, owner)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        wait_for("the copy waits for the user", lambda: rows(owner, waiting) == [(1,)])
        eraser.execute("DELETE FROM presence WHERE user_id = 'ada'")
        eraser.commit()
        assert told.result(60).endswith("built now")
    assert rows(owner, TEXTS) == []
    table.close()


async def test_a_role_that_may_not_read_the_texts_yet_searches_as_before(
    server: DebianPostgres, owner: str
) -> None:
    """Between `rollcall migrate` and the same with `--api-role`."""
    role = f"api_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    migrated(owner, "--api-role", role)
    table = Table(owner)
    table.deployment(1)
    table.offsets(0)
    table.user("u1", name="José")
    table.run(f'REVOKE ALL ON search_texts FROM "{role}"')
    async with running_api(api_settings(server.url(role, owner.rpartition("/")[2]))) as api:
        assert await ids(api, search="jose") == ["u1"]
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
    assert "searches have the index search_texts_trigrams, built now" in migrated(owner)


def test_a_server_without_the_extensions_migrates_and_says_what_it_lacks(database_url: str) -> None:
    assert "this server has no pg_trgm and no unaccent" in migrated(database_url)
