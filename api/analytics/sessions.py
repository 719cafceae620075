"""``/api/v1/sessions/summary``: how many sessions ended in a range, how long and deep they were.

A session counts where it ended, for engagement: a duration leaves out the silence before a
time-out, and foreground time is that of its visits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from api.analytics.answers.over_time import SessionMetrics, Sessions, SessionsBucket
from api.analytics.described.over_time import SUMMARISE_SESSIONS
from api.analytics.engagement import share
from api.http.answers import made
from api.http.call import Call
from api.http.collaborators import Collaborators
from api.http.documents import Batches, Report, Row, select, shaped
from api.http.door import Handler
from api.http.routes import values_of
from api.periods.instants import rfc3339
from api.periods.parameters import range_request
from api.periods.ranges import Range, RangeRules, resolve
from api.periods.rollups import Progress, parts_of
from api.postgres.database import Connection
from api.quality import now_of
from schemas.database.named_queries import load_queries
from schemas.log.changes import SILENT_ENDS_SQL
from schemas.measures.dwell import percentile_ms

RULES: Final = RangeRules()


class SessionCalls:
    """The handler."""

    def __init__(self, calls: Collaborators) -> None:
        self._calls = calls
        parts = {"silent_ends": SILENT_ENDS_SQL}
        self._summary = load_queries("api.analytics", "sessions.sql", parts)["summary"]

    def handlers(self) -> dict[Call, Handler]:
        return {SUMMARISE_SESSIONS: self.summary}

    async def summary(self, request: web.Request) -> web.StreamResponse:
        values = values_of(request)

        async def open_report(connection: Connection) -> Report:
            freshness = await self._calls.quality.freshness(connection)
            progress = await self._calls.quality.progress(connection)
            asked = resolve(
                range_request(values),
                RULES,
                now=now_of(freshness),
                reporting_zone=progress.zone,
            )
            edges = list(zip(asked.starts, asked.ends, strict=True))
            whole = self._read(connection, replace(asked, bucket=None), progress)
            [[totals]] = [batch async for batch in whole]
            return Report(
                Sessions,
                SessionsBucket,
                shaped(self._read(connection, asked, progress), lambda row: _row(row, edges)),
                self._calls.quality.fields(freshness),
                {**asked.shown(), "totals": made(SessionMetrics, metrics_of(totals))},
            )

        return await self._calls.reports.answer(request, "sessions", open_report)

    def _read(self, connection: Connection, asked: Range, progress: Progress) -> Batches:
        # There are no days of sessions: quarter-hours, then sessions.
        parts = parts_of(asked, replace(progress, days=None))
        parameters = {
            "quarter_from": parts.after_days[0],
            "quarter_to": parts.after_days[1],
            "live_from": parts.live[0],
            "live_to": parts.live[1],
            "buckets": asked.starts,
        }
        return select(connection, self._summary, parameters)


def metrics_of(row: Mapping[str, Any]) -> Row:
    """Metrics from sums; ``None`` is what cannot be told, as a mean of nothing."""
    sessions = row["sessions"]
    counts = row["duration_histogram"]
    return {
        "sessions": sessions,
        "duration_mean_ms": _mean(row["duration_ms"], sessions),
        "duration_p50_ms": percentile_ms(counts, 0.5),
        "duration_p90_ms": percentile_ms(counts, 0.9),
        "duration_p95_ms": percentile_ms(counts, 0.95),
        "foreground_mean_ms": _mean(row["foreground_ms"], sessions),
        "views_mean": round(row["views"] / sessions, 2) if sessions else None,
        "bounces": row["bounces"],
        "bounce_share": share(row["bounces"], sessions),
        "ended_by_silence": row["timed_out"],
        "silence_share": share(row["timed_out"], sessions),
    }


def _row(row: Row, edges: Sequence[tuple[datetime, datetime]]) -> Row:
    start, end = edges[row["bucket"] - 1]
    return {"start": rfc3339(start), "end": rfc3339(end), **metrics_of(row)}


def _mean(total: int, count: int) -> int | None:
    return round(total / count) if count else None
