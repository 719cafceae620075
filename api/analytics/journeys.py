"""``/api/v1/funnel`` and ``/api/v1/retention``: how far sessions get, and whether people come back.

Both read every visit or day of the range, so few run at a time, and a funnel is of 14 days at most.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from aiohttp import web

from api.analytics.answers.journeys import (
    MAX_WEEKS,
    Funnel,
    FunnelStep,
    Retention,
    RetentionWeek,
)
from api.analytics.described.journeys import READ_FUNNEL, READ_RETENTION
from api.http.call import Call
from api.http.collaborators import Collaborators
from api.http.documents import Report, Row, select, shaped
from api.http.door import Handler
from api.http.parameters import bad_parameter
from api.http.routes import values_of
from api.periods.parameters import range_request
from api.periods.ranges import RangeRules, resolve
from api.postgres.database import Connection
from api.quality import now_of
from schemas.database.named_queries import load_queries

STEPS: Final = tuple(f"step{n}" for n in range(1, 9))
MAX_LENGTH: Final = timedelta(days=14)
_RULES: Final = RangeRules(buckets=())


class JourneyCalls:
    """The handlers."""

    def __init__(self, calls: Collaborators) -> None:
        self._calls = calls
        queries = load_queries("api.analytics", "journeys.sql")
        self._funnel, self._retention = queries["funnel"], queries["retention"]

    def handlers(self) -> dict[Call, Handler]:
        return {READ_FUNNEL: self.funnel, READ_RETENTION: self.retention}

    async def funnel(self, request: web.Request) -> web.StreamResponse:
        values = values_of(request)
        steps = _steps(values)
        by: str | None = values.get("by")

        async def open_report(connection: Connection) -> Report:
            freshness = await self._calls.quality.freshness(connection)
            progress = await self._calls.quality.progress(connection)
            asked = resolve(
                range_request(values),
                _RULES,
                now=now_of(freshness),
                reporting_zone=progress.zone,
                series=None,
            )
            if asked.end - asked.start > MAX_LENGTH:
                raise bad_parameter(
                    "from", "must be at most 14 days before to: visits are kept so long"
                )
            parameters = {"steps": steps, "from": asked.start, "to": asked.end, "by": by}
            return Report(
                Funnel,
                FunnelStep,
                shaped(select(connection, self._funnel, parameters), _step_row),
                self._calls.quality.fields(freshness),
                {**asked.shown(), "by": by},
            )

        return await self._calls.reports.answer(
            request, "funnel", open_report, reads_everybody=True
        )

    async def retention(self, request: web.Request) -> web.StreamResponse:
        weeks = values_of(request).get("weeks", MAX_WEEKS)

        async def open_report(connection: Connection) -> Report:
            freshness = await self._calls.quality.freshness(connection)
            progress = await self._calls.quality.progress(connection)
            return Report(
                Retention,
                RetentionWeek,
                shaped(select(connection, self._retention, {"weeks": weeks}), _week_row),
                self._calls.quality.fields(freshness),
                {"weeks": weeks, "tz": progress.zone.key},
            )

        return await self._calls.reports.answer(
            request, "retention", open_report, reads_everybody=True
        )


def _steps(values: dict[str, Any]) -> list[str]:
    """Raises ``ProblemError``: a funnel has two steps or more. Later ones may be left out."""
    for name in STEPS[:2]:
        if name not in values:
            raise bad_parameter(name, "is missing: name the screens step1, step2 and so on")
    return [values[name] for name in STEPS if name in values]


def _step_row(row: Row) -> Row:
    return {
        **row,
        "from_first": round(row["from_first"], 4),
        "from_before": None if row["from_before"] is None else round(row["from_before"], 4),
    }


def _week_row(row: Row) -> Row:
    return {**row, "first_week": str(row["first_week"]), "share": round(row["share"], 4)}
