"""``/api/v1/screens…``: who is on which screen, and what people do on screens in a range."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, cast

from aiohttp import web

from api.analytics.answers.screens import Engagement as EngagementAnswer
from api.analytics.answers.screens import (
    Neighbour,
    Screen,
    ScreenBucket,
    ScreenEngagement,
    ScreenMetrics,
    ScreenNow,
    ScreensNow,
    SplitEngagement,
)
from api.analytics.described.screens import (
    LIST_SCREENS,
    READ_ENGAGEMENT,
    READ_SCREEN,
)
from api.analytics.engagement import Engagement, Wanted, share
from api.analytics.flows import Flows
from api.analytics.small_groups import SUPPRESSED, added, suppress, suppressed
from api.analytics.splits import RULES as SPLIT_RULES
from api.analytics.splits import Split, Splits, split_of
from api.http.answers import made
from api.http.call import Call
from api.http.collaborators import Collaborators
from api.http.documents import Batches, Report, Row, json_answer, one_batch, select, usual_limit
from api.http.door import Handler
from api.http.parameters import DEFAULT_LIMIT
from api.http.routes import values_of
from api.periods.instants import rfc3339
from api.periods.parameters import range_request
from api.periods.ranges import MINUTE_BUCKETS, Range, RangeRules, resolve
from api.periods.rollups import Progress, check_minutes
from api.postgres.database import Connection
from api.presence.time_travel import TimeTravel, shown_at_query
from api.quality import now_of
from schemas.database.named_queries import filled, load_queries

#: Screens before and after one.
NEIGHBOURS: Final = 10
RULES: Final = RangeRules(buckets=MINUTE_BUCKETS)
METRICS: Final = ScreenMetrics.__struct_fields__


def screens_now_query() -> bytes:
    """Foreground users by screen, with parameter ``limit``; costs what the partitions do, not the
    fleet."""
    queries = load_queries("api.analytics", "screens.sql")
    counts = filled(queries["counts_now"], users=queries["users_uncounted"])
    return filled(queries["now"], counts=counts)


class ScreenCalls:
    """The handlers."""

    def __init__(self, calls: Collaborators, time_travel: TimeTravel) -> None:
        self._calls = calls
        self._time_travel = time_travel
        self._engagement = Engagement()
        self._flows = Flows()
        self._splits = Splits()
        queries = load_queries("api.analytics", "screens.sql")
        self._now = screens_now_query()
        counted = filled(queries["counted"], users=shown_at_query())
        self._at = filled(queries["now"], counts=counted)

    def handlers(self) -> dict[Call, Handler]:
        return {
            LIST_SCREENS: self.now,
            READ_ENGAGEMENT: self.engagement,
            READ_SCREEN: self.screen,
        }

    async def now(self, request: web.Request) -> web.StreamResponse:
        """Foreground users by screen; with ``at`` those of that instant."""
        values = values_of(request)
        at: datetime | None = values.get("at")
        limit = values.get("limit", usual_limit(request))

        async def open_report(connection: Connection) -> Report:
            freshness = await self._calls.quality.freshness(connection)
            least = (await self._calls.quality.progress(connection)).min_group_size
            parameters: dict[str, Any] = {"limit": limit}
            if at is not None:
                until = await self._time_travel.check(connection, at, freshness)
                parameters |= {"at": at, "until": until}
            batches = select(connection, self._now if at is None else self._at, parameters)
            first: list[Row] = await anext(batches, [])
            totals: Row = first[0] if first else dict.fromkeys(_TOTALS, 0)
            return Report(
                ScreensNow,
                ScreenNow,
                suppressed(_now_rows(first, batches), least, lambda rows: _large(rows, least)),
                self._calls.quality.fields(freshness),
                {
                    "foreground": totals["foreground_total"],
                    "background": totals["background_total"],
                    "screens": totals["screens"],
                    **({} if at is None else {"at": rfc3339(at)}),
                },
            )

        return await self._calls.reports.answer(
            request, "screens", open_report, reads_everybody=at is not None
        )

    async def engagement(self, request: web.Request) -> web.StreamResponse:
        """The top screens of a range; with ``screen`` or ``bucket`` series; split, or of one
        version or platform."""
        values = values_of(request)
        split = split_of(values)
        if split is not None:
            return await self._split(request, values, split)
        screen, series = values.get("screen"), "screen" in values or "bucket" in values
        limit = values.get("limit", DEFAULT_LIMIT if series else usual_limit(request))

        async def open_report(connection: Connection) -> Report:
            freshness = await self._calls.quality.freshness(connection)
            progress = await self._calls.quality.progress(connection)
            sort = values.get("sort", "views")
            # Unique users are known for hours that are rolled up: so ends who names no end.
            by_users = sort == "unique_users" and progress.hours is not None
            asked = resolve(
                range_request(values),
                RULES,
                now=cast(datetime, progress.hours) if by_users else now_of(freshness),
                reporting_zone=progress.zone,
                series=(1 if screen else limit) if series else None,
            )
            check_minutes(asked, progress)
            wanted = Wanted(
                asked, sort, 1 if screen else limit, None if screen is None else [screen]
            )
            other = (
                None if series else await self._engagement.other_share(connection, asked, progress)
            )
            return Report(
                EngagementAnswer,
                ScreenEngagement,
                self._engagement.rows(connection, wanted, progress),
                self._calls.quality.fields(freshness),
                {
                    **asked.shown(),
                    "sort": sort,
                    "other_share": other,
                    "unique_users_to": rfc3339(progress.hours),
                },
            )

        return await self._calls.reports.answer(request, "engagement", open_report)

    async def _split(
        self, request: web.Request, values: dict[str, Any], split: Split
    ) -> web.StreamResponse:
        screen, sort = values.get("screen"), values.get("sort", "views")
        series = "bucket" in values
        limit = values.get("limit", DEFAULT_LIMIT if series else usual_limit(request))

        async def open_report(connection: Connection) -> Report:
            freshness = await self._calls.quality.freshness(connection)
            progress = await self._calls.quality.progress(connection)
            asked = resolve(
                range_request(values),
                SPLIT_RULES,
                now=progress.hours or now_of(freshness),
                reporting_zone=progress.zone,
                series=limit if series else None,
            )
            rows = await self._splits.rows(
                connection,
                asked,
                split,
                screen,
                sort=sort,
                limit=limit,
                least=progress.min_group_size,
            )
            return Report(
                EngagementAnswer,
                ScreenEngagement if split.split_by is None else SplitEngagement,
                one_batch(rows),
                self._calls.quality.fields(freshness),
                {
                    **asked.shown(),
                    "sort": sort,
                    "other_share": None,
                    "unique_users_to": rfc3339(progress.hours),
                    **split.shown(),
                    "kept_from": await self._splits.kept_from(connection),
                },
            )

        return await self._calls.reports.answer(request, "engagement", open_report)

    async def screen(self, request: web.Request) -> web.StreamResponse:
        """One screen: totals, a series, and where people come from and go to."""
        values = values_of(request)
        screen: str = values["screen"]

        async def read(connection: Connection) -> Screen:
            async with connection.transaction():
                freshness = await self._calls.quality.freshness(connection)
                progress = await self._calls.quality.progress(connection)
                asked = resolve(
                    range_request(values),
                    RULES,
                    now=now_of(freshness),
                    reporting_zone=progress.zone,
                )
                check_minutes(asked, progress)
                return Screen(
                    screen=screen,
                    **asked.shown(),
                    **await self._details(connection, screen, asked, progress),
                    **self._calls.quality.fields(freshness),
                )

        return json_answer(await self._calls.database.read("screen", read))

    async def _details(
        self, connection: Connection, screen: str, asked: Range, progress: Progress
    ) -> dict[str, Any]:
        async def engagement(over: Range) -> list[Row]:
            wanted = Wanted(over, screens=[screen])
            batches = self._engagement.rows(connection, wanted, progress)
            return [_without_screen(row) async for batch in batches for row in batch]

        async def neighbours(this: str, other: str, share_of: str) -> list[Neighbour]:
            batches = self._flows.rows(connection, asked, progress, {this: screen}, NEIGHBOURS)
            return [
                Neighbour(row[other], row["transitions"], row[share_of])
                async for batch in batches
                for row in batch
            ]

        [totals] = await engagement(replace(asked, bucket=None))
        return {
            "totals": made(ScreenMetrics, {name: totals[name] for name in METRICS}),
            "series": [made(ScreenBucket, row) for row in await engagement(asked)],
            "previous": await neighbours("to_screen", "from_screen", "to_share"),
            "next": await neighbours("from_screen", "to_screen", "from_share"),
        }


_TOTALS: Final = ("foreground_total", "background_total", "screens")


async def _now_rows(first: list[Row], rest: Batches) -> AsyncIterator[list[Row]]:
    """Without screens on which people are in the background only."""
    yield [_now_row(row) for row in first if row["foreground"]]
    async for batch in rest:
        yield [_now_row(row) for row in batch if row["foreground"]]


def _large(rows: list[Row], least: int) -> list[Row]:
    return suppress(rows, least, size=lambda row: row["foreground"], merge=_merged)


def _merged(rows: list[Row]) -> Row:
    return {
        "screen": SUPPRESSED,
        "foreground": added(rows, "foreground"),
        "share": round(sum(row["share"] for row in rows), 4),
    }


def _now_row(row: Row) -> Row:
    return {
        "screen": row["screen"],
        "foreground": row["foreground"],
        "share": share(row["foreground"], row["foreground_total"]),
    }


def _without_screen(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "screen"}
