"""``/api/v1/annotations``: notes on the time axis. Readers read them; writing and deleting wants
the scope ``presence:manage``, and takes the dashboard's cookie from our own page.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from aiohttp import web
from psycopg.rows import dict_row

from api.annotations.note import (
    AHEAD_SECONDS,
    MAX_BODY_BYTES,
    MOST,
    MOST_OF_A_DAY,
    Room,
    no_room,
    parse_note,
)
from api.http import parameters
from api.http.bodies import read_body
from api.http.documents import Row, json_answer
from api.http.door import Door, method_not_allowed
from api.http.parameters import bad_parameter, check_text, refuse_parameters
from api.http.paths import named_in_path
from api.http.routes import Calls
from api.metrics import ApiMetrics
from api.periods.instants import rfc3339
from api.periods.ranges import parse_instant
from api.postgres.database import Connection
from api.scopes import MANAGE_SCOPE
from schemas.database.named_queries import load_queries
from schemas.http.problems import ProblemError

PATH: Final = "/api/v1/annotations"
#: In an answer.
MOST_SHOWN: Final = 500
_MAX_ID: Final = 64


class AnnotationCalls:
    """The handlers."""

    def __init__(self, calls: Calls, metrics: ApiMetrics) -> None:
        self._calls = calls
        self._queries = load_queries("api.annotations", "queries.sql")
        self._body_timeouts = metrics.http.timeouts["body"]

    def add_routes(self, router: web.UrlDispatcher, door: Door) -> None:
        one = f"{PATH}/{{id}}"
        router.add_get(PATH, door.guard("annotations", self.annotations))
        router.add_post(PATH, door.guard("annotations", self.add))
        router.add_delete(one, door.guard("annotation", self.delete))
        for path, route, allow in (
            (PATH, "annotations", "GET, HEAD, POST"),
            (one, "annotation", "DELETE"),
        ):
            router.add_route("*", path, door.guard(route, method_not_allowed(allow)))

    async def annotations(self, request: web.Request) -> web.Response:
        """The newest first."""
        values = await self._calls.parameters(
            request,
            {
                "from": parse_instant,
                "to": parse_instant,
                "limit": parameters.limit_to(MOST_SHOWN),
            },
        )
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
            {"items": [_shown(row) for row in rows[:limit]], "complete": len(rows) <= limit}
        )

    async def add(self, request: web.Request) -> web.Response:
        reader = await self._calls.readers.admit(request, cookie=True, scope=MANAGE_SCOPE)
        refuse_parameters(request.rel_url.raw_query_string)
        note = parse_note(await read_body(request, MAX_BODY_BYTES, self._body_timeouts))
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
        return json_answer(_shown(row), status=201)

    async def delete(self, request: web.Request) -> web.Response:
        await self._calls.readers.admit(request, cookie=True, scope=MANAGE_SCOPE)
        refuse_parameters(request.rel_url.raw_query_string)
        named = check_text("id", named_in_path(request.rel_url.raw_path, f"{PATH}/"), _MAX_ID)

        async def write(connection: Connection) -> bool:
            done = await connection.execute(self._queries["delete"], {"id": named})
            return await done.fetchone() is not None

        if not await self._calls.database.write("annotation_write", write):
            raise ProblemError("not_found", "No note has this id: it may be deleted already.")
        return web.Response(status=204)


def _shown(row: Row) -> dict[str, Any]:
    return {**row, "at": rfc3339(row["at"]), "created_at": rfc3339(row["created_at"])}
