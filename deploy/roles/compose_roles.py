"""``python -m deploy.roles.compose_roles FOLDER``: what docker-compose.yml runs before the
migration.

The database and its roles, with the passwords that ``deploy.roles.compose_secrets`` left in the
folder. It runs with each ``up`` and does what is missing, so that a start that failed half-way is
mended by the next.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import psycopg
import typer
from psycopg.conninfo import make_conninfo

from deploy.roles.compose_secrets import API, DATABASE, GRAFANA, NOTIFY, OWNER, SUPERUSER
from deploy.terminal import FAILURE, fail
from deploy.waiting import WaitSeconds, wait_for
from schemas.database.named_queries import load_queries

ADDRESS: Final = DATABASE.partition("/")[0]
CONNECT_SECONDS: Final = 5
ROLES: Final = (OWNER, API, NOTIFY, GRAFANA)


def main(
    folder: Annotated[Path, typer.Argument(help="A file for each role, which holds its password.")],
    address: Annotated[str, typer.Option(help="host:port of PostgreSQL.")] = ADDRESS,
    wait: WaitSeconds = 0.0,
) -> None:
    """Make the database and its roles, or what is missing of them."""
    passwords = {role: (folder / role).read_text("utf-8").strip() for role in (SUPERUSER, *ROLES)}
    host, _, port = address.partition(":")
    dsn = make_conninfo(
        host=host,
        port=port,
        user=SUPERUSER,
        password=passwords[SUPERUSER],
        dbname="postgres",
        connect_timeout=CONNECT_SECONDS,
    )
    try:
        wait_for(
            lambda: psycopg.connect(dsn).close(), (psycopg.OperationalError,), "PostgreSQL", wait
        )
        make_roles(dsn, {role: passwords[role] for role in ROLES})
    except psycopg.Error as error:
        fail(
            f"cannot make the roles of PostgreSQL: {error}. If it knows another password, then the "
            "volumes postgres-secrets and postgres-data are not of one installation: restore the "
            "one that belongs to the other",
            FAILURE,
        )
    sys.stdout.write("the database and its roles are there\n")


def make_roles(dsn: str, passwords: dict[str, str]) -> None:
    """Idempotent. ``dsn`` is the superuser's. Raises ``psycopg.Error``."""
    queries = load_queries("deploy.roles", "compose_roles.sql")
    with psycopg.connect(dsn, autocommit=True) as connection:
        # The server's log shows what fails: it never gets a password, only what verifies one.
        verifiers = {
            role: connection.pgconn.encrypt_password(
                password.encode(), role.encode(), b"scram-sha-256"
            ).decode()
            for role, password in passwords.items()
        }
        for (statement,) in connection.execute(queries["statements"], verifiers).fetchall():
            connection.execute(statement)


if __name__ == "__main__":
    typer.run(main)
