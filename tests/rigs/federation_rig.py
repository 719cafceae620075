"""Two deployments and a federation of them, in one server of Debian's PostgreSQL."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql
from typer.testing import CliRunner, Result

from deploy.cli.command import app
from schemas.database.migrate import grant_federation, migrate
from tests.rigs.debian_postgres import DebianPostgres

#: With what would break a statement, and a URL.
PASSWORD = "it's a @ secret, /really"
IN_A_URL = "it%27s%20a%20%40%20secret%2C%20%2Freally"
READER = "federation_reader"
OWNER = "federation_owner"
API = "federation_api"
#: The database of which members are copies.
MIGRATED = "migrated"


@dataclass(frozen=True)
class Servers:
    """``members`` are URLs of their owner; the reader has a password, which is asked for."""

    server: DebianPostgres
    members: dict[str, str]

    def member(self, name: str, port: int | None = None) -> str:
        """As the command is given it."""
        database = self.members[name].rpartition("/")[2]
        at = f"127.0.0.1:{port or self.server.port}"
        return f"{name}=postgresql://{READER}:{IN_A_URL}@{at}/{database}"

    @contextmanager
    def database(self, owner: str = OWNER) -> Iterator[str]:
        """URL of an empty one."""
        name = f"fleet_{uuid.uuid4().hex[:8]}"
        yield create(self.server, name, owner)
        drop(self.server, name)


def create(server: DebianPostgres, name: str, owner: str, template: str = "template0") -> str:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        text = "CREATE DATABASE {} OWNER {} LOCALE 'C.UTF-8' TEMPLATE {}"
        names = map(sql.Identifier, (name, owner, template))
        connection.execute(sql.SQL(text).format(*names))
    return server.url(owner, name)


def drop(server: DebianPostgres, name: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        text = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        connection.execute(text.format(sql.Identifier(name)))


def allow_wrapper(server: DebianPostgres, url: str) -> None:
    """What a superuser does, as the command says."""
    name = url.rpartition("/")[2]
    with psycopg.connect(server.url("postgres", name), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS postgres_fdw")
        connection.execute(f"GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO {OWNER}")


def allow_members(server: DebianPostgres) -> None:
    """Make the roles, and what each member is a copy of."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for role in (READER, OWNER, API):
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(role), sql.Literal(PASSWORD)
                )
            )
        rules = server.log.parent / "data" / "pg_hba.conf"
        asked = f"host all {READER} 127.0.0.1/32 scram-sha-256\n"
        rules.write_text(asked + rules.read_text())
        connection.execute("SELECT pg_reload_conf()")
    migrated = create(server, MIGRATED, "postgres")
    migrate(migrated)
    grant_federation(migrated, READER)


def new_members(server: DebianPostgres, *names: str) -> Servers:
    """Databases of these members, which nobody else has."""
    own = uuid.uuid4().hex[:8]
    return Servers(
        server,
        {name: create(server, f"member_{name}_{own}", "postgres", MIGRATED) for name in names},
    )


def federate(url: str, *options: str, members: str | None = None) -> Result:
    environment = {"ROLLCALL_DATABASE_URL": url}
    if members is not None:
        environment["ROLLCALL_FEDERATION_MEMBERS"] = members
    return CliRunner().invoke(app, ["federate", *options], env=environment)


async def federated(url: str, *options: str, members: str | None = None) -> str:
    """What the command says that made it; beside a loop that carries its connections."""
    done = await asyncio.to_thread(federate, url, *options, members=members)
    assert done.exit_code == 0, done.output
    return done.stdout
