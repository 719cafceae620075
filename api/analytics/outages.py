"""``/api/v1/outages``: silences of our own in a range (promise 3), which charts show as bands."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from aiohttp import web
from psycopg.rows import dict_row

from api.analytics.answers.over_time import Outage, Outages
from api.analytics.described.over_time import LIST_OUTAGES
from api.http.answers import made
from api.http.call import Call
from api.http.collaborators import Collaborators
from api.http.documents import Report, Row, select, shaped
from api.http.door import Handler
from api.http.routes import values_of
from api.periods.instants import rfc3339
from api.periods.parameters import range_request
from api.periods.ranges import RangeRules, resolve
from api.postgres.database import Connection
from api.quality import now_of
from schemas.database.named_queries import load_queries

#: Of one answer; the latest.
MOST: Final = 1_000
#: An outage begins at any instant, and so may who asks about it.
RULES: Final = RangeRules(buckets=(), grain=timedelta(seconds=1))
_QUERY: Final = load_queries("api.analytics", "outages.sql")["outages"]


class OutageCalls:
    """The handler."""

    def __init__(self, calls: Collaborators) -> None:
        self._calls = calls

    def handlers(self) -> dict[Call, Handler]:
        return {LIST_OUTAGES: self.outages}

    async def outages(self, request: web.Request) -> web.StreamResponse:
        values = values_of(request)

        async def open_report(connection: Connection) -> Report:
            freshness = await self._calls.quality.freshness(connection)
            progress = await self._calls.quality.progress(connection)
            asked = resolve(
                range_request(values),
                RULES,
                now=now_of(freshness),
                reporting_zone=progress.zone,
                series=None,
            )
            parameters = {"from": asked.start, "to": asked.end, "limit": MOST}
            return Report(
                Outages,
                Outage,
                shaped(select(connection, _QUERY, parameters), _shown),
                self._calls.quality.fields(freshness),
                asked.shown(),
            )

        return await self._calls.reports.answer(request, "outages", open_report)


async def read_outages(
    connection: Connection, start: datetime, end: datetime, limit: int = MOST
) -> list[Outage]:
    """Those in a range, the latest first, beside what else an answer tells of it."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_QUERY, {"from": start, "to": end, "limit": limit})
        return [made(Outage, _shown(row)) for row in await cursor.fetchall()]


def _shown(row: Row) -> Row:
    return {
        "kind": row["kind"],
        "started_at": rfc3339(row["started_at"]),
        "ended_at": rfc3339(row["ended_at"]),
    }
