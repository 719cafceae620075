"""Alerts in PostgreSQL (``schemas/alerts/queries.sql``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from psycopg.rows import class_row

from api.postgres.database import Connection, Database
from schemas.alerts.forms import Listed, queries
from schemas.alerts.reading import Asked, Known, Tried, instant, points_tried, tried
from schemas.alerts.rule import AlertRule

_QUERY: Final = "alerts"


class AlertStore:
    """Raises ``ProblemError`` as :class:`Database` does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = queries()

    async def all(self) -> list[Listed]:
        """Oldest first."""

        async def read(connection: Connection) -> list[Listed]:
            async with connection.cursor(row_factory=class_row(Listed)) as cursor:
                await cursor.execute(self._queries["list"])
                return await cursor.fetchall()

        return await self._database.read(_QUERY, read)

    async def create(self, row: Mapping[str, Any]) -> bool:
        """False: there are as many as may be. Asked again after a lost answer it finds its row."""

        async def write(connection: Connection) -> bool:
            found = await connection.execute(self._queries["exists"], {"id": row["id"]})
            if await found.fetchone() == (True,):
                return True
            return (await connection.execute(self._queries["create"], row)).rowcount == 1

        return await self._database.write(_QUERY, write)

    async def delete(self, alert_id: str) -> bool:
        async def write(connection: Connection) -> bool:
            done = await connection.execute(self._queries["delete"], {"id": alert_id})
            return done.rowcount == 1

        return await self._database.write(_QUERY, write)

    async def try_rule(self, rule: AlertRule) -> Tried | None:
        """On the last week; ``None``: nothing is stored yet, or log time passes again."""

        async def read(connection: Connection) -> Tried | None:
            row = await (await connection.execute(self._queries["now"])).fetchone()
            if row is None or row[0] is None:
                return None
            points = points_tried(rule, row[0])
            asked, peak = Asked(), (None, None)
            asked.add(rule, points)
            outages = await connection.execute(self._queries["outages"], asked.range)
            gaps = await outages.fetchall()
            rows = await connection.execute(self._queries["points"], asked.values)
            known = Known(await rows.fetchall(), gaps)
            if rule.than == "peak":
                before = {"before": instant(points[0] - rule.step)}
                found = await (await connection.execute(self._queries["peak"], before)).fetchone()
                peak = (None, None) if found is None else (found[0], found[1])
            return tried(rule, points, known, peak)

        return await self._database.read("alert_try", read)
