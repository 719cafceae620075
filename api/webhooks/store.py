"""Webhooks in PostgreSQL (``schemas/webhooks/queries.sql``)."""

from __future__ import annotations

from typing import Any

from psycopg.rows import dict_row

from api.managed.store import ManagedStore
from api.postgres.database import Connection, Database
from schemas.managed.manager import Manager
from schemas.webhooks.forms import MAX_DEAD_LETTERS, Listed, queries


class WebhookStore(ManagedStore[Listed]):
    """Raises ``ProblemError`` as :class:`Database` does."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "webhooks", Listed, queries())

    async def dead_letters(self, webhook_id: str) -> list[dict[str, Any]]:
        """The latest of a webhook."""
        values = {"id": webhook_id, "limit": MAX_DEAD_LETTERS}

        async def read(connection: Connection) -> list[dict[str, Any]]:
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(self._queries["dead_letters"], values)
                return await cursor.fetchall()

        return await self._database.read(self._name, read)

    async def replay(self, webhook_id: str, by: Manager) -> int:
        """How many dead letters begin to be replayed."""
        values = {"id": webhook_id, **by._asdict()}

        async def write(connection: Connection) -> int:
            cursor = await connection.execute(self._queries["replay"], values)
            found = await cursor.fetchone()
            return 0 if found is None else int(found[0])

        return await self._database.write(self._name, write)

    async def enable(self, webhook_id: str, by: Manager) -> bool:
        return await self._changed("enable", webhook_id, by)
