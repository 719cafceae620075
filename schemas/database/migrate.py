"""Plain SQL migrations: ``schemas/database/sql/NNNN_name.sql``, each applied once, in order, all or
none.

The services of the release before run meanwhile. A session that waits for a table makes all others
queue behind it, so a migration waits ``LOCK_SECONDS`` at most, then makes room and tries again.

Numbers say in which order, and nothing else. There is no 0011: it was given up before a release had
it, and 0012 kept its name. An applied file is never renamed: its name is what a database remembers.

A file whose first line is ``-- concurrently`` builds or drops indexes of large tables beside all
that reads and writes them. It runs outside of a transaction, statement by statement. If it ends
half-way it is run again: so its statements are ``CREATE INDEX CONCURRENTLY IF NOT EXISTS`` and
``DROP INDEX CONCURRENTLY IF EXISTS``, each ended by a semicolon at the end of its line, and an
index that an attempt left unfinished is dropped first. A partitioned table takes none of this.

Two processes that migrate at once wait for each other on an advisory lock. A file that was changed
after it was applied is refused: write a new one. Analysts keep their grants, also on views that a
migration makes anew.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import psycopg
from psycopg import sql

from schemas.database.named_queries import load_queries

# Arbitrary, but never to change: it is how migrating processes find each other.
_ADVISORY_LOCK = 0x726F6C6C63616C6C
_FOLDER = files("schemas.database") / "sql"
#: How long services may have to wait behind a migration that waits for a table.
LOCK_SECONDS: Final = 2.0
#: Pauses between attempts; together with the waiting somewhat more than two minutes.
PAUSE_SECONDS: Final = 1.0
ATTEMPTS: Final = 45
_CONCURRENTLY: Final = "-- concurrently\n"
_OF_AN_INDEX: Final = re.compile(
    r"(?:CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS|"
    r"DROP INDEX CONCURRENTLY IF EXISTS) (\w+)\b"
)


class MigrationError(RuntimeError):
    """The database cannot be brought to this version's schema."""


class NoSuchRoleError(RuntimeError):
    """There is no such role; the message names the command that creates it."""


