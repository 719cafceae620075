"""The secret that all processes of the API share: what they give out nobody else can make.

It is in PostgreSQL (``api_secret``): each process reads it once, when it is first wanted.
"""

from __future__ import annotations

import math
from typing import TypeVar

import msgspec

from api.postgres.database import Connection, Database
from api.postgres.shared_read import SharedRead
from api.signing.cursor import decode_cursor, encode_cursor
from schemas.database.named_queries import load_queries
from schemas.http.problems import ProblemError

P = TypeVar("P", bound=msgspec.Struct)


class ApiSecret:
    """Every method raises ``ProblemError`` as :class:`Database` does, until it was read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._query = load_queries("api.presence", "queries.sql")["secret"]
        self._secret = SharedRead(self._read, math.inf)

    async def get(self) -> bytes:
        """32 bytes."""
        return await self._secret.get()

    async def position_of(self, cursor: str | None, context: bytes, kind: type[P]) -> P | None:
        """As :func:`decode_cursor`; ``None`` without a cursor."""
        return decode_cursor(cursor, context, kind, await self.get()) if cursor else None

    async def cursor_at(self, position: msgspec.Struct, context: bytes) -> str:
        """As :func:`encode_cursor`."""
        return encode_cursor(position, context, await self.get())

    async def _read(self) -> bytes:
        async def read(connection: Connection) -> bytes:
            row = await (await connection.execute(self._query)).fetchone()
            if row is None:
                raise ProblemError(
                    "unavailable", "The table api_secret is empty: restore its row from a backup."
                )
            return bytes(row[0])

        return await self._database.read("secret", read)
