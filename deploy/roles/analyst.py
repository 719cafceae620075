"""The analyst of a `rollcall up`: a role that may read the schema `analytics`, and nothing else."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from deploy.database import url_of_stack
from schemas.database.migrate import grant_analytics
from schemas.database.named_queries import load_queries

ROLE: Final = "rollcall_analyst"
CONNECT_SECONDS: Final = 5
# Arbitrary: how two that make the role at once find each other.
_ADVISORY_LOCK: Final = 0x616E616C797374


def analyst_url(data_dir: Path) -> str:
    """Connection URL of the analyst; makes the role if there is none.

    It reads the aggregates; who grants it more (`rollcall migrate --with-people`) has it kept.
    Raises `deploy.database.NoDatabaseError`, `psycopg.Error`, `OSError`.
    """
    owner = url_of_stack(data_dir)
    password = _read_or_make_password(data_dir)
    queries = load_queries("deploy.roles", "analyst.queries.sql")
    names = {"role": sql.Identifier(ROLE), "password": sql.Literal(password)}
    with psycopg.connect(owner, connect_timeout=CONNECT_SECONDS) as connection:
        connection.execute(queries["one_at_a_time"], (_ADVISORY_LOCK,))
        if connection.execute(queries["role_exists"], (ROLE,)).fetchone() == (False,):
            connection.execute(sql.SQL(queries["create_role"].decode()).format(**names))
        for name in ("set_password", "read_only"):
            connection.execute(sql.SQL(queries[name].decode()).format(**names))
    grant_analytics(owner, ROLE, with_people=False)
    server = conninfo_to_dict(owner)
    address = f"{server['host']}:{server['port']}/{server['dbname']}"
    return f"postgresql://{ROLE}:{password}@{address}"


def _read_or_make_password(data_dir: Path) -> str:
    file = data_dir / "postgres" / "analyst-password"
    file.touch(mode=0o600)
    if not file.read_text():
        file.write_text(secrets.token_urlsafe(24))
    return file.read_text()
