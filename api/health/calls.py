"""``GET /api/v1/health``: how Rollcall itself does, for operators without Prometheus at hand.

Read once for everybody who looks within :data:`SHARED_SECONDS`, and only while somebody does.
Without PostgreSQL it still tells of the processes: that is when somebody wants to know.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from aiohttp import web
from psycopg.rows import dict_row

from api.analytics.outages import read_outages
from api.health.answers import Health
from api.health.described import READ_HEALTH
from api.health.poll import AdminPorts
from api.health.state import Stored, health
from api.http.call import Call
from api.http.collaborators import Collaborators
from api.http.documents import Row, json_answer
from api.http.door import Handler
from api.postgres.database import Connection
from api.postgres.shared_read import SharedRead
from api.quality import now_of
from api.settings import ApiSettings
from schemas.database.named_queries import load_queries
from schemas.http.problems import ProblemError

SHARED_SECONDS: Final = 3.0
#: Who looks gives up after eight.
DATABASE_SECONDS: Final = 4.0
OUTAGES_SINCE: Final = timedelta(days=30)
MOST_OUTAGES: Final = 20


class HealthCalls:
    """The handler."""

    def __init__(self, calls: Collaborators, settings: ApiSettings) -> None:
        self._calls = calls
        self._targets = [str(target) for target in settings.targets]
        self._admin_ports = AdminPorts(settings.targets)
        self._queries = load_queries("api.health", "queries.sql")
        self._shared: SharedRead[Health] = SharedRead(self._read, SHARED_SECONDS)

    def handlers(self) -> dict[Call, Handler]:
        return {READ_HEALTH: self.health}

    async def health(self, _request: web.Request) -> web.StreamResponse:
        return json_answer(await self._shared.get())

    async def close(self) -> None:
        """Ask nobody any more."""
        await self._admin_ports.close()

    async def _read(self) -> Health:
        poll, stored = await asyncio.gather(self._admin_ports.poll(), self._stored())
        return health(self._targets, poll, stored)

    async def _stored(self) -> Stored:
        try:
            async with asyncio.timeout(DATABASE_SECONDS):
                return await self._calls.database.read("health", self._read_stored)
        except ProblemError as problem:
            return Stored(problem=problem.detail)
        except TimeoutError:
            return Stored(problem="The database does not answer.")

    async def _read_stored(self, connection: Connection) -> Stored:
        async with connection.transaction():
            await connection.execute(self._queries["one_moment"])
            freshness = await self._calls.quality.freshness(connection)
            now = now_of(freshness)
            return Stored(
                as_of=freshness.as_of,
                stale=bool(self._calls.quality.fields(freshness)["stale"]),
                partitions=await self._rows(connection, "partitions"),
                outages=await read_outages(
                    connection, now - OUTAGES_SINCE, now + OUTAGES_SINCE, MOST_OUTAGES
                ),
                rollups=await self._rows(connection, "rollups"),
                kept=await self._rows(connection, "kept"),
                members=None
                if freshness.members_away is None
                else await self._rows(connection, "members"),
            )

    async def _rows(self, connection: Connection, query: str) -> list[Row]:
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(self._queries[query])
            return await cursor.fetchall()
