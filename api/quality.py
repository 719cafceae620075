"""How good an answer is, read where the answer is read (promise 6)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg.rows import class_row, dict_row

from api.freshness import Freshness
from api.metrics import ApiMetrics
from api.periods.instants import rfc3339
from api.periods.rollups import Progress
from api.postgres.database import Connection
from schemas.database.named_queries import filled, load_queries
from schemas.service.settings import time_zone


class Quality:
    """Reads ``as_of`` and how far rollups are. Before the rows of an answer: these may be newer
    than ``as_of`` says, never older."""

    def __init__(
        self, stale_after_seconds: float, reporting_zone: ZoneInfo, metrics: ApiMetrics
    ) -> None:
        #: That of the rollups, once they were read; until then the setting's.
        self.reporting_zone = reporting_zone
        self._stale_after_seconds = stale_after_seconds
        self._metrics = metrics
        queries = load_queries("api.presence", "queries.sql")
        self._is_federation = queries["is_federation"]
        self._of_a_deployment = filled(queries["freshness"], away=queries["no_members"])
        self._of_a_federation = filled(queries["freshness"], away=queries["members_away"])
        #: Once it is known which of them.
        self._freshness: bytes | None = None
        self._progress = queries["progress"]

    async def freshness(self, connection: Connection) -> Freshness:
        if self._freshness is None:
            row = await (await connection.execute(self._is_federation)).fetchone()
            is_federation = row is not None and bool(row[0])
            self._freshness = self._of_a_federation if is_federation else self._of_a_deployment
        async with connection.cursor(row_factory=class_row(Freshness)) as cursor:
            await cursor.execute(self._freshness)
            freshness = await cursor.fetchone()
        assert freshness is not None  # noqa: S101  (an aggregate without GROUP BY has one row)
        age = freshness.age_seconds
        self._metrics.as_of_age_seconds.set(float("nan") if age is None else age)
        self._metrics.online_users["foreground"].set(freshness.foreground)
        self._metrics.online_users["background"].set(freshness.background)
        self._metrics.tell_of_audit(
            freshness.audit_differences,
            freshness.audit_age_seconds,
            freshness.audit_percent_in_full,
        )
        return freshness

    async def progress(self, connection: Connection) -> Progress:
        """The zone is that of the rollups; before there are any, the setting's."""
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(self._progress)
            row = await cursor.fetchone()
        assert row is not None  # noqa: S101  (an aggregate without GROUP BY has one row)
        name = row.pop("time_zone")
        if name:
            self.reporting_zone = time_zone(name)
        return Progress(zone=self.reporting_zone, **row)

    def fields(self, freshness: Freshness) -> dict[str, Any]:
        """As every answer says it."""
        fields: dict[str, Any] = {
            "as_of": rfc3339(freshness.as_of),
            "stale": freshness.stale(self._stale_after_seconds),
        }
        if freshness.members_away is not None:
            fields["members_away"] = freshness.members_away
        return fields


def now_of(freshness: Freshness) -> datetime:
    """Where ranges without an end stop: ``as_of``, so that the same log gives the same answer."""
    return freshness.as_of or freshness.read_at
