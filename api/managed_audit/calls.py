"""``GET /api/v1/audit/managed``: what managers did. Wants the scope ``presence:audit``."""

from __future__ import annotations

import msgspec
from aiohttp import web
from psycopg.rows import dict_row

from api.http.call import Call
from api.http.documents import Row, json_answer
from api.http.door import Handler
from api.http.parameters import DEFAULT_LIMIT
from api.http.routes import values_of
from api.managed_audit.answers import ManagedChanges, shown
from api.managed_audit.described import LIST_MANAGED
from api.postgres.database import Connection, Database
from api.signing.secret import ApiSecret
from schemas.database.named_queries import load_queries


class Place(msgspec.Struct, frozen=True, array_like=True):
    """After which row to go on."""

    id: int


class ManagedAuditCalls:
    """The handler."""

    def __init__(self, database: Database, secret: ApiSecret) -> None:
        self._database = database
        self._secret = secret
        self._query = load_queries("api.managed_audit", "queries.sql")["managed"]

    def handlers(self) -> dict[Call, Handler]:
        return {LIST_MANAGED: self.all}

    async def all(self, request: web.Request) -> web.Response:
        values = values_of(request)
        managed: str | None = values.get("id")
        limit: int = values.get("limit", DEFAULT_LIMIT)
        context = msgspec.json.encode(["managed audit", managed])
        after = await self._secret.position_of(values.get("cursor"), context, Place)
        asked = {"managed": managed, "after": after.id if after else None, "limit": limit + 1}

        async def read(connection: Connection) -> list[Row]:
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(self._query, asked)
                return await cursor.fetchall()

        rows = await self._database.read("managed_audit", read)
        next_cursor = None
        if len(rows) > limit:
            rows = rows[:limit]
            next_cursor = await self._secret.cursor_at(Place(rows[-1]["id"]), context)
        return json_answer(ManagedChanges([shown(row) for row in rows], next_cursor))
