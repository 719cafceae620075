"""Webhooks in PostgreSQL (``schemas/webhooks/queries.sql``)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from psycopg.rows import class_row, dict_row

from api.postgres.database import Connection, Database
from schemas.webhooks.forms import MAX_DEAD_LETTERS, Listed, queries

_QUERY: Final = "webhooks"


class WebhookStore:
    """Raises ``ProblemError`` as :class:`Database` does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = queries()

    async def all(self) -> list[Listed]:
        """Oldest first."""

        async def read(connection: Connection) -> list[Listed]:
            async with connection.cursor(row_factory=class_row(Listed)) as cursor:
                await cursor.execute(self._queries["list"])
                return await cursor.fetchall()

        return await self._database.read(_QUERY, read)

    async def dead_letters(self, webhook_id: str) -> list[dict[str, Any]]:
        """The latest of a webhook."""
        values = {"id": webhook_id, "limit": MAX_DEAD_LETTERS}

        async def read(connection: Connection) -> list[dict[str, Any]]:
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(self._queries["dead_letters"], values)
                return await cursor.fetchall()

        return await self._database.read(_QUERY, read)

    async def exists(self, webhook_id: str) -> bool:
        async def read(connection: Connection) -> bool:
            cursor = await connection.execute(self._queries["exists"], {"id": webhook_id})
            return await cursor.fetchone() == (True,)

        return await self._database.read(_QUERY, read)

    async def create(self, row: Mapping[str, Any]) -> bool:
        """False: there are as many as may be. Asked again after a lost answer it finds its row."""

        async def write(connection: Connection) -> bool:
            found = await connection.execute(self._queries["exists"], {"id": row["id"]})
            if await found.fetchone() == (True,):
                return True
            return (await connection.execute(self._queries["create"], row)).rowcount == 1

        return await self._database.write(_QUERY, write)

    async def rotate(self, row: Mapping[str, Any]) -> datetime | None:
        """Until when the secret of before signs too; ``None``: there is no such webhook."""

        async def write(connection: Connection) -> datetime | None:
            found = await (await connection.execute(self._queries["rotate"], row)).fetchone()
            return None if found is None else found[0]

        return await self._database.write(_QUERY, write)

    async def replay(self, webhook_id: str) -> int:
        """How many dead letters begin to be replayed."""

        async def write(connection: Connection) -> int:
            cursor = await connection.execute(self._queries["replay"], {"id": webhook_id})
            found = await cursor.fetchone()
            return 0 if found is None else int(found[0])

        return await self._database.write(_QUERY, write)

    async def enable(self, webhook_id: str) -> bool:
        return await self._changed("enable", webhook_id)

    async def delete(self, webhook_id: str) -> bool:
        return await self._changed("delete", webhook_id)

    async def _changed(self, query: str, webhook_id: str) -> bool:
        async def write(connection: Connection) -> bool:
            cursor = await connection.execute(self._queries[query], {"id": webhook_id})
            return cursor.rowcount == 1

        return await self._database.write(_QUERY, write)
