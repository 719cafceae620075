"""What the feed tells, read from PostgreSQL: what is cheap every time, the rest at its own pace."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from psycopg.rows import dict_row

from api.analytics.answers.over_time import BreakdownBy as By
from api.analytics.breakdown import OTHER, breakdown_query, shown_breakdown, timers_query
from api.analytics.peaks import PeaksQuery
from api.analytics.screens import screens_now_query
from api.feed.answers import (
    FeedChange,
    FeedFleet,
    FeedFreshness,
    FeedMix,
    FeedOnline,
    FeedOutage,
    FeedScreen,
    FeedScreens,
    FeedValue,
)
from api.feed.minute import MINUTE, Minute, Movement
from api.feed.pace import Pace
from api.freshness import Freshness
from api.http.documents import Row
from api.periods.instants import rfc3339
from api.postgres.database import Connection, Database
from api.quality import Quality
from api.settings import ApiSettings
from schemas.database.named_queries import load_queries

#: Changes that a read looks at, at most: some 50 ms of PostgreSQL's time.
MOST_CHANGES: Final = 10_000
#: Those of them that are shown.
SHOWN_CHANGES: Final = 20
SCREENS: Final = 20
#: What users use, and how many values of it are told.
MIX: Final[tuple[By, ...]] = ("app_version", "platform")
VALUES: Final = 8
#: What is read at its own pace; ``None`` until then.
SLOW_SECTIONS: Final = ("fleet", "screens", "mix", "peaks")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Section: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """A new state: sections by name, and the changes shown of all that there were, oldest first."""

    sections: dict[str, Any]
    changes: list[FeedChange]
    changed: int


@dataclass(frozen=True, slots=True)
class _Found:
    """``is_new``: what was read before does not go on here."""

    sections: dict[str, Any]
    movement: Movement | None = None
    is_new: bool = True
    changes: list[FeedChange] = field(default_factory=list)
    changed: int = 0


class FeedReader:
    """Reads for one run at a time. ``clock`` is monotonic seconds."""

    def __init__(
        self,
        database: Database,
        quality: Quality,
        settings: ApiSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._quality = quality
        self._settings = settings
        self._clock = clock
        queries = load_queries("api.feed", "queries.sql")
        self._pulse, self._outage = queries["pulse"], queries["last_outage"]
        self._changes, self._one_moment = queries["changes"], queries["one_moment"]
        self._screens_query = screens_now_query()
        self._mix_queries = {
            by: (breakdown_query(by, "online_now"), timers_query(by)) for by in MIX
        }
        self._peaks_query = PeaksQuery()
        self._slow: dict[str, tuple[Pace, Callable[[Connection], Awaitable[Section]]]] = {
            "fleet": (Pace(least_seconds=1.0), self._fleet),
            "peaks": (Pace(least_seconds=10.0), self._peaks),
        }
        self._slow_sections: Section = dict.fromkeys(SLOW_SECTIONS)
        self._minute = Minute()
        self._read_through: datetime | None = None

    def begin(self, *, anew: bool) -> None:
        """Reads begin after a pause. ``anew``: nothing was told yet."""
        if anew:
            self._minute.clear()
            self._read_through = None
            self._slow_sections = dict.fromkeys(SLOW_SECTIONS)
        for pace, _ in self._slow.values():
            pace.at_once()

    async def read(self) -> Reading:
        """The state now. Raises ``ProblemError`` as :class:`Database` does."""
        found = await self._database.read("feed", self._read)
        # Not before: what is broken off was not told, and is read again.
        if found.movement is not None:
            if found.is_new:
                self._minute.clear()
            self._read_through = found.movement.through
            self._minute.add(found.movement)
        sections = {**found.sections, "movement": self._minute.told(), **self._slow_sections}
        return Reading(sections, found.changes, found.changed)

    async def read_slow(self) -> None:
        """Read what is due of that which costs as much as the fleet is large: :meth:`read` tells it
        from then on. What takes PostgreSQL too long stays what it was, which its ``as_of`` tells.
        Raises as :meth:`read`."""
        for name, (pace, work) in self._slow.items():
            started = self._clock()
            if not pace.is_due(started):
                continue
            try:
                self._slow_sections |= await self._database.read(f"feed_{name}", work)
            finally:
                pace.took(started, self._clock())

    async def _read(self, connection: Connection) -> _Found:
        freshness = await self._quality.freshness(connection)
        row = await _one(connection, self._pulse)
        assert row is not None  # noqa: S101  (an aggregate without GROUP BY has one row)
        sections = {
            "freshness": FeedFreshness(
                **self._quality.fields(freshness),
                age_seconds=freshness.age_seconds,
                read_at=rfc3339(freshness.read_at),
                window_seconds=freshness.window_seconds(self._settings.offline_after_seconds),
                stale_after_seconds=self._settings.stale_after_seconds,
                interval_seconds=self._settings.feed_interval_seconds,
            ),
            "online": FeedOnline(**_online(freshness)),
            "anyone": row["anyone"],
            "outage": await self._read_outage(connection, row),
        }
        # Whoever comes and goes is known to a federation's members, and to them alone.
        if freshness.as_of is None or freshness.members_away is not None:
            return _Found(sections)
        return await self._read_changes(connection, sections, freshness.as_of)

    async def _read_changes(
        self, connection: Connection, sections: dict[str, Any], as_of: datetime
    ) -> _Found:
        """Those since the last read. Everything up to ``as_of`` is complete, nothing after it."""
        after = self._read_through
        # Log time may have stepped back (design, section 2), or have caught up.
        is_new = after is None or not as_of - MINUTE <= after <= as_of
        if after is None or is_new:
            after = as_of - MINUTE
        parameters = {
            "after": after,
            "through": as_of,
            "most": MOST_CHANGES,
            "sample": SHOWN_CHANGES,
        }
        rows = await _all(connection, self._changes, parameters)
        first = rows[0]
        movement = Movement(
            after=after,
            through=as_of,
            arrivals=first["arrivals"],
            departures=first["departures"],
            counted_from=first["first_at"] if first["total"] >= MOST_CHANGES else None,
        )
        changes = [_shown(row) for row in rows if row["user_id"] is not None]
        return _Found(sections, movement, is_new, changes, first["total"])

    async def _read_outage(self, connection: Connection, pulse: Row) -> FeedOutage | None:
        """What keeps people online who are not heard of (promise 3)."""
        if pulse["outage_ms"] is not None:
            return FeedOutage(
                phase="lasting",
                kind="ticks_only",
                started_at=rfc3339(_time(pulse["outage_ms"])),
                ended_at=None,
                held_until=rfc3339(_time(pulse["held_ms"])),
            )
        if pulse["grace_ms"] is None:
            return None
        last = await _one(connection, self._outage) or {}
        return FeedOutage(
            phase="grace",
            kind=last.get("kind"),
            started_at=rfc3339(last.get("started_at")),
            ended_at=rfc3339(last.get("ended_at")),
            held_until=rfc3339(_time(pulse["grace_ms"])),
        )

    async def _fleet(self, connection: Connection) -> Section:
        """Everything about who is online, of one moment: sums are those of what is beside them.
        The processor writes counts and users in one transaction (promise 2)."""
        async with connection.transaction():
            await connection.execute(self._one_moment)
            freshness = await self._quality.freshness(connection)
            as_of = rfc3339(freshness.as_of)
            mix = None
            if freshness.members_away is None:
                values = {by: await self._values(connection, by) for by in MIX}
                mix = FeedMix(as_of=as_of, **values)
            return {
                "fleet": FeedFleet(as_of=as_of, **_online(freshness)),
                "screens": await self._screens(connection, as_of),
                "mix": mix,
            }

    async def _screens(self, connection: Connection, as_of: str | None) -> FeedScreens:
        rows = await _all(connection, self._screens_query, {"limit": SCREENS})
        first = rows[0] if rows else {"foreground_total": 0, "screens": 0}
        return FeedScreens(
            as_of=as_of,
            items=[
                FeedScreen(row["screen"], row["foreground"])
                for row in rows
                if row["foreground"] > 0
            ],
            foreground=first["foreground_total"],
            screens=first["screens"],
        )

    async def _values(self, connection: Connection, by: By) -> list[FeedValue]:
        """Versions newest first, platforms by users."""
        query, of_timers = self._mix_queries[by]
        timers = await _all(connection, of_timers)
        return _most(shown_breakdown(await _all(connection, query), by, timers), VALUES)

    async def _peaks(self, connection: Connection) -> Section:
        freshness = await self._quality.freshness(connection)
        progress = await self._quality.progress(connection)
        partitions = await self._peaks_query.partitions(connection)
        return {
            "peaks": await self._peaks_query.read(
                connection, progress.zone, freshness, progress, partitions
            )
        }


def _online(freshness: Freshness) -> dict[str, int]:
    return {
        "count": freshness.foreground + freshness.background,
        "foreground": freshness.foreground,
        "background": freshness.background,
    }


async def _all(
    connection: Connection, query: bytes, parameters: dict[str, Any] | None = None
) -> list[Row]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, parameters)
        return await cursor.fetchall()


async def _one(connection: Connection, query: bytes) -> Row | None:
    rows = await _all(connection, query)
    return rows[0] if rows else None


def _most(items: list[Row], most: int) -> list[FeedValue]:
    """Those with most users, in the order that they have, and all others together."""
    by_users = sorted(
        (item for item in items if item["value"] != OTHER), key=lambda item: -item["users"]
    )
    told = {id(item) for item in by_users[:most]}
    counted = ("users", "timers_run_on")
    kept = [
        FeedValue(item["value"], **{name: item[name] for name in counted})
        for item in items
        if id(item) in told
    ]
    rest = [item for item in items if id(item) not in told]
    if not rest:
        return kept
    return [*kept, FeedValue(OTHER, **{name: sum(i[name] for i in rest) for name in counted})]


def _shown(row: Row) -> FeedChange:
    told = {name: row[name] for name in FeedChange.__struct_fields__}
    return FeedChange(**{**told, "at": rfc3339(row["at"])})


def _time(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)