def _migrations(folder: Traversable) -> dict[str, str]:
    return {
        entry.name.removesuffix(".sql"): entry.read_text("utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name[:4].isdigit() and entry.name.endswith(".sql")
    }


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def migrate(dsn: str, folder: Traversable = _FOLDER) -> list[str]:
    """Bring the database to this version's schema; gives the names of what was applied now.

    Raises :class:`MigrationError` if an applied file has changed or the database is newer than
    this program, ``psycopg.Error`` if the database refuses.
    """
    queries = load_queries("schemas.database", "sql/migrations.queries.sql")
    known = _migrations(folder)
    applied_now = []
    with only_runner(dsn) as connection:
        if connection.execute(queries["is_federation"]).fetchone() == (True,):
            raise MigrationError(
                "it is a federation, which rollcall federate migrates, with its members"
            )
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
            apply = _apply_concurrently if text.startswith(_CONCURRENTLY) else _apply
            apply(connection, queries, name, text)
            applied_now.append(name)
    return applied_now


@contextmanager
def only_runner(dsn: str) -> Iterator[psycopg.Connection]:
    """A connection, once nobody else migrates. Asked again and again, because a statement that
    waits has a snapshot: an index that is built meanwhile would wait for it, and both for each
    other."""
    lock = load_queries("schemas.database", "sql/migrations.queries.sql")["lock"]
    with psycopg.connect(dsn, autocommit=True) as connection:
        while connection.execute(lock, (_ADVISORY_LOCK,)).fetchone() != (True,):
            time.sleep(PAUSE_SECONDS)
        yield connection


def statements(text: str) -> list[tuple[str, str]]:
    """Those of a file that is marked ``-- concurrently``, each with its index.

    Raises :class:`MigrationError` for one that could not be done again.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    found = []
    for statement in re.split(r";[ ]*(?:\n|$)", "\n".join(lines)):
        if not statement.strip():
            continue
        match = _OF_AN_INDEX.match(statement.strip())
        if match is None:
            raise MigrationError(
                f"of a file that is marked -- concurrently every statement is CREATE INDEX "
                "CONCURRENTLY IF NOT EXISTS or DROP INDEX CONCURRENTLY IF EXISTS, not: "
                f"{statement.strip()}"
            )
        found.append((statement.strip(), match[1]))
    return found


def _apply_concurrently(
    connection: psycopg.Connection, queries: Mapping[str, bytes], name: str, text: str
) -> None:
    for statement, index in statements(text):
        build_beside_others(connection, statement, index)
    connection.execute(queries["record"], (name, _checksum(text)))


def build_beside_others(connection: psycopg.Connection, statement: str, index: str) -> None:
    """Run a statement that builds or drops an index CONCURRENTLY; what an attempt left is dropped
    first. Raises :class:`MigrationError`."""
    queries = load_queries("schemas.database", "sql/migrations.queries.sql")
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        if connection.execute(queries["is_unfinished"], (index,)).fetchone() == (True,):
            drop = sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(index))
            connection.execute(drop)
        try:
            connection.execute(statement.encode())
        except psycopg.errors.DeadlockDetected:
            # The release before waits to migrate with a snapshot.
            continue
        return
    raise MigrationError(
        f"{ATTEMPTS} attempts to build the index {index} met a deadlock: another process waits to "
        "migrate; end it, and run this again"
    )


def _apply(
    connection: psycopg.Connection, queries: Mapping[str, bytes], name: str, text: str
) -> None:
    def apply() -> None:
        analysts = connection.execute(queries["analysts"]).fetchall()
        connection.execute(text.encode())
        connection.execute(queries["record"], (name, _checksum(text)))
        for analyst in analysts:
            connection.execute(queries["grant_analytics"], analyst)

    with_short_locks(connection, apply, f"migration {name}")


def with_short_locks(
    connection: psycopg.Connection, change: Callable[[], object], what: str
) -> None:
    """A change of the schema in one transaction, tried again where it does not get its locks soon.
    Raises :class:`MigrationError`, which says ``what`` did not."""
    wait = load_queries("schemas.database", "sql/migrations.queries.sql")["wait_for_locks"]
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        try:
            with connection.transaction():
                connection.execute(wait, (f"{LOCK_SECONDS:g}s",))
                change()
        except psycopg.errors.LockNotAvailable:
            continue
        return
    raise MigrationError(
        f"{what} did not get its locks in {ATTEMPTS} attempts: some transaction holds a "
        "table all the time; find it in pg_stat_activity, end it, and run this again"
    )


def not_applied(applied: Iterable[str]) -> list[str]:
    """Of this version's migrations those that are not among ``applied``, in order."""
    return sorted(_migrations(_FOLDER).keys() - set(applied))


def check_role(dsn: str, role: str) -> None:
    """Raises :class:`NoSuchRoleError` if the server has no such role, or ``psycopg.Error``."""
    queries = load_queries("schemas.database", "sql/migrations.queries.sql")
    with psycopg.connect(dsn, autocommit=True) as connection:
        if connection.execute(queries["role_exists"], (role,)).fetchone() != (True,):
            name = sql.Identifier(role).as_string(connection)
            raise NoSuchRoleError(
                f"there is no role {name}: create it with CREATE ROLE {name} LOGIN PASSWORD '…'; "
                "and run this again"
            )


def grant_analytics(dsn: str, role: str, *, with_people: bool) -> None:
    """Let a role read the aggregates of the schema ``analytics``; ``with_people`` adds visits and
    sessions. Grants only, never takes back. The database must be migrated."""
    queries = load_queries("schemas.database", "sql/migrations.queries.sql")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(queries["grant_analytics"], (role, with_people))


def grant_api(dsn: str, role: str) -> None:
    """Let a role do what the API does: read, and write what it writes. Grants only, never takes
    back. After each migration: new tables are not among what it may read. The database must be
    migrated."""
    queries = load_queries("schemas.database", "sql/migrations.queries.sql")
    statements = sql.SQL(queries["grant_api"].decode())
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statements.format(role=sql.Identifier(role)))


def grant_federation(dsn: str, role: str) -> None:
    """Let a role read what a federation adds up. As :func:`grant_api`."""
    queries = load_queries("schemas.database", "sql/migrations.queries.sql")
    statements = sql.SQL(queries["grant_federation"].decode())
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statements.format(role=sql.Identifier(role)))


def grant_notify(dsn: str, role: str) -> None:
    """Let a role do what notify does. As :func:`grant_api`."""
    queries = load_queries("schemas.database", "sql/migrations.queries.sql")
    statements = sql.SQL(queries["grant_notify"].decode())
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statements.format(role=sql.Identifier(role)))
