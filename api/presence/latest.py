"""Who was heard of last, without joining everybody: two scans of what each table knows by itself.

Of a user the newer of two rows is believed (``current_presence``), so a list by last activity
joined all of both, which took three times as long as reading them. Whoever was heard of after some
instant is found in ``signs_of_life`` or in ``presence`` with a time of their own after it: so the
latest rows of the narrow table tell an instant, and those after it by either table are looked up
one by one. Where they are no whole page (another row of them was newer, or signs of life are kept
together with the rest) the list is read as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from api.postgres.database import Connection
from api.presence.filters import UserFilter
from api.presence.rows import UserRow

#: Narrow rows for each user of a page: the others are of users who changed since, or offline.
ROWS_FOR_A_USER: Final = 4


def may_be_found(wanted: UserFilter) -> bool:
    """Whether nearly all whom the narrow table tells of are in the list."""
    return wanted.sort == "-last_active" and wanted.is_a_state and wanted.state != "background"


async def latest_users(
    connection: Connection, heard_last: bytes, heard_since: bytes, parameters: Mapping[str, object]
) -> list[UserRow] | None:
    """A page of them by these queries; ``None`` if it must be read from the list as a whole.
    ``parameters`` are those of the list; ``limit`` of them is that of the page."""
    limit = parameters["limit"]
    assert isinstance(limit, int)  # noqa: S101
    heard = limit * ROWS_FOR_A_USER
    cursor = await connection.execute(heard_last, {**parameters, "heard": heard})
    rows: list[tuple[str, datetime]] = await cursor.fetchall()
    if len(rows) < heard:
        return None
    found = {
        **parameters,
        "heard_ids": [user_id for user_id, _ in rows],
        # Of those heard of at this very instant some may be missing.
        "since": rows[-1][1],
    }
    async with connection.cursor(row_factory=class_row(UserRow)) as users:
        await users.execute(heard_since, found)
        page = await users.fetchall()
    return page if len(page) == limit else None
