"""The index of searches (`search=` of the API): any part of a name or id, without case and accents.

It is on ``search_texts``, a narrow copy of what ``presence`` says of these two: on ``presence``
itself every navigation would write it. Triggers keep the copy, so that processors need not know of
it; without the index there are neither.

It needs the extensions ``pg_trgm`` and ``unaccent``, which not every server has and not every owner
of a database may create. So it is no migration: ``rollcall migrate`` makes it where it can, after
the migrations, and says what came of it. The API looks for the index with each search; without it
a search reads user by user, as many as it may (``searched`` in api/presence/queries.sql).
"""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import sql

from schemas.database.migrate import ATTEMPTS, build_beside_others, only_runner, with_short_locks
from schemas.database.named_queries import load_queries

INDEX: Final = "search_texts_trigrams"
TRIGGERS: Final = 3
#: Users that are copied at a time: whoever removes one of them waits for so long.
STEP: Final = 2_000
EXTENSIONS: Final = ("pg_trgm", "unaccent")
_WITHOUT: Final = "searches read user by user, without an index"


def make_search_index(dsn: str) -> str:
    """Build the index beside all that reads and writes the table; gives a sentence for the
    operator. The database must be migrated. A server that refuses is no error: raises
    ``psycopg.Error`` only where the connection is lost."""
    queries = load_queries("schemas.database", "sql/search_index.queries.sql")
    with only_runner(dsn) as connection:
        found = {name for (name,) in connection.execute(queries["available"], (list(EXTENSIONS),))}
        if missing := [name for name in EXTENSIONS if name not in found]:
            return (
                f"{_WITHOUT}: this server has no {' and no '.join(missing)} "
                "(Debian: package postgresql-contrib)"
            )
        is_kept = connection.execute(queries["triggers"]).fetchone() == (TRIGGERS,)
        if is_kept and connection.execute(queries["is_built"], (INDEX,)).fetchone() == (True,):
            return f"searches have the index {INDEX}"
        try:
            for name in EXTENSIONS:
                create = sql.SQL(queries["create_extension"].decode())
                connection.execute(create.format(sql.Identifier(name)))
            schemas = dict(connection.execute(queries["schemas"], (list(EXTENSIONS),)).fetchall())
            make = sql.SQL(queries["make_function"].decode())
            unaccent = sql.Identifier(schemas["unaccent"], "unaccent")
            dictionary = sql.Literal(unaccent.as_string(connection))
            connection.execute(make.format(unaccent=unaccent, dictionary=dictionary))
            if not is_kept:
                connection.execute(queries["drop"])
                keep = queries["keep"]
                with_short_locks(connection, lambda: connection.execute(keep), "the search index")
            _fill(connection, queries["fill"])
            build = sql.SQL(queries["build"].decode())
            trigrams = sql.Identifier(schemas["pg_trgm"], "gin_trgm_ops")
            build_beside_others(
                connection, build.format(trigrams=trigrams).as_string(connection), INDEX
            )
            # So that the planner knows what is frequent in names.
            connection.execute(queries["analyze"])
            connection.execute(queries["drop_on_presence"])
        except psycopg.errors.InsufficientPrivilege:
            return (
                f"{_WITHOUT}: this role may not create extensions; let a superuser run "
                f"{' '.join(f'CREATE EXTENSION {name};' for name in EXTENSIONS)} in this database, "
                "and run this again"
            )
        except psycopg.Error as error:
            if connection.closed:
                raise
            return f"{_WITHOUT}: {str(error).splitlines()[0]}"
    return f"searches have the index {INDEX}, built now"


def drop_search_index(dsn: str) -> str:
    """The other way round: the extensions stay, others may use them."""
    queries = load_queries("schemas.database", "sql/search_index.queries.sql")
    with only_runner(dsn) as connection:
        connection.execute(queries["drop"])
        connection.execute(queries["drop_on_presence"])
        if connection.execute(queries["triggers"]).fetchone() != (0,):
            forget = queries["forget"]
            with_short_locks(connection, lambda: connection.execute(forget), "the search index")
    return f"{_WITHOUT}, as asked"


def _fill(connection: psycopg.Connection, fill: bytes) -> None:
    """Copy who was there before the triggers. What is cut off is done again from the beginning."""
    after, refused = "", 0
    while True:
        try:
            row = connection.execute(fill, {"after": after, "most": STEP}).fetchone()
        except psycopg.errors.DeadlockDetected:
            # With a batch that removes some of them, and has others of this step.
            refused += 1
            if refused == ATTEMPTS:
                raise
            continue
        if row is None:
            return
        after = row[0]
