"""``/api/v1/trends``: the top screens of a range, bucket by bucket, beside the range before it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, cast

from aiohttp import web
from psycopg.rows import dict_row

from api.analytics.answers.screen_habits import RangeBefore, Trend, Trends
from api.analytics.described.screen_habits import COUNTED, READ_TRENDS
from api.analytics.engagement import Engagement
from api.http.call import Call
from api.http.collaborators import Collaborators
from api.http.documents import Row, json_answer
from api.http.door import Handler
from api.http.parameters import DEFAULT_LIMIT
from api.http.routes import values_of
from api.periods.comparison import change, over_by, range_before
from api.periods.instants import rfc3339
from api.periods.parameters import range_request
from api.periods.ranges import (
    DAY,
    HOUR,
    Bucket,
    Range,
    RangeRequest,
    RangeRules,
    resolve,
)
from api.periods.rollups import Progress, bucket_parameters, parts_of
from api.postgres.database import Connection
from api.quality import now_of
from schemas.database.named_queries import load_queries

RULES: Final = RangeRules()


class TrendCalls:
    """The handler."""

    def __init__(self, calls: Collaborators) -> None:
        self._calls = calls
        self._engagement = Engagement()
        windows = load_queries("api.analytics", "screens.sql")["windows"]
        queries = load_queries("api.analytics", "trends.sql", {"windows": windows})
        self._trends = queries["trends"]
        self._kept_from = queries["kept_from"]

    def handlers(self) -> dict[Call, Handler]:
        return {READ_TRENDS: self.trends}

    async def trends(self, request: web.Request) -> web.StreamResponse:
        values = values_of(request)
        of, only = values.get("of", COUNTED[0]), [values["screen"]] if "screen" in values else None
        most = 1 if only else values.get("limit", DEFAULT_LIMIT)

        async def read(connection: Connection) -> Trends:
            async with connection.transaction():
                freshness = await self._calls.quality.freshness(connection)
                progress = await self._calls.quality.progress(connection)
                now = now_of(freshness)
                whole = resolve(
                    range_request(values), RULES, now=now, reporting_zone=progress.zone, series=None
                )
                bucket = whole.bucket or _usual_bucket(whole.end - whole.start)
                asked = resolve(
                    RangeRequest(whole.start, whole.end, bucket, whole.zone),
                    RULES,
                    now=now,
                    reporting_zone=progress.zone,
                    series=2 * most,
                )
                earlier = range_before(asked)
                found = await self._rows(connection, asked, progress, of, most, only)
                if only is None and progress.min_group_size > 1:
                    found = await self._large(connection, asked, progress, found)
                screens = [row["screen"] for row in found]
                before = {
                    row["screen"]: row
                    for row in await self._rows(connection, earlier, progress, of, most, screens)
                }
                over = over_by(asked, freshness.as_of)
                kept_from = await self._first_kept(connection)
                # What is compared with a part of the range before would seem to rise.
                is_whole = kept_from is not None and kept_from <= earlier.start
                return Trends(
                    items=[
                        _item(row, before.get(row["screen"]), asked, over, is_whole=is_whole)
                        for row in found
                    ],
                    **asked.shown(),
                    of=of,
                    before=RangeBefore(rfc3339(earlier.start), rfc3339(earlier.end)),
                    kept_from=rfc3339(kept_from),
                    compared_buckets=over,
                    compared_to=rfc3339(asked.ends[over - 1]) if over else None,
                    **self._calls.quality.fields(freshness),
                )

        return json_answer(await self._calls.database.read("trends", read))

    async def _first_kept(self, connection: Connection) -> datetime | None:
        row = await (await connection.execute(self._kept_from)).fetchone()
        return cast(datetime | None, row[0]) if row else None

    async def _large(
        self, connection: Connection, asked: Range, progress: Progress, rows: list[Row]
    ) -> list[Row]:
        """Without screens that too few users were on: a trend of several would say nothing."""
        screens = [row["screen"] for row in rows]
        sizes = await self._engagement.sizes(connection, asked, progress, screens)
        return [row for row in rows if sizes.get(row["screen"], 0) >= progress.min_group_size]

    async def _rows(
        self,
        connection: Connection,
        asked: Range,
        progress: Progress,
        of: str,
        most: int,
        screens: list[str] | None,
    ) -> list[Row]:
        parameters = {
            **parts_of(asked, progress).parameters(),
            **bucket_parameters(asked),
            "screens": screens,
            "of": of,
            "limit": most,
        }
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(self._trends, parameters)
            return await cursor.fetchall()


def _usual_bucket(length: timedelta) -> Bucket:
    """Coarse: a trend is looked at, not read."""
    return "15m" if length <= 8 * HOUR else "1h" if length <= 2 * DAY else "1d"


def _item(
    row: Row, before: Mapping[str, Any] | None, asked: Range, over: int, *, is_whole: bool
) -> Trend:
    length = len(asked.starts)
    series, earlier = _series(row, length), _series(before, length)
    return Trend(
        screen=row["screen"],
        total=row["total"],
        compared=sum(series[:over]),
        compared_before=sum(earlier[:over]),
        change=change(series[:over], earlier[:over]) if is_whole else None,
        series=series,
        series_before=earlier,
    )


def _series(row: Mapping[str, Any] | None, length: int) -> list[int]:
    counts = dict(zip(row["buckets"], row["counts"], strict=True)) if row else {}
    return [counts.get(bucket, 0) for bucket in range(1, length + 1)]
