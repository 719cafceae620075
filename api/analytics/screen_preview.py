"""What rules would make of the names of screens that have arrived: for the page and the command.

Read are the latest visits that are over, so many of them at most, and of their names the most
visited: what a preview costs does not grow with the fleet.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.rows import dict_row

from api.postgres.pool import Connection
from schemas.database.named_queries import load_queries
from schemas.log.screen_rules import ScreenRules

MAX_VISITS: Final = 200_000
MAX_NAMES: Final = 10_000
#: Names that are told of each screen that several become.
EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class Becomes:
    """One screen as it would be: how many ``names`` become it, and what they had together.
    ``folded`` unless its only name stays as it is; ``examples`` are its most visited names."""

    screen: str
    folded: bool
    names: int
    visits: int
    users: int
    examples: list[str]


@dataclass(frozen=True, slots=True)
class Preview:
    """``since`` is when the first of the ``visits`` that were looked at was over, ``None`` without
    any. ``names`` are theirs; of those that were too many, the least visited, no screen tells.
    ``screens``: those that are folded first, by how many names become them; then those that stay,
    by visits."""

    since: datetime | None
    visits: int
    names: int
    screens: list[Becomes]

    @property
    def folded_names(self) -> int:
        return sum(each.names for each in self.screens if each.folded)


class ScreenPreview:
    """Reads previews."""

    def __init__(self) -> None:
        queries = load_queries("api.analytics", "screen_preview.sql")
        self._one_moment = queries["one_moment"]
        self._arrived = queries["arrived"]
        self._becomes = queries["becomes"]

    async def of(
        self,
        connection: Connection,
        rules: ScreenRules,
        *,
        most_visits: int = MAX_VISITS,
        most_names: int = MAX_NAMES,
    ) -> Preview:
        """The preview of ``rules``; in a transaction that has read nothing yet."""
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(self._one_moment)
            asked: dict[str, Any] = {"visits": most_visits, "names": most_names}
            await cursor.execute(self._arrived, asked)
            arrived = await cursor.fetchall()
            if not arrived:
                return Preview(None, 0, 0, [])
            fold = rules.folder()
            names = [row["screen"] for row in arrived]
            # In a thread: many names, and others wait for the loop.
            becomes = await asyncio.to_thread(lambda: [fold(name) for name in names])
            await cursor.execute(self._becomes, {**asked, "arrived": names, "becomes": becomes})
            found = await cursor.fetchall()
        examples: dict[str, list[str]] = {}
        for name, screen in zip(names, becomes, strict=True):
            some = examples.setdefault(screen, [])
            if len(some) < EXAMPLES:
                some.append(name)
        screens = [
            Becomes(**row, folded=some != [row["screen"]], examples=some)
            for row in found
            if (some := examples[row["screen"]])
        ]
        first = arrived[0]
        return Preview(
            first["since"],
            first["visits_total"],
            first["names"],
            sorted(screens, key=lambda each: not each.folded),
        )
