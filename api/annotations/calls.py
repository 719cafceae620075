"""``/api/v1/annotations``: notes on the time axis. Readers read them; writing and deleting wants
the scope ``presence:manage``, and takes the dashboard's cookie from our own page.
"""

from __future__ import annotations

import secrets

from aiohttp import web
from psycopg.rows import dict_row

from api.access.readers import reader_of
from api.annotations.answers import Notes, shown
from api.annotations.described import ADD_NOTE, DELETE_NOTE, LIST_NOTES, MOST_SHOWN
from api.annotations.note import (
    AHEAD_SECONDS,
    MOST,
    MOST_OF_A_DAY,
    Note,
    Room,
    no_room,
)
from api.http.call import Call
from api.http.collaborators import Collaborators
from api.http.documents import Row, json_answer
from api.http.door import Handler
from api.http.parameters import bad_parameter
from api.http.routes import body_of, values_of
from api.postgres.database import Connection
from schemas.database.named_queries import load_queries
from schemas.http.problems import ProblemError


class AnnotationCalls:
    """The handlers."""

    def __init__(self, calls: Collaborators) -> None:
        self._calls = calls
        self._queries = load_queries("api.annotations", "queries.sql")

    def handlers(self) -> dict[Call, Handler]:
        return {LIST_NOTES: self.annotations, ADD_NOTE: self.add, DELETE_NOTE: self.delete}

    async def annotations(self, request: web.Request) -> web.Response:
        """The newest first."""
        values = values_of(request)
        start, end = values.get("from"), values.get("to")
        if start is not None and end is not None and start >= end:
            raise bad_parameter("from", "must be before to")
        limit: int = values.get("limit", MOST_SHOWN)

        async def read(connection: Connection) -> list[Row]:
            async with connection.cursor(row_factory=dict_row) as cursor:
                asked = {"from": start, "to": end, "most": limit + 1}
                await cursor.execute(self._queries["annotations"], asked)
                return await cursor.fetchall()

        rows = await self._calls.database.read("annotations", read)
        return json_answer(
            Notes(items=[shown(row) for row in rows[:limit]], complete=len(rows) <= limit)
        )

    async def add(self, request: web.Request) -> web.Response:
        reader = reader_of(request)
        note: Note = body_of(request)
        values = {
            "id": secrets.token_hex(16),
            "at": note.at,
            "kind": note.kind,
            "text": note.text,
            "who_kind": reader.kind,
            "who": reader.user,
            "most": MOST,
            "most_of_day": MOST_OF_A_DAY,
            "ahead_seconds": AHEAD_SECONDS,
        }

        async def write(connection: Connection) -> Row | None:
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(self._queries["add"], values)
                return await cursor.fetchone()

        row = await self._calls.database.write("annotation_write", write)
        assert row is not None  # noqa: S101 - the query has one row always
        room = Room(**{name: row.pop(name) for name in Room.__dataclass_fields__})
        if row["id"] is None:
            raise no_room(room)
        return json_answer(shown(row), status=201)

    async def delete(self, request: web.Request) -> web.Response:
        named: str = values_of(request)["id"]

        async def write(connection: Connection) -> bool:
            done = await connection.execute(self._queries["delete"], {"id": named})
            return await done.fetchone() is not None

        if not await self._calls.database.write("annotation_write", write):
            raise ProblemError("not_found", "No note has this id: it may be deleted already.")
        return web.Response(status=204)
