"""``/api/v1/dwell``: how long the visits of a range lasted, of one screen or of all together."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web
from psycopg.rows import dict_row

from api.analytics.answers.screen_habits import Dwell, DwellRow
from api.analytics.described.screen_habits import READ_DWELL
from api.analytics.engagement import share
from api.analytics.splits import RULES as SPLIT_RULES
from api.analytics.splits import Splits, split_of
from api.http.call import Call
from api.http.collaborators import Collaborators
from api.http.documents import Report, Row, one_batch
from api.http.door import Handler
from api.http.routes import values_of
from api.periods.parameters import range_request
from api.periods.ranges import RangeRules, resolve
from api.periods.rollups import bucket_parameters, parts_of
from api.postgres.database import Connection
from api.quality import now_of
from schemas.database.named_queries import load_queries
from schemas.measures.dwell import bounds_ms

RULES: Final = RangeRules(buckets=())


class DwellCalls:
    """The handler."""

    def __init__(self, calls: Collaborators) -> None:
        self._calls = calls
        windows = load_queries("api.analytics", "screens.sql")["windows"]
        self._dwell = load_queries("api.analytics", "dwell.sql", {"windows": windows})["dwell"]
        self._splits = Splits()

    def handlers(self) -> dict[Call, Handler]:
        return {READ_DWELL: self.dwell}

    async def dwell(self, request: web.Request) -> web.StreamResponse:
        values = values_of(request)
        screen: str | None = values.get("screen")
        split = split_of(values)

        async def open_report(connection: Connection) -> Report:
            freshness = await self._calls.quality.freshness(connection)
            progress = await self._calls.quality.progress(connection)
            now = now_of(freshness)
            asked = resolve(
                range_request(values),
                RULES if split is None else SPLIT_RULES,
                now=now if split is None else progress.hours or now,
                reporting_zone=progress.zone,
                series=None,
            )
            if split is not None:
                counts, visits = await self._splits.dwell(
                    connection, asked, split, screen, progress.min_group_size
                )
                return Report(
                    Dwell,
                    DwellRow,
                    one_batch(_rows(counts, visits)),
                    self._calls.quality.fields(freshness),
                    {
                        **asked.shown(),
                        "screen": screen,
                        "visits": visits,
                        "app_version": split.app_version,
                        "platform": split.platform,
                        "kept_from": await self._splits.kept_from(connection),
                    },
                )
            parameters: dict[str, Any] = {
                **parts_of(asked, progress).parameters(),
                **bucket_parameters(asked),
                "screens": None if screen is None else [screen],
            }
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(self._dwell, parameters)
                row = await cursor.fetchone()
            assert row is not None  # noqa: S101  (an aggregate without GROUP BY has one row)
            return Report(
                Dwell,
                DwellRow,
                one_batch(_rows(row["dwell_histogram"], row["visits"])),
                self._calls.quality.fields(freshness),
                {**asked.shown(), "screen": screen, "visits": row["visits"]},
            )

        return await self._calls.reports.answer(request, "dwell", open_report)


def _rows(counts: list[int], visits: int) -> list[Row]:
    """From the shortest visits to the longest; the lengths in between that none had as well."""
    had = [bucket for bucket, count in enumerate(counts) if count]
    rows = []
    for bucket in range(had[0], had[-1] + 1) if had else ():
        shortest, longest = bounds_ms(bucket)
        rows.append(
            {
                "from_ms": shortest,
                "to_ms": longest,
                "visits": counts[bucket],
                "share": share(counts[bucket], visits),
            }
        )
    return rows
