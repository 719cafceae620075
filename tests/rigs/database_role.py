"""A role of PostgreSQL that tests act as."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import psycopg
from psycopg import sql


def as_role(url: str, role: str) -> str:
    """The URL of connections that act as the role."""
    return f"{url}{'&' if '?' in url else '?'}options={quote(f'-c role={role}')}"


@contextmanager
def fresh_role(url: str, name: str) -> Iterator[str]:
    """A role of this name that has no right yet, and nothing of which is left afterwards."""
    role = sql.Identifier(name)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(sql.SQL("CREATE ROLE {}").format(role))
    yield name
    with psycopg.connect(url, autocommit=True) as db:
        for statement in ("DROP OWNED BY {}", "DROP ROLE {}"):
            db.execute(sql.SQL(statement).format(role))
