"""What managers keep, in PostgreSQL: webhooks and alerts alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

from psycopg.rows import class_row

from api.postgres.database import Connection, Database
from schemas.managed.manager import Manager

Listed = TypeVar("Listed")


class ManagedStore(Generic[Listed]):
    """``queries`` has ``list``, of rows of ``listed``, ``exists``, ``create``, ``delete`` and
    ``rotate``, each with its row of the audit; ``name`` is what metrics call them. Raises
    ``ProblemError`` as :class:`Database` does."""

    def __init__(
        self, database: Database, name: str, listed: type[Listed], queries: Mapping[str, bytes]
    ) -> None:
        self._database = database
        self._name = name
        self._listed = listed
        self._queries = queries

    async def all(self) -> list[Listed]:
        """Oldest first."""

        async def read(connection: Connection) -> list[Listed]:
            async with connection.cursor(row_factory=class_row(self._listed)) as cursor:
                await cursor.execute(self._queries["list"])
                return await cursor.fetchall()

        return await self._database.read(self._name, read)

    async def exists(self, managed_id: str) -> bool:
        async def read(connection: Connection) -> bool:
            return await self._has(connection, managed_id)

        return await self._database.read(self._name, read)

    async def create(self, row: Mapping[str, Any]) -> bool:
        """False: there are as many as may be. Asked again after a lost answer it finds its row."""

        async def write(connection: Connection) -> bool:
            if await self._has(connection, row["id"]):
                return True
            return (await connection.execute(self._queries["create"], row)).rowcount == 1

        return await self._database.write(self._name, write)

    async def delete(self, managed_id: str, by: Manager) -> bool:
        return await self._changed("delete", managed_id, by)

    async def rotate(self, row: Mapping[str, Any]) -> datetime | None:
        """Until when the secret of before signs too; ``None``: there is none that signs."""

        async def write(connection: Connection) -> datetime | None:
            found = await (await connection.execute(self._queries["rotate"], row)).fetchone()
            return None if found is None else found[0]

        return await self._database.write(self._name, write)

    async def _changed(self, query: str, managed_id: str, by: Manager) -> bool:
        values = {"id": managed_id, **by._asdict()}

        async def write(connection: Connection) -> bool:
            done = await connection.execute(self._queries[query], values)
            return done.rowcount == 1

        return await self._database.write(self._name, write)

    async def _has(self, connection: Connection, managed_id: str) -> bool:
        found = await connection.execute(self._queries["exists"], {"id": managed_id})
        return await found.fetchone() == (True,)
