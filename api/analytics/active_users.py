"""``/api/v1/active-users``: who was in the foreground, by day of the reporting zone. Exact.

New users are those whose first day it is; the others return. Weekly and monthly are the distinct
users of the 7 and 30 days that end with the day; they are known once the day is rolled up. A day
that is not over is marked incomplete.
"""

from __future__ import annotations

from aiohttp import web

from api.analytics.answers.over_time import ActiveUsers, ActiveUsersDay
from api.analytics.days import check_zone, whole_days
from api.analytics.described.over_time import LIST_ACTIVE_USERS
from api.http.call import Call
from api.http.collaborators import Collaborators
from api.http.documents import Report, Row, select, shaped
from api.http.door import Handler
from api.http.routes import values_of
from api.periods.ranges import DAY, day_start, local_date
from api.postgres.database import Connection
from api.quality import now_of
from schemas.database.named_queries import load_queries


class ActiveUserCalls:
    """The handler."""

    def __init__(self, calls: Collaborators) -> None:
        self._calls = calls
        self._active_users = load_queries("api.analytics", "active_users.sql")["active_users"]

    def handlers(self) -> dict[Call, Handler]:
        return {LIST_ACTIVE_USERS: self.active_users}

    async def active_users(self, request: web.Request) -> web.StreamResponse:
        values = values_of(request)

        async def open_report(connection: Connection) -> Report:
            freshness = await self._calls.quality.freshness(connection)
            progress = await self._calls.quality.progress(connection)
            zone = progress.zone
            check_zone(values.get("tz"), zone)
            now = now_of(freshness)
            first, end = whole_days(values, now, zone)
            rolled_to = first
            if progress.days is not None:
                rolled_to = max(first, min(end, local_date(progress.days, zone)))
            parameters = {
                "day_from": first,
                "rolled_to": rolled_to,
                "day_to": end,
                "last_day": min(end - DAY, local_date(now, zone)),
            }

            def shape(row: Row) -> Row:
                day_end = day_start(row["day"] + DAY, zone)
                complete = freshness.as_of is not None and freshness.as_of >= day_end
                return _row(row, complete=complete)

            return Report(
                ActiveUsers,
                ActiveUsersDay,
                shaped(select(connection, self._active_users, parameters), shape),
                self._calls.quality.fields(freshness),
                {"since": str(first), "to": str(end), "tz": zone.key},
            )

        return await self._calls.reports.answer(request, "active_users", open_report)


def _row(row: Row, *, complete: bool) -> Row:
    return {
        "day": str(row["day"]),
        "active": row["active"],
        "new": row["new"],
        "returning": row["active"] - row["new"],
        "weekly_active": row["weekly_active"],
        "monthly_active": row["monthly_active"],
        "complete": complete,
    }
