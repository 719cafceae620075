"""Most users online at once: today and ever, with the first instant that had them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from psycopg.rows import dict_row

from api.analytics.answers.over_time import Peak, Peaks
from api.freshness import Freshness
from api.periods.instants import rfc3339
from api.periods.ranges import FIRST_YEAR, LENGTHS, QUARTER, Range, day_start, local_date
from api.periods.rollups import Progress
from api.postgres.database import Connection
from api.quality import now_of
from schemas.database.named_queries import load_queries


class PeaksQuery:
    """From rollups as far as they are made, and from samples after them."""

    def __init__(self) -> None:
        queries = load_queries("api.analytics", "concurrency.sql")
        self._partitions = queries["partitions"]
        self._peak = queries["peak"]

    async def partitions(self, connection: Connection) -> int:
        """Of the deployment: an instant counts only if all of them have it."""
        row = await (await connection.execute(self._partitions)).fetchone()
        return cast(int, row[0]) if row else 0

    async def read(
        self,
        connection: Connection,
        zone: ZoneInfo,
        freshness: Freshness,
        progress: Progress,
        partitions: int,
    ) -> Peaks:
        """``today`` is in ``zone``."""
        now = now_of(freshness)
        end = now + timedelta.resolution
        starts = {
            "today": day_start(local_date(now, zone), zone),
            "all_time": now.replace(year=FIRST_YEAR, month=1, day=1),
        }
        found: dict[str, Peak | None] = {}
        for name, start in starts.items():
            over = sample_parts(Range(start, end, zone, None), progress)
            parameters = {**over, "as_of": freshness.as_of, "partitions": partitions}
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(self._peak, parameters)
                row = await cursor.fetchone()
            found[name] = None if row is None else Peak(row["online"], rfc3339(row["at"]))
        return Peaks(**found)


def sample_parts(asked: Range, progress: Progress) -> dict[str, datetime]:
    """What quarter-hours answer, and what only samples can."""
    fine = asked.bucket is not None and LENGTHS[asked.bucket] < QUARTER
    rolled = asked.start
    if not fine and progress.quarters is not None:
        rolled = max(asked.start, min(asked.end, progress.quarters))
    return {
        "quarter_from": asked.start,
        "quarter_to": rolled,
        "live_from": rolled,
        "live_to": asked.end,
    }
