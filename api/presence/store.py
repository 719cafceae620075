"""What the API reads: users, lists of them, and how fresh both are. All SQL is in queries.sql."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final, get_args

from psycopg.rows import class_row

from api.freshness import Freshness
from api.metrics import ApiMetrics
from api.postgres.database import Connection, Database
from api.postgres.shared_read import SharedRead
from api.postgres.shared_scans import SharedScans
from api.presence.filters import Audience, ListRequest, Sort, UserFilter, filter_parameters
from api.presence.latest import latest_users, may_be_found
from api.presence.rows import (
    USER_COLUMNS,
    Count,
    Page,
    UserRow,
    UserWithDevicesRow,
    installation_ids,
)
from api.quality import Quality
from api.signing.cursor import Position
from api.signing.secret import ApiSecret
from schemas.database.named_queries import filled, load_queries
from schemas.http.problems import ProblemError
from schemas.tokens.identity import Identity

#: A list by last activity ends here (design, section 8): it is in no index.
MAX_BY_ACTIVITY: Final = 10_000
#: Of what no counter holds: a list of more has "more than a thousand".
MOST_COUNTED: Final = 1_000
#: Prometheus waits for ten, and wants the other figures all the same.
METRICS_SECONDS: Final = 1.0
#: Kubernetes and gateways wait for one, the way there and back included.
PROBE_SECONDS: Final = 0.5
#: The count is shared for this long: with what caches may add, it is under two seconds old.
COUNT_SHARED_SECONDS: Final = 0.5
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_READING: Final = "found_by_reading"
_INDEX: Final = "found_by_index"
_QUERY_OF_SORT: Final[Mapping[Sort, str]] = {
    "-changed_at": "by_change",
    "-online_since": "by_arrival",
    "-last_active": "by_activity",
    "user_id": "by_user",
}


class Store:
    """Reads through a :class:`Database`; every method raises ``ProblemError`` as that does.

    Freshness is read before the rows: they may be newer than ``as_of`` says, never older.
    """

    def __init__(
        self, database: Database, quality: Quality, metrics: ApiMetrics, secret: ApiSecret
    ) -> None:
        self._metrics = metrics
        self._database = database
        self._secret = secret
        self._quality = quality
        self.by_activity: Final = SharedScans[tuple[Freshness, list[UserRow], Count | None]]()
        self.count: Final = SharedRead(self.freshness, COUNT_SHARED_SECONDS)
        queries = _queries()
        self._user = queries["user"]
        self._other_users = queries["other_users"]
        self._lookup = queries["lookup"]
        self._one_moment = queries["one_moment"]
        self._heard_last = queries["heard_last"]
        self._found_one_by_one = queries["found_one_by_one"]
        self._has_search_index = queries["has_search_index"]
        self._lists: dict[tuple[str, str, str], bytes] = {
            (name, audience, found): filled(
                queries[name], audience=queries[audience], found=queries[found]
            )
            for name in (*_QUERY_OF_SORT.values(), "counted", "heard_since")
            for audience in (*get_args(Audience), "searched")
            for found in (_READING, _INDEX)
        }

    async def freshness(self) -> Freshness:
        """Counts and as_of, at a cost that no fleet changes; whatever else is asked."""
        return await self._database.status("freshness", self._quality.freshness)

    async def page(self, reader: Identity, request: ListRequest) -> Page:
        """A page of a list. One that no index gives is a scan. Raises ``ProblemError`` with code
        ``bad_cursor`` too."""
        wanted, context = request.filter, request.filter.context
        after = await self._secret.position_of(request.cursor, context, Position)
        limit, seen = request.limit, after.seen if after else 0
        if wanted.sort == "-last_active":
            limit = max(0, min(limit, MAX_BY_ACTIVITY - seen))
        parameters = {
            **filter_parameters(wanted),
            "at": _time_of(after),
            "after": after.user_id if after else None,
            "limit": limit + 1,  # whether there is another page
        }

        async def read(connection: Connection) -> tuple[Freshness, list[UserRow], Count | None]:
            # The count is that of the list: both of one moment.
            async with connection.transaction():
                await connection.execute(self._one_moment)
                freshness = await self._quality.freshness(connection)
                among, found = await self._ways(connection, wanted, parameters)
                rows = None
                if may_be_found(wanted):
                    heard_since = self._lists["heard_since", among, found]
                    rows = await latest_users(connection, self._heard_last, heard_since, parameters)
                if rows is None:
                    query = self._lists[_QUERY_OF_SORT[wanted.sort], among, found]
                    async with connection.cursor(row_factory=class_row(UserRow)) as cursor:
                        await cursor.execute(query, parameters)
                        rows = await cursor.fetchall()
                count = None
                if request.counts and wanted.is_a_state:
                    count = _counted_already(freshness, wanted.state)
                elif request.counts:
                    if found == _INDEX:
                        await connection.execute(self._found_one_by_one)
                    counted = self._lists["counted", among, found]
                    most = {"most": MOST_COUNTED + 1}
                    [many] = await _row(connection, counted, parameters | most)
                    count = Count(min(many, MOST_COUNTED), is_exact=many <= MOST_COUNTED)
                return freshness, rows, count

        if wanted.is_indexed:
            freshness, rows, count = await self._database.read("list", read)
        elif wanted.sort == "-last_active":
            question = wanted.audience, request.counts, *parameters.items()
            freshness, rows, count = await self.by_activity.get(
                question, lambda: self._database.scan(reader, "list", read)
            )
        else:
            freshness, rows, count = await self._database.scan(reader, "list", read)
        more, rows = len(rows) > limit, rows[:limit]
        seen += len(rows)
        if not more or (wanted.sort == "-last_active" and seen >= MAX_BY_ACTIVITY):
            return Page(rows, None, freshness, count)
        position = Position(_sorted_us(wanted.sort, rows[-1]), rows[-1].user_id, seen)
        return Page(rows, await self._secret.cursor_at(position, context), freshness, count)

    async def _ways(
        self, connection: Connection, wanted: UserFilter, parameters: Mapping[str, object]
    ) -> tuple[str, str]:
        """Among whom is read, and how a search finds them. Asked with each search: an operator
        builds and drops the index while the API runs."""
        if wanted.search is None:
            return wanted.audience, _READING
        if (await _row(connection, self._has_search_index, parameters))[0]:
            return wanted.audience, _INDEX
        return "searched" if wanted.audience == "known" else wanted.audience, _READING

    async def user(self, user_id: str) -> UserWithDevicesRow | None:
        async def read(connection: Connection) -> UserWithDevicesRow | None:
            async with connection.cursor(row_factory=class_row(UserWithDevicesRow)) as cursor:
                await cursor.execute(self._user, {"user_id": user_id})
                row = await cursor.fetchone()
            if row is None:
                return None
            others: dict[str, list[str]] = {}
            names = installation_ids(row)
            if names:
                wanted = {"user_id": user_id, "names": names}
                for name, other in await (
                    await connection.execute(self._other_users, wanted)
                ).fetchall():
                    others.setdefault(name, []).append(other)
            return replace(row, other_users=others)

        return await self._database.read("user", read)

    async def lookup(self, user_ids: list[str]) -> tuple[dict[str, UserRow], Freshness]:
        """Those of the users who are known, by id."""

        async def read(connection: Connection) -> tuple[list[UserRow], Freshness]:
            freshness = await self._quality.freshness(connection)
            async with connection.cursor(row_factory=class_row(UserRow)) as cursor:
                await cursor.execute(self._lookup, {"user_ids": user_ids})
                return await cursor.fetchall(), freshness

        rows, freshness = await self._database.read("lookup", read)
        return {row.user_id: row for row in rows}, freshness

    async def refresh_metrics(self) -> None:
        """What is told of the whole fleet, for Prometheus to read: as of now, or nothing."""
        try:
            async with asyncio.timeout(METRICS_SECONDS):
                await self.freshness()
        except (ProblemError, TimeoutError):
            self._metrics.forget_fleet()

    async def not_ready(self) -> str | None:
        """Why calls should not be sent here now: PostgreSQL does not answer. The answer
        comes within a second."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self.count.get()
        except TimeoutError:
            return "The database does not answer."
        except ProblemError as problem:
            return problem.detail
        return None


