"""Maintenance's connection: the lock that makes it the only runner, and transactions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import IsolationLevel

from schemas.database.named_queries import load_queries
from schemas.log.changes import SILENT_ENDS_SQL

Connection = psycopg.Connection[tuple[Any, ...]]
Parameters = Sequence[Any] | Mapping[str, Any]

# Arbitrary, but never to change: one runner in the whole deployment.
_ADVISORY_LOCK = 0x726F6C6C6B656570
CONNECT_TIMEOUT_SECONDS = 5
_CURSOR_ROWS = 5_000


class Position(NamedTuple):
    """Log time up to which every partition is stored, and how far each rollup is."""

    as_of: datetime | None
    quarters: datetime | None
    hours: datetime | None
    days: datetime | None


class Session:
    """Named statements on one connection. Raises ``psycopg.Error``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        parts = {"silent_ends": SILENT_ENDS_SQL}
        self._queries = load_queries("processor.maintenance", "maintenance.sql", parts)
        self.rows = 0

    def become_only_runner(self) -> bool:
        """Whether nobody else runs maintenance until this connection is closed."""
        # Before the transactions whose snapshots must see what the last runner did.
        with self.transaction():
            (acquired,) = self.one("acquire", (_ADVISORY_LOCK,))
        return bool(acquired)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is of one instant, and done together or not at all."""
        with self._connection.transaction():
            yield

    def position(self) -> Position:
        return Position(*self.one("position"))

    def do(self, query: str, parameters: Parameters = ()) -> None:
        """Run a statement; what it wrote counts in ``rows``."""
        self.rows += max(self._connection.execute(self._queries[query], parameters).rowcount, 0)

    def do_many(self, query: str, parameters: Sequence[Parameters]) -> None:
        """Run a statement once for each."""
        with self._connection.cursor() as cursor:
            cursor.executemany(self._queries[query], parameters)
        self.rows += len(parameters)

    def one(self, query: str, parameters: Parameters = ()) -> tuple[Any, ...]:
        """The only row of a query."""
        (row,) = self.all(query, parameters)
        return row

    def all(self, query: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(self._queries[query], parameters).fetchall()

    def stream(self, query: str, parameters: Parameters = ()) -> Iterator[tuple[Any, ...]]:
        """Rows of any number, a few thousand in memory at a time; inside a transaction."""
        with self._connection.cursor(query) as cursor:
            cursor.itersize = _CURSOR_ROWS
            yield from cursor.execute(self._queries[query], parameters)


def connect(dsn: str) -> Connection:
    """A connection for :class:`Session`."""
    connection = psycopg.connect(
        dsn,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        application_name="rollcall-maintenance",
    )
    try:
        # Not as options of the connection, which a pooler may refuse or ignore.
        connection.execute(load_queries("processor.maintenance", "maintenance.sql")["configure"])
        connection.commit()
    except BaseException:
        connection.close()
        raise
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    return connection
