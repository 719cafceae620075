"""Who was online at an instant: the answers of then, from what is kept of it (design, section 7).

For ``at`` ≤ ``as_of`` the answer is the sum over partitions of their state after all records and
expiries with log time ≤ ``at``. One device gives a user's state and screen, and what it had
reported of itself by then; of one span the last 16 reports are kept. ``changed_at`` and ``reason``
are of the last change of what the user showed, from the history of changes. ``last_active`` is not
kept: ``null``. Of a user's devices those that were online are told.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Final

from psycopg.rows import class_row

from api.freshness import Freshness
from api.http.parameters import bad_parameter
from api.periods.instants import rfc3339
from api.postgres.database import Connection, Database
from api.presence.filters import ListRequest, filter_parameters
from api.presence.rows import Count, Page, UserRow, UserWithDevicesRow
from api.presence.store import matching_query
from api.quality import Quality
from api.signing.cursor import Position
from api.signing.secret import ApiSecret
from schemas.database.named_queries import filled, load_queries
from schemas.tokens.identity import Identity

#: Without the silence after which a device is offline: a day, an hour of outages that hold it.
LONGEST_SPAN: Final = timedelta(hours=25)


class TimeTravel:
    """Reads what was; every method raises ``ProblemError``: ``bad_parameter`` naming ``at`` and the
    limit, and as :class:`Database` does."""

    def __init__(self, database: Database, quality: Quality, secret: ApiSecret) -> None:
        self._database = database
        self._secret = secret
        self._quality = quality
        self._kept_from = load_queries("api.presence", "queries.sql")["spans_kept_from"]
        queries, matching = _queries(), matching_query()
        those_after, everybody = queries["those_after"], queries["everybody"]
        self._list = filled(queries["list_at"], who=those_after, matching=matching)
        self._count = filled(queries["count_at"], who=everybody, matching=matching)
        self._user = filled(queries["user_at"], who=queries["this_one"])

    async def page(self, reader: Identity, request: ListRequest, at: datetime) -> Page:
        """A page of those who were online, by user id. Raises ``bad_cursor`` too."""
        context = request.filter.context
        after = await self._secret.position_of(request.cursor, context, Position)
        parameters = {
            **filter_parameters(request.filter),
            "at": at,
            "after": after.user_id if after else None,
            "limit": request.limit + 1,  # whether there is another page
        }

        async def read(connection: Connection) -> tuple[Freshness, list[UserRow], Count | None]:
            freshness = await self._quality.freshness(connection)
            parameters["until"] = await self.check(connection, at, freshness)
            async with connection.cursor(row_factory=class_row(UserRow)) as cursor:
                await cursor.execute(self._list, parameters)
                rows = await cursor.fetchall()
            if not request.counts:
                return freshness, rows, None
            found = await (await connection.execute(self._count, parameters)).fetchone()
            return freshness, rows, Count(found[0] if found else 0, is_exact=True)

        freshness, rows, count = await self._database.scan(reader, "list_at", read)
        more, rows = len(rows) > request.limit, rows[: request.limit]
        if not more:
            return Page(rows, None, freshness, count)
        seen = (after.seen if after else 0) + len(rows)
        position = Position(None, rows[-1].user_id, seen)
        return Page(rows, await self._secret.cursor_at(position, context), freshness, count)

    async def user(self, user_id: str, at: datetime) -> tuple[UserWithDevicesRow | None, Freshness]:
        """The user as they were; ``None`` if they are not known now."""

        async def read(connection: Connection) -> tuple[UserWithDevicesRow | None, Freshness]:
            freshness = await self._quality.freshness(connection)
            until = await self.check(connection, at, freshness)
            async with connection.cursor(row_factory=class_row(UserWithDevicesRow)) as cursor:
                await cursor.execute(self._user, {"user_id": user_id, "at": at, "until": until})
                return await cursor.fetchone(), freshness

        return await self._database.read("user_at", read)

    async def check(self, connection: Connection, at: datetime, freshness: Freshness) -> datetime:
        """When spans that hold ``at`` have ended at the latest, unless they are open. Raises
        ``ProblemError`` with code ``bad_parameter`` if the instant is not known yet, or no more."""
        if freshness.as_of is None:
            raise bad_parameter("at", "cannot be told yet: as_of is unknown")
        if at > freshness.as_of:
            raise bad_parameter(
                "at", f"must not be later than as_of, which is {rfc3339(freshness.as_of)}"
            )
        row = await (await connection.execute(self._kept_from)).fetchone()
        if row is not None and at < row[0]:
            raise bad_parameter(
                "at", f"must not be earlier than {rfc3339(row[0])}: older spans are not kept"
            )
        return at + LONGEST_SPAN + timedelta(milliseconds=freshness.offline_after_ms or 0)


def shown_at_query() -> bytes:
    """A query of ``screen`` and ``state`` of every user who was online at ``%(at)s``."""
    queries = _queries()
    return filled(queries["users_at"], who=queries["everybody"])


@cache
def _queries() -> dict[str, bytes]:
    return load_queries("api.presence", "time_travel.sql")
