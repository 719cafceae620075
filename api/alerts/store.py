"""Alerts in PostgreSQL (``schemas/alerts/queries.sql``)."""

from __future__ import annotations

from api.managed.store import ManagedStore
from api.postgres.database import Connection, Database
from schemas.alerts.forms import Listed, queries
from schemas.alerts.reading import Asked, Known, Tried, instant, points_tried, tried
from schemas.alerts.rule import AlertRule


class AlertStore(ManagedStore[Listed]):
    """Raises ``ProblemError`` as :class:`Database` does."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "alerts", Listed, queries())

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
