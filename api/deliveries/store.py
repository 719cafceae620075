"""Deliveries of audiences in PostgreSQL: begun, shown, cancelled, resumed. Notify sends them."""

from __future__ import annotations

import uuid
from typing import Any, Final

import msgspec
from psycopg.rows import dict_row

from api.audiences.store import AudienceStore
from api.deliveries.answers import Delivery, DeliveryDestination, shown
from api.deliveries.wish import Wish
from api.http.documents import Row
from api.http.parameters import bad_parameter
from api.postgres.database import Connection, Database
from schemas.database.named_queries import filled, load_queries
from schemas.deliveries.forms import MAX_RUNNING, TOO_MANY, asked, queries, resumption
from schemas.managed.manager import Manager, origin
from schemas.tokens.identity import Identity
from schemas.webhooks.forms import MAX_WEBHOOKS

_QUERY: Final = "audience_deliveries"


class DeliveryStore:
    """Raises ``ProblemError`` as :class:`AudienceStore` does."""

    def __init__(self, database: Database, audiences: AudienceStore) -> None:
        self._database = database
        self._audiences = audiences
        self._queries = load_queries("api.deliveries", "queries.sql") | queries()

    async def begin(self, reader: Identity, wish: Wish, document: bytes) -> None:
        """With its row of the audit and its pages, in one transaction. One whose id is there is
        left as it is."""

        async def write(connection: Connection) -> None:
            async with connection.transaction():
                await connection.execute(self._queries["one_moment"])
                if await self._count(connection, "exists", id=wish.id):
                    return
                if await self._count(connection, "running") >= MAX_RUNNING:
                    raise bad_parameter("to", TOO_MANY)
                await self._write(connection, reader, wish, document)

        await self._database.export(reader, "audience_delivery_begin", write, lambda: False)

    async def _write(
        self, connection: Connection, reader: Identity, wish: Wish, document: bytes
    ) -> None:
        freshness, query, values = await self._audiences.everybody(connection, wish.filter)
        push = None if wish.push is None else msgspec.json.encode(wish.push.document).decode()
        row = {
            "id": wish.id,
            "who": reader.user,
            "who_kind": reader.kind,
            "filter": document.decode(),
            "destination": wish.destination,
            "name": wish.name,
            "push": push,
            "calls_per_second": wish.calls_per_second,
            "as_of": freshness.as_of or freshness.read_at,
        }
        await connection.execute(self._queries["begin_audit"], row)
        await connection.execute(self._queries["create"], row)
        pages = filled(self._queries["create_pages"], audience=query)
        await connection.execute(
            pages, {**values, "id": wish.id, "users_per_call": wish.users_per_call}
        )

    async def all(self) -> list[Delivery]:
        """Newest first."""
        return await self._read(None)

    async def one(self, delivery: uuid.UUID) -> Delivery | None:
        found = await self._read(delivery)
        return found[0] if found else None

    async def cancel(self, delivery: uuid.UUID, by: Manager) -> None:
        """What has ended stays as it is."""
        values = {"id": delivery, **by._asdict()}

        async def write(connection: Connection) -> None:
            await connection.execute(self._queries["cancel"], values)

        await self._database.write(_QUERY, write)

    async def resume(self, delivery: uuid.UUID, by: Manager) -> None:
        """Where it stood, if it failed not long ago; else it stays as it is."""
        values = resumption(delivery, by)

        async def write(connection: Connection) -> None:
            if await self._count(connection, "running") >= MAX_RUNNING:
                raise bad_parameter("delivery_id", TOO_MANY)
            await connection.execute(self._queries["resume"], values)

        await self._database.write(_QUERY, write)

    async def destinations(self) -> list[DeliveryDestination]:
        """Webhooks that take audiences; of their addresses the origin."""

        async def read(connection: Connection) -> list[tuple[str, str]]:
            cursor = await connection.execute(self._queries["destinations"], {"most": MAX_WEBHOOKS})
            return await cursor.fetchall()

        rows = await self._database.read(_QUERY, read)
        return [DeliveryDestination(id=webhook, address=origin(url)) for webhook, url in rows]

    async def _read(self, delivery: uuid.UUID | None) -> list[Delivery]:
        values = asked(delivery)

        async def read(connection: Connection) -> list[Row]:
            async with connection.cursor(row_factory=dict_row) as found:
                await found.execute(self._queries["deliveries"], values)
                return await found.fetchall()

        return [shown(row) for row in await self._database.read(_QUERY, read)]

    async def _count(self, connection: Connection, query: str, **values: Any) -> int:
        row = await (await connection.execute(self._queries[query], values)).fetchone()
        return int(row[0]) if row is not None else 0
