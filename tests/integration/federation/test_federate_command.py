"""``rollcall federate``: what it refuses, what it says, and that it may be run again."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from typer.testing import CliRunner

from deploy.cli.command import app
from tests.rigs.api_harness import Table
from tests.rigs.debian_postgres import DebianPostgres
from tests.rigs.federation_rig import (
    IN_A_URL,
    PASSWORD,
    READER,
    Servers,
    allow_wrapper,
    federate,
    new_members,
)


@pytest.fixture(scope="module")
def servers(members_server: DebianPostgres) -> Servers:
    return new_members(members_server, "eu", "us", "old")


@pytest.fixture
def fleet(servers: Servers) -> Iterator[str]:
    with servers.database() as url:
        yield url


def names(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        query = "SELECT name FROM federation.member ORDER BY id"
        return [name for (name,) in connection.execute(query).fetchall()]


def refused(url: str, members: str, code: int = 2) -> str:
    done = federate(url, members=members)
    assert done.exit_code == code, done.output
    assert IN_A_URL not in done.stderr
    assert PASSWORD not in done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_it_is_made_anew_with_other_members(servers: Servers, fleet: str) -> None:
    both = f"{servers.member('eu')},{servers.member('us')}"
    # What only a superuser may allow is said with its statements.
    said = refused(fleet, both, code=1)
    assert "CREATE EXTENSION IF NOT EXISTS postgres_fdw; GRANT USAGE ON FOREIGN DATA" in said
    allow_wrapper(servers.server, fleet)
    made = federate(fleet, members=both)
    assert made.exit_code == 0, made.output
    assert made.stdout.endswith("eu is a member\nus is a member\na federation of eu, us\n")
    with psycopg.connect(fleet, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO annotations (id, at, kind, text, who_kind, who) "
            "VALUES (repeat('0', 32), now(), 'release', 'R', 'token', 'lead')"
        )
    again = federate(fleet, members=servers.member("us"))
    assert again.stdout == "eu is no member any more\na federation of us\n"
    assert names(fleet) == ["us"]
    with psycopg.connect(fleet) as connection:
        assert connection.execute("SELECT count(*) FROM annotations").fetchone() == (1,)
        servers_left = "SELECT count(*) FROM pg_foreign_server"
        assert connection.execute(servers_left).fetchone() == (1,)


def test_status_says_of_each_whether_it_answers(servers: Servers, fleet: str) -> None:
    allow_wrapper(servers.server, fleet)
    table = Table(servers.members["us"])
    table.clear()
    table.deployment(1)
    table.offsets(0, foreground=3)
    members = f"{servers.member('eu')},{servers.member('us')}"
    assert federate(fleet, members=members).exit_code == 0
    status = federate(fleet, "--status")
    assert status.exit_code == 0, status.output
    eu, us = status.stdout.splitlines()
    assert eu.startswith("eu: here, as of nothing yet, migration 00")
    assert us.startswith("us: here, as of 20")
    # The member's password is another one now.
    with psycopg.connect(servers.server.url(), autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {READER} PASSWORD 'another'")
    try:
        away = federate(fleet, "--status")
        assert away.exit_code == 1
        assert "us: away since" in away.stdout
        assert "password authentication failed" in away.stdout
        assert PASSWORD not in away.output
        # One that is a member already may be away; a new one may not.
        kept = federate(fleet, members=members)
        assert (kept.exit_code, "eu does not answer now" in kept.stderr) == (0, True), kept.output
        said = refused(fleet, f"{members},{servers.member('old')}")
        assert "member old at 127.0.0.1:" in said
    finally:
        with psycopg.connect(servers.server.url(), autocommit=True) as connection:
            connection.execute(
                f"ALTER ROLE {READER} PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'"
            )
    table.close()


def test_who_cannot_be_a_member_is_named_with_what_to_do(servers: Servers, fleet: str) -> None:
    allow_wrapper(servers.server, fleet)
    eu = servers.member("eu")
    for table in ("us", "eu"):
        opened = Table(servers.members[table])
        opened.clear()
        opened.run(
            "INSERT INTO deployment (topic, topic_id, partitions) VALUES ('presence.events', "
            "'11111111-1111-1111-1111-111111111111', 1)"
        )
        opened.close()
    assert "members eu and us are one deployment" in refused(fleet, f"{eu},{servers.member('us')}")
    old = Table(servers.members["old"])
    old.run("DELETE FROM schema_migrations WHERE name LIKE '0043%%'")
    assert "lacks migration 0043_search_texts: upgrade members" in refused(
        fleet, servers.member("old")
    )
    old.run("INSERT INTO schema_migrations (name, checksum) VALUES ('0043_search_texts', '')")
    # A member may be ahead.
    old.run("INSERT INTO schema_migrations (name, checksum) VALUES ('9999_to_come', '')")
    assert federate(fleet, members=servers.member("old")).exit_code == 0
    old.run("DELETE FROM schema_migrations WHERE name = '9999_to_come'")
    old.run(f"REVOKE SELECT ON screen_days FROM {READER}")
    said = refused(fleet, servers.member("old"))
    assert f"run rollcall migrate --federation-role {READER} there" in said
    old.run(f"GRANT SELECT ON screen_days TO {READER}")
    old.close()
    nobody = eu.rpartition("/")[0] + "/postgres"
    assert "member eu has no schema of Rollcall" in refused(fleet, nobody)
    of_itself = fleet.replace("//federation_owner@", f"//{READER}:{IN_A_URL}@")
    assert "member fleet is a federation" in refused(fleet, f"fleet={of_itself}")


def test_a_deployments_own_database_is_none(servers: Servers) -> None:
    table = Table(servers.members["us"])
    table.clear()
    table.deployment(1)
    table.close()
    said = refused(servers.members["us"], servers.member("eu"), code=1)
    assert "a federation has a database of its own" in said


def test_migrate_leaves_a_federation_to_its_command(servers: Servers, fleet: str) -> None:
    allow_wrapper(servers.server, fleet)
    assert federate(fleet, members=servers.member("eu")).exit_code == 0
    done = CliRunner().invoke(app, ["migrate"], env={"ROLLCALL_DATABASE_URL": fleet})
    assert done.exit_code == 1
    assert "rollcall federate migrates, with its members" in done.stderr


def test_a_server_without_the_wrapper_says_where_it_comes_from(postgres_url: str) -> None:
    member = "eu=postgresql://reader:x@127.0.0.1:1/rollcall"
    said = refused(postgres_url, member, code=1)
    assert "has no postgres_fdw" in said
    assert "Debian's postgresql" in said
