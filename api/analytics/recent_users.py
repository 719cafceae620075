"""Unique users of a short range of late, by screen: counted one by one, not estimated.

Sketches are made of whole hours, half an hour after them. Whoever looks at the last hour wants to
know now. So a range of two hours at most is counted from changes, where few enough visits began in
it for a second to be enough; a larger fleet waits for the sketch.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from api.periods.ranges import DAY, HOUR, Range
from api.periods.rollups import Progress, bucket_parameters, parts_of
from api.postgres.database import Connection
from schemas.database.named_queries import load_queries
from schemas.measures.sketches import Users

LONGEST: Final = 2 * HOUR
#: Visits that are counted one by one: what half a second is enough for.
MOST_VISITS: Final = 200_000
#: Changes are kept for days; sketches are hours behind at most.
OLDEST: Final = DAY


class RecentUsers:
    """Reads them; in a transaction of the connection's."""

    def __init__(self) -> None:
        self._query = load_queries("api.analytics", "screens.sql")["recent_users"]

    async def by_screen(
        self, connection: Connection, asked: Range, progress: Progress
    ) -> dict[str, Users] | None:
        """Of every screen that has any, over the range as a whole; ``None``: not to be counted."""
        if progress.is_of_a_federation or not _is_recent(asked, progress):
            return None
        parameters: dict[str, Any] = {
            **parts_of(asked, progress).parameters(),
            **bucket_parameters(asked),
            "screens": None,
            "from": asked.start,
            "to": asked.end,
            "most": MOST_VISITS,
        }
        cursor = await connection.execute(self._query, parameters)
        rows = await cursor.fetchall()
        if rows[0][0] > MOST_VISITS:
            return None
        return {screen: Users(users, users) for _, screen, users in rows if screen is not None}


def _is_recent(asked: Range, progress: Progress) -> bool:
    is_late = progress.hours is None or asked.start >= progress.hours - OLDEST
    return is_late and timedelta() < asked.end - asked.start <= LONGEST
