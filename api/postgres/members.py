"""The members of a federation: whether each answers (docs/federation.md).

A foreign table of a member that is away fails a whole query, after it has waited for a connection.
So nobody asks one that is known to be away: each process of the API looks at them all, and
PostgreSQL remembers what it found for every session. A query that meets one that has just gone has
all of them looked at, and is asked again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import Final

import psycopg

from api.metrics import ApiMetrics
from api.postgres.database import Connection, Database
from schemas.database.named_queries import load_queries
from schemas.http.problems import ProblemError

#: Between looks at a member that is here, and at one that is away: that may take two seconds.
LOOK_SECONDS: Final = 2.0
LOOK_AGAIN_SECONDS: Final = 5.0
#: Whether this is a federation is asked until PostgreSQL has said it once.
ASK_SECONDS: Final = 1.0
#: So many are looked at at a time: the rest of the pool is for callers.
_AT_ONCE: Final = 2

logger = logging.getLogger(__name__)


class Members:
    """Does nothing where the database is no federation."""

    def __init__(self, database: Database, metrics: ApiMetrics) -> None:
        self._database = database
        self._background = metrics.background
        self._queries = load_queries("api.postgres", "members.sql")
        self._is_here: dict[int, bool] = {}
        self._due: dict[int, float] = {}
        self._names: dict[int, str] = {}
        self._watching: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._is_federation = False

    def watch(self) -> None:
        """Begin to look."""
        self._database.on_lost = self.look_now
        self._watching = asyncio.create_task(self._watch(), name="members")

    async def close(self) -> None:
        tasks = [task for task in (self._watching, self._looking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def look_now(self) -> None:
        """At all that are taken to be here; once for everybody who asks meanwhile."""
        if not self._is_federation:
            return
        if self._looking is None or self._looking.done():
            here = [place for place, is_here in self._is_here.items() if is_here]
            self._looking = asyncio.create_task(self._look_at(here), name="members-now")
        await asyncio.shield(self._looking)

    async def _watch(self) -> None:
        if not await self._asked_whether():
            return
        while True:
            with self._background.goes_on("members"):
                await self._look_at_those_due()
            await asyncio.sleep(LOOK_SECONDS)

    async def _look_at_those_due(self) -> None:
        try:
            self._names = await self._database.read("members", self._places)
        except (ProblemError, psycopg.Error) as error:
            logger.info("The members were not read: %s", error)
        now = time.monotonic()
        self._due = {place: self._due.get(place, now) for place in self._names}
        self._is_here = {place: self._is_here.get(place, True) for place in self._names}
        await self._look_at([place for place, due in self._due.items() if due <= now])

    async def _asked_whether(self) -> bool:
        while True:
            with self._background.goes_on("members"), suppress(ProblemError):
                self._is_federation = await self._database.read("members", self._whether)
                # A plan is of the members that were here when it was made.
                self._database.keeps_plans = not self._is_federation
                return self._is_federation
            await asyncio.sleep(ASK_SECONDS)

    async def _look_at(self, places: list[int]) -> None:
        waiting = list(places)

        async def look() -> None:
            while waiting:
                await self._look(waiting.pop(0))

        await asyncio.gather(*(look() for _ in range(_AT_ONCE)))

    async def _look(self, place: int) -> None:
        async def look(connection: Connection) -> bool:
            row = await (await connection.execute(self._queries["look"], (place,))).fetchone()
            return row is not None and bool(row[0])

        try:
            is_here = await self._database.write("members", look, times=1)
        except (ProblemError, psycopg.Error) as error:
            logger.info("A member was not looked at: %s", error)
            return
        if is_here != self._is_here.get(place, True):
            name = self._names.get(place, str(place))
            logger.warning("Member %s %s", name, "answers again" if is_here else "is away")
        self._is_here[place] = is_here
        self._due[place] = time.monotonic() + (LOOK_SECONDS if is_here else LOOK_AGAIN_SECONDS)

    async def _places(self, connection: Connection) -> dict[int, str]:
        rows = await (await connection.execute(self._queries["places"])).fetchall()
        return dict(rows)

    async def _whether(self, connection: Connection) -> bool:
        row = await (await connection.execute(self._queries["whether"])).fetchone()
        return row is not None and bool(row[0])
