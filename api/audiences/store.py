"""Who is in an audience: counted, sampled and read from presence and spans.

Everything of one answer is read at one moment (REPEATABLE READ). A count is exact as long as that
takes no more than half of the time that a query has; of a larger fleet the audience's share in some
thousands of users is counted instead, and the answer says that it is an estimate.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg import AsyncServerCursor
from psycopg.rows import TupleRow, dict_row

from api.audiences.filter import AudienceFilter, Sight
from api.freshness import Freshness
from api.http.documents import Row
from api.http.parameters import bad_parameter
from api.periods.instants import rfc3339
from api.postgres.database import Connection, Database
from api.presence.rows import USER_COLUMNS
from api.presence.time_travel import LONGEST_SPAN
from api.quality import Quality, now_of
from api.settings import ApiSettings
from schemas.database.named_queries import filled, load_queries
from schemas.tokens.identity import Identity

#: Different texts of app_version that a comparison looks at. Phones say what they like.
MAX_VERSIONS: Final = 20_000
#: Users of a preview's sample.
SAMPLE: Final = 20
#: Of whom an estimate is made, about; of a filter that looks for each user's spans.
EXAMINED_USERS: Final = 20_000
EXAMINED_WITH_SPANS: Final = 2_000
#: Of a query's time, until a preview gives up counting.
EXACT_SHARE: Final = 0.5
#: User ids in memory at a time.
BATCH_ROWS: Final = 2_000
_SIGHTS: Final = ("saw", "did_not_see")


@dataclass(frozen=True, slots=True)
class Preview:
    """``matching`` users before the cap. ``estimated_from``: of how many users it was estimated,
    ``None`` if it was counted. ``sample``: with a cap the first of those whom it leaves."""

    matching: int
    estimated_from: int | None
    sample: list[Row]
    freshness: Freshness


class AudienceStore:
    """Every method raises ``ProblemError``: as :class:`Database` does; with ``bad_field`` for a
    period without an instant; with ``bad_parameter`` for a period that begins before spans are
    kept, and for ``app_version`` where there are too many versions to compare."""

    def __init__(self, settings: ApiSettings, database: Database, quality: Quality) -> None:
        self._database = database
        self._quality = quality
        self._preview_seconds = settings.api_statement_timeout_seconds
        self._export_seconds = settings.api_export_timeout_seconds
        self._kept_from = load_queries("api.presence", "queries.sql")["spans_kept_from"]
        parts: dict[str, str | bytes] = {
            "columns": USER_COLUMNS,
            "platform": load_queries("api.analytics", "breakdown.sql")["platform"],
        }
        self._queries = load_queries("api", "audiences/queries.sql", parts)

    async def preview(self, reader: Identity, wanted: AudienceFilter) -> Preview:
        """How many, and who for example."""

        async def read(connection: Connection) -> Preview:
            deadline = time.monotonic() + self._preview_seconds
            async with connection.transaction():
                await connection.execute(self._queries["one_moment"])
                freshness = await self._quality.freshness(connection)
                values = await self._resolved(connection, wanted, freshness)
                counting = _TimeLeft(self._queries, self._preview_seconds * EXACT_SHARE)
                try:
                    async with connection.transaction():
                        matching, sample = await self._count(
                            connection, wanted, values, "all_users", counting
                        )
                        return Preview(matching, None, sample, freshness)
                except psycopg.errors.QueryCanceled:
                    pass
                rest = _TimeLeft(self._queries, deadline - time.monotonic())
                return await self._estimate(connection, wanted, values, freshness, rest)

        return await self._database.scan(reader, "audience_preview", read)

    async def _estimate(
        self,
        connection: Connection,
        wanted: AudienceFilter,
        values: Mapping[str, Any],
        freshness: Freshness,
        left: _TimeLeft,
    ) -> Preview:
        size = (await self._rows(connection, self._queries["size"], {}))[0]["users"]
        sees = any(getattr(wanted, name) is not None for name in _SIGHTS)
        most = EXAMINED_WITH_SPANS if sees else EXAMINED_USERS
        percent = min(100.0, 100 * most / size) if size > 0 else 1.0
        values = {**values, "percent": percent}
        matching, sample = await self._count(connection, wanted, values, "some_users", left)
        await left.limit(connection)
        query = filled(self._queries["examined"], users=self._queries["some_users"])
        examined = (await self._rows(connection, query, values))[0]["examined"]
        total = size if size > 0 else examined * 100 / percent
        estimate = matching / examined * total if examined else 0
        return Preview(_rounded(estimate), examined, sample, freshness)

    async def _count(
        self,
        connection: Connection,
        wanted: AudienceFilter,
        values: Mapping[str, Any],
        users: str,
        left: _TimeLeft,
    ) -> tuple[int, list[Row]]:
        values = {
            **values,
            "versions": await self._versions(connection, wanted, values, users, left),
            "sample": min(SAMPLE, wanted.cap or SAMPLE),
        }
        order = "any_order" if wanted.cap is None else "drawn"
        query = filled(
            self._queries["preview"],
            audience=self._audience(wanted, users),
            order=self._queries[order],
        )
        await left.limit(connection)
        rows = await self._rows(connection, query, values)
        return (rows[0]["matching"] if rows else 0), rows

    @asynccontextmanager
    async def opened(
        self, connection: Connection, wanted: AudienceFilter
    ) -> AsyncIterator[tuple[Freshness, AsyncIterator[list[str]]]]:
        """The audience of one moment: its freshness and its user ids in batches.

        PostgreSQL keeps the ids (WITH HOLD, in a temporary file if they are many), so that a reader
        who takes their time holds no snapshot: old versions of presence would pile up behind it.
        """
        cursor = connection.cursor("audience", withhold=True)
        try:
            try:
                # PostgreSQL looks for the users as it commits: its own limit does not count there.
                async with asyncio.timeout(self._export_seconds):
                    freshness = await self._open(connection, cursor, wanted)
            except TimeoutError:
                raise psycopg.errors.QueryCanceled from None
            yield freshness, _batches(cursor)
        finally:
            # Where looking failed PostgreSQL knows of no cursor.
            with suppress(psycopg.errors.InvalidCursorName):
                await cursor.close()

    async def _open(
        self,
        connection: Connection,
        cursor: AsyncServerCursor[TupleRow],
        wanted: AudienceFilter,
    ) -> Freshness:
        async with connection.transaction():
            await connection.execute(self._queries["one_moment"])
            await connection.execute(self._queries["want_every_row"])
            freshness, query, values = await self.everybody(connection, wanted)
            await cursor.execute(query, values)
        return freshness

    async def everybody(
        self, connection: Connection, wanted: AudienceFilter
    ) -> tuple[Freshness, bytes, dict[str, Any]]:
        """A query for all of an audience's users, and what is filled in. In a transaction of one
        moment, whose next statement may take what is left of an export's time."""
        left = _TimeLeft(self._queries, self._export_seconds)
        freshness = await self._quality.freshness(connection)
        values = await self._resolved(connection, wanted, freshness)
        versions = await self._versions(connection, wanted, values, "all_users", left)
        query = self._audience(wanted, "all_users")
        if wanted.cap is not None:
            query = filled(self._queries["capped"], audience=query)
        await left.limit(connection)
        return freshness, query, {**values, "versions": versions}

    async def _resolved(
        self, connection: Connection, wanted: AudienceFilter, freshness: Freshness
    ) -> dict[str, Any]:
        """The parameters of the queries, but ``versions``."""
        zone = wanted.tz or (await self._quality.progress(connection)).zone
        now = now_of(freshness)
        values: dict[str, Any] = {
            "online": wanted.online,
            "state": wanted.state,
            "screen": wanted.screen,
            "platform": wanted.platform,
            "excluded": list(wanted.exclude_user_ids) or None,
            "cap": wanted.cap,
            "seed": wanted.seed,
            "active_from": None,
            "active_to": None,
        }
        if wanted.last_active is not None:
            start, end = wanted.last_active.resolve("last_active", now, zone)
            values |= {"active_from": start, "active_to": end}
        longest = LONGEST_SPAN + timedelta(milliseconds=freshness.offline_after_ms or 0)
        for name in _SIGHTS:
            sight: Sight | None = getattr(wanted, name)
            if sight is None:
                continue
            start, end = sight.period.resolve(name, now, zone)
            # Presence may be newer than as_of: who is on the screen has seen it.
            end = end or max(now, freshness.read_at)
            await self._check_kept(connection, name, start)
            values |= {
                f"{name}_screen": sight.screen,
                f"{name}_from": start,
                f"{name}_to": end,
                f"{name}_until": end + longest,
            }
        return values

    async def _check_kept(self, connection: Connection, name: str, start: datetime | None) -> None:
        row = await (await connection.execute(self._kept_from)).fetchone()
        if row is not None and (start is None or start < row[0]):
            raise bad_parameter(
                name, f"must not begin before {rfc3339(row[0])}: older spans are not kept"
            )

    async def _versions(
        self,
        connection: Connection,
        wanted: AudienceFilter,
        values: Mapping[str, Any],
        users: str,
        left: _TimeLeft,
    ) -> list[str] | None:
        """Those of the fleet's versions that the filter wants; ``None``: any, known or not."""
        if wanted.app_version is None:
            return None
        query = filled(self._queries["versions"], users=self._queries[users])
        await left.limit(connection)
        rows = await self._rows(connection, query, {**values, "most": MAX_VERSIONS + 1})
        if len(rows) > MAX_VERSIONS:
            raise bad_parameter(
                "app_version",
                f"cannot be compared: the fleet's phones name more than {MAX_VERSIONS} versions",
            )
        return [row["app_version"] for row in rows if wanted.app_version.holds(row["app_version"])]

    def _audience(self, wanted: AudienceFilter, users: str) -> bytes:
        active = "last_active_of_some" if users == "some_users" else "last_active_of_all"
        query = filled(
            self._queries["wanted"], users=self._queries[users], last_active=self._queries[active]
        )
        order = self._queries["one_by_one"] if users == "some_users" else b""
        for name in _SIGHTS:
            if getattr(wanted, name) is not None:
                sight = filled(self._queries[name], name=name.encode(), looked_up=order)
                query += b"\n" + sight
        return query

    async def _rows(
        self, connection: Connection, query: bytes, values: Mapping[str, Any]
    ) -> list[Row]:
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query, values)
            return await cursor.fetchall()


async def _batches(cursor: AsyncServerCursor[TupleRow]) -> AsyncIterator[list[str]]:
    while batch := await cursor.fetchmany(BATCH_ROWS):
        yield [user_id for (user_id,) in batch]


def _rounded(estimate: float) -> int:
    """To three digits: more would be none of ours to know."""
    return int(float(f"{estimate:.3g}"))


class _TimeLeft:
    """What statements that follow each other may take together."""

    def __init__(self, queries: Mapping[str, bytes], seconds: float) -> None:
        self._limit = queries["limit_statement"]
        self._deadline = time.monotonic() + seconds

    async def limit(self, connection: Connection) -> None:
        """The next statement may take what is left; in a transaction."""
        left_ms = max(1, round((self._deadline - time.monotonic()) * 1000))
        await connection.execute(self._limit, {"timeout_ms": str(left_ms)})
