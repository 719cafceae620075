"""``/api/v1/users/{id}/timeline``: what a user did, newest first, with the reasons of changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from psycopg.rows import dict_row

from api.access.readers import reader_of
from api.freshness import Freshness
from api.http.call import Call
from api.http.collaborators import Collaborators
from api.http.documents import Row, json_answer
from api.http.door import Handler
from api.http.parameters import DEFAULT_LIMIT
from api.http.routes import values_of
from api.periods.instants import rfc3339
from api.postgres.database import Connection
from api.presence.described.timeline import KINDS, READ_TIMELINE, Kind
from api.reads.audit import ReadAudit
from api.signing.secret import ApiSecret
from schemas.database.named_queries import load_queries
from schemas.http.problems import ProblemError

#: Of one record, newest first: the change, the span that it ended, the session.
_RANKS: Final[dict[Kind, int]] = {"change": 2, "span": 1, "session": 0}
_TABLES: Final[dict[Kind, str]] = {"change": "changes", "span": "spans", "session": "sessions"}
_ORDER: Final = ("at", "log_offset", "event_index", "ordinal")


class Place(msgspec.Struct, frozen=True, array_like=True):
    """After which item to go on. Open spans are told before every place."""

    at: Annotated[datetime, msgspec.Meta(tz=True)]
    log_offset: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    event_index: Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)]
    ordinal: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    rank: Annotated[int, msgspec.Meta(ge=0, le=2)]


class TimelineCalls:
    """The handler."""

    def __init__(self, calls: Collaborators, secret: ApiSecret, reads: ReadAudit) -> None:
        self._reads = reads
        self._calls = calls
        self._secret = secret
        self._queries = load_queries("api.presence", "timeline.sql")

    def handlers(self) -> dict[Call, Handler]:
        return {READ_TIMELINE: self.timeline}

    async def timeline(self, request: web.Request) -> web.StreamResponse:
        values = values_of(request)
        user_id: str = values["user_id"]
        kind: Kind | None = values.get("type")
        limit: int = values.get("limit", DEFAULT_LIMIT)
        context = msgspec.json.encode(["timeline", user_id, kind])
        after = await self._secret.position_of(values.get("cursor"), context, Place)

        async def read(connection: Connection) -> tuple[list[Row], list[Row], Freshness]:
            freshness = await self._calls.quality.freshness(connection)
            open_spans, items = await self._items(connection, user_id, kind, after, limit)
            return open_spans, items, freshness

        reader = reader_of(request)
        try:
            open_spans, items, freshness = await self._calls.database.read("timeline", read)
        except ProblemError as problem:
            if problem.code == "unknown_user":
                await self._reads.users(reader, "timeline", {user_id: 0})
            raise
        await self._reads.users(reader, "timeline", {user_id: 1})
        next_cursor = None
        if len(items) > limit:
            items = items[:limit]
            next_cursor = await self._secret.cursor_at(_place_of(items[-1]), context)
        return json_answer(
            {
                "user_id": user_id,
                "items": [_shown(item) for item in open_spans + items],
                "next_cursor": next_cursor,
                **self._calls.quality.fields(freshness),
            }
        )

    async def _items(
        self,
        connection: Connection,
        user_id: str,
        kind: Kind | None,
        after: Place | None,
        limit: int,
    ) -> tuple[list[Row], list[Row]]:
        """Open spans, which are on the first page beside its ``limit`` others, and of these one
        more if there is. Raises ``ProblemError`` with code ``unknown_user``."""
        async with (
            connection.transaction(),
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            # Spans are closed while we read: all reads see one moment.
            await cursor.execute(self._queries["one_moment"])
            await cursor.execute(self._queries["is_known"], {"user_id": user_id})
            known = await cursor.fetchone()
            if known is None or not known["exists"]:
                raise ProblemError("unknown_user", "No user with this id is known.")
            open_spans: list[Row] = []
            if after is None and kind in (None, "span"):
                await cursor.execute(self._queries["open_spans"], {"user_id": user_id})
                open_spans = [_open(row) for row in await cursor.fetchall()]
            parameters = {
                "user_id": user_id,
                "limit": limit + 1,
                "rank": after.rank if after else None,
                **{name: getattr(after, name, None) for name in _ORDER},
            }
            items: list[Row] = []
            for every in KINDS:
                if kind in (None, every):
                    await cursor.execute(self._queries[_TABLES[every]], parameters)
                    items += await cursor.fetchall()
        items.sort(key=lambda item: (*(item[name] for name in _ORDER), _rank(item)), reverse=True)
        return open_spans, items[: limit + 1]


def _rank(item: Mapping[str, Any]) -> int:
    return _RANKS[item["type"]]


def _place_of(item: Mapping[str, Any]) -> Place:
    return msgspec.convert([*(item[name] for name in _ORDER), _rank(item)], Place)


def _open(row: Row) -> Row:
    never = dict.fromkeys(("at", "shown_until", "ended_at", "ended_by"))
    return {"type": "span", **never, **row}


def _shown(item: Row) -> Row:
    return {
        name: rfc3339(value) if isinstance(value, datetime) else value
        for name, value in item.items()
        if name not in ("log_offset", "event_index", "ordinal")
    }
