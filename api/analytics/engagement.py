"""What people do on screens: engagement in a range, per screen or per screen and bucket.

Every figure is a sum over rollups, or computed from such sums: percentiles from the merged dwell
histogram (error 9.1 %), unique users from merged sketches (standard error 1.6 %): one number, or
bounds where sketches are under several keys. Of a short range of late they are counted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from api.analytics.answers.screens import Sort
from api.analytics.recent_users import RecentUsers
from api.analytics.small_groups import SUPPRESSED, added, suppress
from api.analytics.unique_users import top_screens, unique_users
from api.http.documents import Row, select
from api.http.parameters import MAX_LIMIT, bad_parameter
from api.periods.instants import rfc3339
from api.periods.ranges import HOUR, Range, floor
from api.periods.rollups import Progress, UniqueParts, bucket_parameters, parts_of, unique_parts_of
from api.postgres.database import Connection
from schemas.database.named_queries import load_queries
from schemas.measures.dwell import percentile_ms
from schemas.measures.sketches import Users

NOBODY: Final = Users(0, 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """``screens``: these, in this order, also without anything to tell; ``None``: the best by
    ``sort``."""

    range: Range
    sort: Sort = "views"
    limit: int = 1
    screens: Sequence[str] | None = None


class Engagement:
    """Reads it; every method in a transaction of the connection's."""

    def __init__(self) -> None:
        queries = load_queries("api.analytics", "screens.sql")
        self._engagement = queries["engagement"]
        self._other_share = queries["other_share"]
        self._sketches = queries["sketches"]
        self._recent = RecentUsers()

    async def rows(
        self, connection: Connection, wanted: Wanted, progress: Progress
    ) -> AsyncIterator[list[Row]]:
        """Rows of ``screen``, ``start`` and ``end`` of the bucket, and metrics. Screens
        that are not asked for by name are ``(suppressed)`` together where they are too small.

        Raises ``ProblemError`` with code ``bad_parameter`` where they cannot be sorted so.
        """
        batches = self._every_row(connection, wanted, progress)
        least = progress.min_group_size
        if wanted.screens is not None or least <= 1:
            async for batch in batches:
                yield batch
            return
        rows = [row async for batch in batches for row in batch]
        inner: dict[str, int] = {}
        if wanted.range.bucket is None and any(row["users_at_least"] is None for row in rows):
            inner = await self.sizes(
                connection, wanted.range, progress, [row["screen"] for row in rows]
            )

        def size(row: Row) -> int:
            known: int | None = row["users_at_least"]
            return inner.get(row["screen"], 0) if known is None else known

        yield suppress(rows, least, size=size, merge=_merged, within=lambda row: row["start"])

    async def sizes(
        self, connection: Connection, asked: Range, progress: Progress, screens: Sequence[str]
    ) -> dict[str, int]:
        """By screen at least how many users it had, in as much of the range as is known."""
        start = floor(asked.start, HOUR)
        start += HOUR if start < asked.start else timedelta()
        end = min(floor(asked.end, HOUR), progress.hours or start)
        if start >= end:
            return {}
        known = Range(start, end, asked.zone, None)
        sketches = unique_parts_of(known, progress)
        if sketches.problem(start, end) is not None:
            return {}
        parameters = {
            **sketches.parameters(),
            **bucket_parameters(known),
            "screens": list(screens),
        }
        found = unique_users(connection, self._sketches, parameters)
        return {screen: users.at_least async for screen, by in found for users in by.values()}

    async def _every_row(
        self, connection: Connection, wanted: Wanted, progress: Progress
    ) -> AsyncIterator[list[Row]]:
        asked, screens = wanted.range, wanted.screens
        if screens is None and wanted.sort == "unique_users":
            screens = await self._most_used(connection, wanted, progress)
        parameters = {
            **parts_of(asked, progress).parameters(),
            **bucket_parameters(asked),
            "screens": None if screens is None else list(screens),
            "sort": wanted.sort,
            "limit": wanted.limit,
        }
        edges = list(zip(asked.starts, asked.ends, strict=True))
        sketches = unique_parts_of(asked, progress)
        told = sketches.told(edges, wanted.limit if wanted.limit <= MAX_LIMIT else 1)
        recent = None
        if not told and asked.bucket is None:
            recent = await self._recent.by_screen(connection, asked, progress)
        async for batch in select(connection, self._engagement, parameters):
            if recent is None:
                users = await self._users_of(connection, asked, sketches, told, batch)
            else:
                users = {(row["screen"], 1): recent.get(row["screen"], NOBODY) for row in batch}
            yield [
                _row(row, edges[row["bucket"] - 1], users.get((row["screen"], row["bucket"])))
                for row in batch
            ]

    async def other_share(
        self, connection: Connection, asked: Range, progress: Progress
    ) -> float | None:
        """Of a range's views those on screens beyond the cap of names; ``None`` without views."""
        parameters = {
            **parts_of(asked, progress).parameters(),
            **bucket_parameters(asked),
            "screens": None,
        }
        row = await (await connection.execute(self._other_share, parameters)).fetchone()
        return None if row is None else share(row[1], row[0])

    async def _most_used(
        self, connection: Connection, wanted: Wanted, progress: Progress
    ) -> list[str]:
        whole = replace(wanted.range, bucket=None)
        sketches = unique_parts_of(whole, progress)
        problem = sketches.problem(whole.start, whole.end)
        if problem is not None:
            recent = await self._recent.by_screen(connection, whole, progress)
            if recent is None:
                raise bad_parameter("sort", f"cannot be unique_users here: {problem}")
            return sorted(recent, key=lambda screen: (-recent[screen].at_least, screen))[
                : wanted.limit
            ]
        parameters = {**sketches.parameters(), **bucket_parameters(whole), "screens": None}
        return await top_screens(connection, self._sketches, parameters, wanted.limit)

    async def _users_of(
        self,
        connection: Connection,
        asked: Range,
        sketches: UniqueParts,
        told: set[int],
        batch: Sequence[Row],
    ) -> dict[tuple[str, int], Users]:
        """By screen and bucket, of those rows whose buckets can be told."""
        found = {(row["screen"], row["bucket"]): NOBODY for row in batch if row["bucket"] in told}
        if not found:
            return found
        buckets = [bucket for _, bucket in found]
        start, end = asked.starts[min(buckets) - 1], asked.ends[max(buckets) - 1]
        parameters = {
            **sketches.within(start, end).parameters(),
            **bucket_parameters(asked),
            "screens": list({screen for screen, _ in found}),
        }
        async for screen, by_bucket in unique_users(connection, self._sketches, parameters):
            for bucket, users in by_bucket.items():
                if (screen, bucket) in found:
                    found[screen, bucket] = users
        return found


