"""``/api/v1/breakdown``: users by app version, platform or device.

Of those online now, or of those active in a range of days of the reporting zone: each once, with
what they used on their last active day of it. The 50 most frequent values are told, all others
together as ``(other)``; ``null`` is unknown. Versions come newest first, all else by users. Each
value of those online now tells on how many devices the app's timer runs on in the background.
Values that too few users have are ``(suppressed)`` (``api/analytics/small_groups.py``).
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from aiohttp import web

from api.analytics.answers.over_time import Breakdown, BreakdownValue
from api.analytics.answers.over_time import BreakdownBy as By
from api.analytics.days import check_zone, whole_days
from api.analytics.described.over_time import BREAKDOWN_BYS as BYS
from api.analytics.described.over_time import READ_BREAKDOWN
from api.analytics.engagement import share
from api.analytics.small_groups import SUPPRESSED, added, suppress
from api.http.call import Call
from api.http.collaborators import Collaborators
from api.http.documents import Report, Row, one_batch, select
from api.http.door import Handler
from api.http.parameters import bad_parameter
from api.http.routes import values_of
from api.postgres.database import Connection
from api.quality import now_of
from schemas.database.named_queries import filled, load_queries
from schemas.measures.versions import version_key

Users: TypeAlias = Literal["online_now", "active_in_days"]

OTHER: Final = "(other)"
#: The place of what is told together, in breakdown.sql.
OTHER_PLACE: Final = 51
#: Every user-day of the range is read.
MOST_DAYS: Final = 31


class BreakdownCalls:
    """The handler."""

    def __init__(self, calls: Collaborators) -> None:
        self._calls = calls
        self._queries = {
            (by, users): breakdown_query(by, users) for by in BYS for users in get_args(Users)
        }
        self._timers_queries = {by: timers_query(by) for by in BYS}

    def handlers(self) -> dict[Call, Handler]:
        return {READ_BREAKDOWN: self.breakdown}

    async def breakdown(self, request: web.Request) -> web.StreamResponse:
        values = values_of(request)
        by: By | None = values.get("by")
        if by is None:
            raise bad_parameter("by", f"is missing: it must be {' or '.join(BYS)}")
        is_range = "from" in values or "to" in values

        async def open_report(connection: Connection) -> Report:
            freshness = await self._calls.quality.freshness(connection)
            progress = await self._calls.quality.progress(connection)
            zone = progress.zone
            check_zone(values.get("tz"), zone)
            first, end = None, None
            if is_range:
                first, end = whole_days(values, now_of(freshness), zone, MOST_DAYS)
            query = self._queries[by, "active_in_days" if is_range else "online_now"]
            batches = select(connection, query, {"day_from": first, "day_to": end})
            rows = [row async for batch in batches for row in batch]
            timers = None
            if not is_range:
                query = self._timers_queries[by]
                timers = [row async for batch in select(connection, query, {}) for row in batch]
            shown = suppress(
                shown_breakdown(rows, by, timers),
                progress.min_group_size,
                size=lambda row: row["users"],
                merge=_merged,
            )
            return Report(
                Breakdown,
                BreakdownValue,
                one_batch(shown),
                self._calls.quality.fields(freshness),
                {
                    "by": by,
                    "since": None if first is None else str(first),
                    "to": None if end is None else str(end),
                    "tz": zone.key,
                    "users": rows[0]["total"] if rows else 0,
                },
            )

        return await self._calls.reports.answer(
            request, "breakdown", open_report, reads_everybody=True
        )


def breakdown_query(by: By, users: Users) -> bytes:
    """The query; of those active it has the parameters ``day_from`` and ``day_to``."""
    queries = load_queries("api.analytics", "breakdown.sql")
    return filled(queries["breakdown"], users=queries[users], value=queries[by])


def timers_query(by: By) -> bytes:
    """Running timers of devices online."""
    queries = load_queries("api.analytics", "breakdown.sql")
    return filled(queries["running_timers"], value=queries[by])


def shown_breakdown(rows: list[Row], by: By, timers: list[Row] | None) -> list[Row]:
    """The queries' rows as answers have them; ``timers`` is ``None`` where they are not counted. A
    device counts under its own value, which need not be that of its user."""
    running = None if timers is None else {row["value"]: row["devices"] for row in timers}
    listed = {row["value"] for row in rows if row["place"] != OTHER_PLACE}
    return [_shown(row, listed, running) for row in _in_order(rows, by)]


def _merged(rows: list[Row]) -> Row:
    return {
        "value": SUPPRESSED,
        "users": added(rows, "users"),
        "share": round(sum(row["share"] for row in rows), 4),
        "timers_run_on": added(rows, "timers_run_on"),
    }


def _in_order(rows: list[Row], by: By) -> list[Row]:
    if by != "app_version":
        return rows
    known = [row for row in rows if row["value"] is not None]
    rest = [row for row in rows if row["value"] is None]  # unknown, then the others
    return sorted(known, key=lambda row: version_key(row["value"]), reverse=True) + rest


def _shown(row: Row, listed: set[str | None], running: dict[str | None, int] | None) -> Row:
    is_other = row["place"] == OTHER_PLACE
    timers = None
    if running is not None:
        timers = sum(
            devices
            for value, devices in running.items()
            if (value not in listed if is_other else value == row["value"])
        )
    return {
        "value": OTHER if is_other else row["value"],
        "users": row["users"],
        "share": share(row["users"], row["total"]),
        "timers_run_on": timers,
    }
