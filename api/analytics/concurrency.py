"""``/api/v1/concurrency``: users online over time, and the peaks with the instant they happened.

Samples are taken every 10 s of log time by state, every minute by screen. In an outage none are:
such a bucket has fewer samples, or none and ``null``, and ``gaps`` says why. Buckets of a
quarter-hour and more come from the rollup as far as it is made.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from aiohttp import web

from api.analytics.answers.over_time import (
    Concurrency,
    ConcurrencyBucket,
    ScreenConcurrency,
    ScreenConcurrencyBucket,
)
from api.analytics.described.over_time import CONCURRENCY_BUCKETS as BUCKETS
from api.analytics.described.over_time import READ_CONCURRENCY
from api.analytics.outages import read_outages
from api.analytics.peaks import PeaksQuery, sample_parts
from api.http.answers import Answer
from api.http.call import Call
from api.http.collaborators import Collaborators
from api.http.documents import Report, Row, select, shaped
from api.http.door import Handler
from api.http.parameters import bad_parameter
from api.http.routes import values_of
from api.periods.instants import rfc3339
from api.periods.parameters import range_request
from api.periods.ranges import Bucket, RangeRules, resolve
from api.postgres.database import Connection
from api.quality import now_of
from schemas.database.named_queries import load_queries

SCREEN_BUCKETS: Final[tuple[Bucket, ...]] = BUCKETS[1:]
RULES: Final = RangeRules(BUCKETS)
SCREEN_RULES: Final = RangeRules(SCREEN_BUCKETS)


class ConcurrencyCalls:
    """The handler."""

    def __init__(self, calls: Collaborators) -> None:
        self._calls = calls
        queries = load_queries("api.analytics", "concurrency.sql")
        self._peaks = PeaksQuery()
        self._series = queries["series"]
        self._screen_series = queries["screen_series"]

    def handlers(self) -> dict[Call, Handler]:
        return {READ_CONCURRENCY: self.concurrency}

    async def concurrency(self, request: web.Request) -> web.StreamResponse:
        values = values_of(request)
        screen: str | None = values.get("screen")
        if screen is not None and values.get("bucket") == "10s":
            raise bad_parameter("bucket", "must be 1m or more: screens are sampled every minute")

        async def open_report(connection: Connection) -> Report:
            freshness = await self._calls.quality.freshness(connection)
            progress = await self._calls.quality.progress(connection)
            asked = resolve(
                range_request(values),
                RULES if screen is None else SCREEN_RULES,
                now=now_of(freshness),
                reporting_zone=progress.zone,
            )
            partitions = await self._peaks.partitions(connection)
            head: dict[str, Any] = {
                **asked.shown(),
                "gaps": await read_outages(connection, asked.start, asked.end),
            }
            edges = list(zip(asked.starts, asked.ends, strict=True))
            answer: type[Answer] = Concurrency
            shown: type[Answer] = ConcurrencyBucket
            parameters: dict[str, Any] = {
                "as_of": freshness.as_of,
                "partitions": partitions,
                **sample_parts(asked, progress),
                "buckets": asked.starts,
            }
            if screen is not None:
                parameters |= {"live_from": asked.start, "screen": screen}
                batches = select(connection, self._screen_series, parameters)
                answer, shown = ScreenConcurrency, ScreenConcurrencyBucket
                head["screen"] = screen
            else:
                batches = select(connection, self._series, parameters)
                head["peaks"] = await self._peaks.read(
                    connection, asked.zone, freshness, progress, partitions
                )
            return Report(
                answer,
                shown,
                shaped(batches, lambda row: _row(row, edges, shown.__struct_fields__)),
                self._calls.quality.fields(freshness),
                head,
            )

        return await self._calls.reports.answer(request, "concurrency", open_report)


def _row(row: Row, edges: list[tuple[datetime, datetime]], shown: tuple[str, ...]) -> Row:
    start, end = edges[row["bucket"] - 1]
    samples, foreground = row["samples"], row["foreground_sum"]
    background = row.get("background_sum")
    every = {
        "start": rfc3339(start),
        "end": rfc3339(end),
        "samples": samples,
        "online_avg": _average((foreground or 0) + (background or 0), samples),
        "foreground_avg": _average(foreground, samples),
        "background_avg": _average(background, samples),
        "online_peak": row.get("peak_online"),
        "online_peak_at": rfc3339(row.get("peak_online_at")),
        "foreground_peak": row["peak_foreground"],
        "foreground_peak_at": rfc3339(row["peak_foreground_at"]),
    }
    return {column: every[column] for column in shown}


def _average(total: int | None, samples: int) -> float | None:
    return round(total / samples, 2) if samples and total is not None else None