def metrics_of(row: Mapping[str, Any], users: Users | None) -> Row:
    """Metrics from sums; ``None`` is what cannot be told, as a share of nothing."""
    counts, visits, dwell_ms = row["dwell_histogram"], row["visits"], row["dwell_ms"]
    return {
        "views": row["views"],
        "visits": visits,
        **_told(users),
        "dwell_ms": dwell_ms,
        "dwell_mean_ms": round(dwell_ms / visits) if visits else None,
        "dwell_p50_ms": percentile_ms(counts, 0.5),
        "dwell_p90_ms": percentile_ms(counts, 0.9),
        "dwell_p95_ms": percentile_ms(counts, 0.95),
        "exits": row["exits"],
        "exit_share": share(row["exits"], row["views"]),
        "bounces": row["bounces"],
        "silent_share": share(row["silent_dwell_ms"], dwell_ms),
    }


def _told(users: Users | None) -> Row:
    """One number only if there is no doubt which."""
    if users is None:
        return dict.fromkeys(("unique_users", "users_at_least", "users_at_most"))
    return {
        "unique_users": users.at_least if users.at_least == users.at_most else None,
        "users_at_least": users.at_least,
        "users_at_most": users.at_most,
    }


def share(part: int, whole: int) -> float | None:
    """With four decimals; ``None`` of nothing."""
    return round(part / whole, 4) if whole else None


def _merged(rows: list[Row]) -> Row:
    at_least, at_most = (
        [row[name] for row in rows] for name in ("users_at_least", "users_at_most")
    )
    users = None if None in at_least else Users(max(at_least), sum(at_most))
    sums = ("views", "visits", "dwell_ms", "exits", "bounces")
    every: Row = {**{name: added(rows, name) for name in sums}, "dwell_histogram": []}
    return {
        "screen": SUPPRESSED,
        "start": rows[0]["start"],
        "end": rows[0]["end"],
        **metrics_of({**every, "silent_dwell_ms": 0}, users),
        "silent_share": None,
    }


def _row(row: Row, edges: tuple[datetime, datetime], users: Users | None) -> Row:
    return {
        "screen": row["screen"],
        "start": rfc3339(edges[0]),
        "end": rfc3339(edges[1]),
        **metrics_of(row, users),
    }
