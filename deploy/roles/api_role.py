"""The API's own role in PostgreSQL, made by the one who migrates.

The API needs to read, and to write a few columns (`schemas.database.migrate.grant_api`). With the
owner's password, an attacker who took over the API could drop what the processor keeps.
"""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from schemas.database.named_queries import load_queries

API_URL_VARIABLE: Final = "ROLLCALL_API_DATABASE_URL"
CONNECT_SECONDS: Final = 5


class ApiRoleError(RuntimeError):
    """There cannot be such a role. One line that names the remedy, without a password."""


def make_api_role(owner_url: str, api_url: str) -> tuple[str, bool]:
    """The role of the API's URL, and whether it was made; one that is there keeps its password.

    Raises `ApiRoleError`, `psycopg.Error`.
    """
    try:
        wanted = conninfo_to_dict(api_url)
    except psycopg.Error:  # whose text may show the password
        raise ApiRoleError(f"{API_URL_VARIABLE} is no PostgreSQL URL") from None
    role, password = str(wanted.get("user") or ""), str(wanted.get("password") or "")
    if not role:
        raise ApiRoleError(f"{API_URL_VARIABLE} names no user: postgresql://rollcall_api:…@…")
    queries = load_queries("deploy.roles", "api_role.queries.sql")
    with psycopg.connect(owner_url, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
        if connection.info.user == role:
            raise ApiRoleError(f"{API_URL_VARIABLE} names the owner: give the API another user")
        if connection.execute(queries["role_exists"], (role,)).fetchone() == (True,):
            return role, False
        if not password:
            raise ApiRoleError(f"{API_URL_VARIABLE} has no password to make the role {role} with")
        # The server's log shows what fails: it never gets a password, only what verifies one.
        verifier = connection.pgconn.encrypt_password(
            password.encode(), role.encode(), b"scram-sha-256"
        ).decode()
        statement = sql.SQL(queries["create_role"].decode()).format(
            role=sql.Identifier(role), verifier=sql.Literal(verifier)
        )
        try:
            connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            name = sql.Identifier(role).as_string(connection)
            raise ApiRoleError(
                f"{connection.info.user} may not make roles: let somebody who may run CREATE ROLE "
                f"{name} LOGIN PASSWORD '…' with the password of {API_URL_VARIABLE}, and try again"
            ) from None
        except psycopg.errors.DuplicateObject:  # by another one at the same time
            return role, False
    return role, True
