"""``GET /api/v1/audit``: who looked, the newest first. Wants the scope ``presence:audit``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from aiohttp import web
from psycopg.rows import dict_row

from api.freshness import Freshness
from api.http.call import Call
from api.http.collaborators import Collaborators
from api.http.documents import Report, Row, json_answer, select, shaped, usual_limit
from api.http.door import Handler
from api.http.routes import values_of
from api.http.tabular import accepted_format
from api.periods.instants import rfc3339
from api.postgres.database import Connection
from api.reads.answers import Read, Reads
from api.reads.audit import ReadAudit
from api.reads.described import LIST_READS
from api.signing.secret import ApiSecret
from schemas.database.named_queries import load_queries


class Place(msgspec.Struct, frozen=True, array_like=True):
    """After which row to go on."""

    minute: Annotated[datetime, msgspec.Meta(tz=True)]
    who_kind: str
    who: str
    call: str
    subject: str


class AuditCalls:
    """The handler."""

    def __init__(
        self,
        calls: Collaborators,
        audit: ReadAudit,
        secret: ApiSecret,
        refuse_without_the_key: Callable[[], Awaitable[None]],
    ) -> None:
        self._calls = calls
        self._audit = audit
        self._refuse_without_the_key = refuse_without_the_key
        self._secret = secret
        self._query = load_queries("api.reads", "queries.sql")["reads"]

    def handlers(self) -> dict[Call, Handler]:
        return {LIST_READS: self.audit}

    async def audit(self, request: web.Request) -> web.StreamResponse:
        """A page as JSON; as CSV or NDJSON everything after the cursor, up to ``limit``."""
        values = values_of(request)
        user: str | None = values.get("user")
        if user is not None:
            await self._refuse_without_the_key()
        limit: int = values.get("limit", usual_limit(request))
        context = msgspec.json.encode(["audit", user])
        after = await self._secret.position_of(values.get("cursor"), context, Place)
        asked = {
            "subject": None if user is None else self._audit.noted_of(user),
            "minute": after.minute if after else None,
            "who_kind": after.who_kind if after else None,
            "who": after.who if after else None,
            "call": after.call if after else None,
            "after": after.subject if after else None,
        }
        if accepted_format(request.headers.get("Accept")) != "json":

            async def open_report(connection: Connection) -> Report:
                freshness = await self._calls.quality.freshness(connection)
                rows = select(connection, self._query, {**asked, "limit": limit})
                return Report(
                    Reads, Read, shaped(rows, _shown), self._calls.quality.fields(freshness)
                )

            return await self._calls.reports.answer(request, "reads", open_report)
        return await self._page(asked, limit, context)

    async def _page(self, asked: dict[str, Any], limit: int, context: bytes) -> web.Response:
        async def read(connection: Connection) -> tuple[Freshness, list[Row]]:
            freshness = await self._calls.quality.freshness(connection)
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(self._query, {**asked, "limit": limit + 1})
                return freshness, await cursor.fetchall()

        freshness, rows = await self._calls.database.read("reads", read)
        next_cursor = None
        if len(rows) > limit:
            rows = rows[:limit]
            last = rows[-1]
            place = Place(*(last[name] for name in Place.__struct_fields__))
            next_cursor = await self._secret.cursor_at(place, context)
        return json_answer(
            Reads(
                items=[Read(**_shown(row)) for row in rows],
                next_cursor=next_cursor,
                **self._calls.quality.fields(freshness),
            ),
            {"Vary": "Accept"},
        )


def _shown(row: Row) -> Row:
    return {**row, "minute": rfc3339(row["minute"].astimezone(UTC))}