def matching_query() -> bytes:
    """What :func:`api.presence.filters.filter_parameters` gives the parameters of, as a
    condition."""
    return filled(_queries()["matching"], found=_queries()[_READING])


@cache
def _queries() -> dict[str, bytes]:
    folded = load_queries("api.presence", "queries.sql")["folded"]
    parts = {
        "columns": USER_COLUMNS.encode(),
        "platform": load_queries("api.analytics", "breakdown.sql")["platform"],
        "folded_id": filled(folded, text=b"user_id"),
        "folded_name": filled(folded, text=b"name"),
    }
    return load_queries("api.presence", "queries.sql", parts)


def _counted_already(freshness: Freshness, state: str | None) -> Count:
    by_state = {"foreground": freshness.foreground, "background": freshness.background}
    return Count(sum(by_state.values()) if state is None else by_state[state], is_exact=True)


async def _row(
    connection: Connection, query: bytes, parameters: Mapping[str, object]
) -> tuple[Any, ...]:
    row = await (await connection.execute(query, parameters)).fetchone()
    assert row is not None  # noqa: S101  (an aggregate without GROUP BY has one row)
    return row


def _time_of(after: Position | None) -> datetime | None:
    if after is None or after.at_us is None:
        return None
    return EPOCH + after.at_us * _MICROSECOND


def _sorted_us(sort: Sort, row: UserRow) -> int | None:
    if sort == "user_id":
        return None
    times = {"-changed_at": row.changed_at, "-online_since": row.online_since}
    at = times.get(sort, row.last_active)
    return ((at or EPOCH) - EPOCH) // _MICROSECOND
