"""Engagement of one version or platform, or split by them: from rollups of an hour.

All counts are where the visit or the session ends, views too; unique users are not known. Groups
of too few users are merged as elsewhere (``api/analytics/small_groups.py``), by the users that they
have for certain: those of their largest hour. What is merged of one version or platform is told
only if it is large enough itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, cast

from psycopg.rows import dict_row

from api.analytics.answers.screens import Sort, SplitBy
from api.analytics.engagement import metrics_of
from api.analytics.small_groups import SUPPRESSED, added, suppress
from api.http.documents import Row, select
from api.http.parameters import bad_parameter, name_of, name_parameter
from api.periods.instants import rfc3339
from api.periods.ranges import HOUR, Bucket, Range, RangeRules
from api.periods.rollups import bucket_parameters
from api.postgres.database import Connection
from schemas.database.named_queries import load_queries

BUCKETS: Final[tuple[Bucket, ...]] = ("1h", "1d")
RULES: Final = RangeRules(buckets=BUCKETS, grain=HOUR)
_PLATFORM: Final = name_of("platform")
_ONLY_BY_HOURS: Final = (
    "must be 1h or 1d with split_by, app_version or platform, which are kept by the hour"
)
_NO_USERS: Final = (
    "cannot be unique_users with split_by, app_version or platform: users are not known by them"
)


@dataclass(frozen=True, slots=True)
class Split:
    """What is asked for; ``None``: all. Without ``split_by`` it is by screen."""

    split_by: SplitBy | None
    app_version: str | None
    platform: str | None

    def shown(self) -> dict[str, str | None]:
        """As answers repeat it."""
        return asdict(self)


#: The two filters.
BY_VERSION: Final = (
    name_parameter(
        "app_version",
        "Of this version only. Kept by the hour, for 62 days: `from` and `to` are whole hours "
        "(UTC), and views count where the visit ends. `(none)`: the app told none; `(other)`: "
        "beyond the ten of the hour with the most visits.",
        "1.10.0",
    ),
    name_parameter(
        "platform",
        "Of this platform only, whatever its case; as `app_version`.",
        "android",
        parse=lambda text: str(_PLATFORM(text)).lower(),
    ),
)


def split_of(values: Mapping[str, Any]) -> Split | None:
    """What the parameters ask for; ``None``: nothing of it.

    Raises ``ProblemError`` with code ``bad_parameter`` for what cannot be asked together with it.
    """
    found = Split(*(values.get(name) for name in ("split_by", "app_version", "platform")))
    if found == Split(None, None, None):
        return None
    if values.get("bucket") in ("1m", "15m"):
        raise bad_parameter("bucket", _ONLY_BY_HOURS)
    if values.get("sort") == "unique_users":
        raise bad_parameter("sort", _NO_USERS)
    return found


class Splits:
    """Reads them; every method in a transaction of the connection's."""

    def __init__(self) -> None:
        queries = load_queries("api.analytics", "splits.sql")
        parts = {"windows": queries["windows"]}
        self._sizes, self._kept_from = queries["sizes"], queries["kept_from"]
        self._engagement = load_queries("api.analytics", "screens.sql", parts)["engagement"]
        self._dwell = load_queries("api.analytics", "dwell.sql", parts)["dwell"]

    async def rows(
        self,
        connection: Connection,
        asked: Range,
        split: Split,
        screen: str | None,
        *,
        sort: Sort,
        limit: int,
        least: int,
    ) -> list[Row]:
        """Rows of ``screen``, of a split ``value``, ``start`` and ``end`` of the bucket, and
        metrics; ``screen`` is ``None`` where a split is of all of them."""
        parameters = {
            **self._parameters(asked, split, screen),
            "screens": None,
            "sort": sort,
            "limit": limit,
        }
        edges = list(zip(asked.starts, asked.ends, strict=True))
        sizes = await self._users(connection, parameters)
        found = [
            {
                "group": row["screen"],
                "start": rfc3339(edges[row["bucket"] - 1][0]),
                "end": rfc3339(edges[row["bucket"] - 1][1]),
                **metrics_of(row, None),
                "users": sizes.get((row["screen"], row["bucket"]), 0),
            }
            async for batch in select(connection, self._engagement, parameters)
            for row in batch
        ]
        return [
            {**_named(row.pop("group"), split, screen), **row}
            for row in _large(found, least)
            if row.pop("users") >= least or least <= 1
        ]

    async def dwell(
        self, connection: Connection, asked: Range, split: Split, screen: str | None, least: int
    ) -> tuple[list[int], int]:
        """The histogram of the visits' dwell, and how many they are; none of too few users."""
        parameters = self._parameters(asked, split, screen)
        if least > 1:
            sizes = await self._users(connection, parameters)
            if max(sizes.values(), default=0) < least:
                return [], 0
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(self._dwell, parameters)
            row = cast(Row, await cursor.fetchone())
        return row["dwell_histogram"], row["visits"]

    async def kept_from(self, connection: Connection) -> str | None:
        """From when on they are kept; ``None``: from the first hour on."""
        row = await (await connection.execute(self._kept_from)).fetchone()
        return rfc3339(cast(datetime | None, row[0] if row else None))

    async def _users(
        self, connection: Connection, parameters: Mapping[str, Any]
    ) -> dict[tuple[str, int], int]:
        found = await (await connection.execute(self._sizes, parameters)).fetchall()
        return {(group, bucket): users for group, bucket, users in found}

    def _parameters(self, asked: Range, split: Split, screen: str | None) -> dict[str, Any]:
        edges = {"from": asked.start, "to": asked.end}
        return {**edges, **bucket_parameters(asked), **asdict(split), "screen": screen}


def _large(rows: list[Row], least: int) -> list[Row]:
    return suppress(
        rows,
        least,
        size=lambda row: row["users"],
        merge=_merged,
        within=lambda row: row["start"],
    )


def _merged(rows: list[Row]) -> Row:
    sums = ("views", "visits", "dwell_ms", "exits", "bounces", "users")
    every: Row = {name: added(rows, name) for name in sums}
    return {
        "group": SUPPRESSED,
        "start": rows[0]["start"],
        "end": rows[0]["end"],
        **metrics_of({**every, "dwell_histogram": [], "silent_dwell_ms": 0}, None),
        "silent_share": None,
        "users": every["users"],
    }


def _named(group: str, split: Split, screen: str | None) -> Row:
    return {"screen": group} if split.split_by is None else {"screen": screen, "value": group}
