"""Share links in PostgreSQL, and what they show: each read once for all who look at the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from psycopg.rows import class_row, dict_row

from api.analytics.answers.over_time import BreakdownBy as By
from api.analytics.breakdown import OTHER, breakdown_query, shown_breakdown
from api.analytics.screens import screens_now_query
from api.freshness import Freshness
from api.http.documents import Row
from api.managed.store import ManagedStore
from api.postgres.database import Connection, Database
from api.postgres.shared_read import SharedRead
from api.quality import Quality
from api.sharing.link import MAX_LINKS, Listed, OpenLink, opened
from api.sharing.screens import told_apart, values_apart
from schemas.database.named_queries import load_queries
from schemas.managed.manager import Manager

#: A link that another process made or ended counts so soon.
SHARED_SECONDS: Final = 1.0
#: What is shown reads everybody who is online: of the database's time no more than a tenth.
TIMES: Final = 10.0
MIX: Final[tuple[By, ...]] = ("app_version", "platform")
#: Names that are looked at; the log has 200 of each partition.
MOST_SCREENS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Of one moment. ``screens`` are those told apart; beside them there are ``others``, with
    ``others_foreground`` users. ``mix``: by version and by platform those told apart, and the users
    of all others."""

    freshness: Freshness
    screens: list[Row]
    others: int
    others_foreground: int
    mix: dict[By, tuple[list[Row], int]]


class ShareStore(ManagedStore[Listed]):
    """Raises ``ProblemError`` as :class:`Database` does."""

    def __init__(self, database: Database, quality: Quality) -> None:
        super().__init__(
            database, "share_links", Listed, load_queries("api.sharing", "queries.sql")
        )
        self._quality = quality
        self._screens = screens_now_query()
        self._links = SharedRead(self._read_links, SHARED_SECONDS)
        self.snapshot: Final = SharedRead(self._read_snapshot, SHARED_SECONDS, times=TIMES)
        self._mix = {by: breakdown_query(by, "online_now") for by in MIX}

    async def open(self, token: str) -> OpenLink:
        """Raises ``ProblemError`` with code ``not_found`` too."""
        return opened(await self._links.get(), token, datetime.now(UTC))

    async def make(self, row: Mapping[str, object]) -> datetime | None:
        """When it ends; ``None``: there are as many as may be."""
        if not await self.create(row):
            return None

        async def read(connection: Connection) -> datetime:
            found = await (await connection.execute(self._queries["ends"], row)).fetchone()
            assert found is not None  # noqa: S101  (it was just made)
            ends: datetime = found[0]
            return ends

        ends = await self._database.read(self._name, read)
        self._links.forget()
        return ends

    async def end(self, link_id: str, by: Manager) -> bool:
        """Whether there was one."""
        is_ended = await self.delete(link_id, by)
        self._links.forget()
        return is_ended

    async def _read_links(self) -> dict[bytes, OpenLink]:
        async def read(connection: Connection) -> list[OpenLink]:
            async with connection.cursor(row_factory=class_row(OpenLink)) as cursor:
                # Those who make links at one moment do not see each other.
                await cursor.execute(self._queries["open"], {"most": 2 * MAX_LINKS})
                return await cursor.fetchall()

        links = await self._database.read(self._name, read)
        return {link.token_hash: link for link in links}

    async def _read_snapshot(self) -> Snapshot:
        async def read(connection: Connection) -> Snapshot:
            async with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(self._queries["one_moment"])
                freshness = await self._quality.freshness(connection)
                least = (await self._quality.progress(connection)).min_group_size
                await cursor.execute(self._screens, {"limit": MOST_SCREENS})
                rows = [row for row in await cursor.fetchall() if row["foreground"] > 0]
                shown = told_apart(rows, least)
                rest = _users(rows) - _users(shown)
                mix: dict[By, tuple[list[Row], int]] = dict.fromkeys(self._mix, ([], 0))
                # A federation has no people to tell what they use.
                told = {} if freshness.members_away is not None else self._mix
                for by, query in told.items():
                    await cursor.execute(query)
                    values = shown_breakdown(await cursor.fetchall(), by, None)
                    mix[by] = values_apart(values, least, OTHER)
                return Snapshot(freshness, shown, len(rows) - len(shown), rest, mix)

        return await self._database.read("shared_live", read)


def _users(rows: list[Row]) -> int:
    return sum(row["foreground"] for row in rows)
