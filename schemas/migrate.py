"""Plain SQL migrations: ``schemas/sql/NNNN_name.sql``, each applied once, in order, all or none.

Two processes that migrate at once wait for each other on an advisory lock. A file that was changed
after it was applied is refused: write a new one.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

import psycopg

from schemas.sql_files import load_queries

# Arbitrary, but never to change: it is how migrating processes find each other.
_ADVISORY_LOCK = 0x726F6C6C63616C6C


class MigrationError(RuntimeError):
    """The database cannot be brought to this version's schema."""


def _migrations() -> dict[str, str]:
    folder = files("schemas") / "sql"
    return {
        entry.name.removesuffix(".sql"): entry.read_text("utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name[:4].isdigit() and entry.name.endswith(".sql")
    }


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def migrate(dsn: str) -> list[str]:
    """Bring the database to this version's schema; gives the names of what was applied now.

    Raises :class:`MigrationError` if an applied file has changed or the database is newer than
    this program, ``psycopg.Error`` if the database refuses.
    """
    queries = load_queries("schemas", "sql/migrations.queries.sql")
    known = _migrations()
    applied_now = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(queries["lock"], (_ADVISORY_LOCK,))
        connection.execute(queries["create_table"])
        applied: dict[str, str] = dict(connection.execute(queries["applied"]).fetchall())
        for name in sorted(applied.keys() - known.keys()):
            raise MigrationError(
                f"the database has migration {name}, which this version of Rollcall lacks: "
                "run a newer version"
            )
        for name, text in known.items():
            if name in applied:
                if applied[name] != _checksum(text):
                    raise MigrationError(
                        f"migration {name} was changed after it was applied: restore the file "
                        "and put the change into a new one"
                    )
                continue
            with connection.transaction():
                connection.execute(text.encode())
                connection.execute(queries["record"], (name, _checksum(text)))
            applied_now.append(name)
    return applied_now
