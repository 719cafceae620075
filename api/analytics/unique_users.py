"""Unique users by screen: HyperLogLog sketches, merged (design, section 7).

A sketch holds the users who began a visit on the screen in that UTC hour, or day of the reporting
zone; its relative standard error is 1.6 %. Those under one month's key merge into one number; of
several keys, and of rows whose sketch was dropped, there are bounds. Merged one screen after the
other, as they are read: memory is that of one screen.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from api.postgres.batches import CursorBatches
from api.postgres.database import Connection
from schemas.measures.sketches import Users, UserSets

_BATCH: Final = 256


async def unique_users(
    connection: Connection, query: bytes, parameters: Mapping[str, Any]
) -> AsyncIterator[tuple[str, dict[int, Users]]]:
    """Of every screen that has any, how many by number of bucket; in a transaction."""
    found: dict[int, UserSets] = {}
    current: str | None = None
    cursor = connection.cursor("sketches", binary=True)
    async for batch in CursorBatches(cursor, query, parameters, _BATCH):
        for screen, bucket, month, sketch, at_least, at_most in batch:
            if screen != current:
                if current is not None:
                    yield current, _users(found)
                current, found = screen, {}
            if bucket not in found:
                found[bucket] = UserSets()
            found[bucket].add(month, sketch, Users(at_least, at_most))
    if current is not None:
        yield current, _users(found)


async def top_screens(
    connection: Connection, query: bytes, parameters: Mapping[str, Any], limit: int
) -> list[str]:
    """The screens with the most unique users for certain, and of equals with the most at most, over
    the one bucket that ``parameters`` say."""
    best: list[tuple[Users, int, str]] = []
    place = 0
    async for screen, found in unique_users(connection, query, parameters):
        place -= 1  # of equals the first by name stays
        [users] = found.values()
        heapq.heappush(best, (users, place, screen))
        if len(best) > limit:
            heapq.heappop(best)
    return [screen for _, _, screen in sorted(best, reverse=True)]


def _users(found: Mapping[int, UserSets]) -> dict[int, Users]:
    return {bucket: sets.users() for bucket, sets in found.items()}
