"""What ``processor/store/store.py`` does with PostgreSQL, in memory: the conditions, not the SQL.

``tests/integration/processor/test_store_in_memory.py`` runs one script on both. Outages, clock
steps and privacy events are left out: no test that uses this has any.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from processor.core.analytics.screen_names import MINUTE_MS, ScreenNames
from processor.core.changes import published_change
from processor.core.log.last_read import LastRead
from processor.core.model import Policy, User
from processor.core.outage import Grace, Silence
from processor.core.privacy import Privacy
from processor.store.batch import Batch, Row, copies, window_rows
from processor.store.presence_row import PresenceRow, SignOfLifeRow, user_of_row
from processor.store.store import FenceLostError, Store
from processor.store.stored import Stored
from schemas.log.changes import Change
from schemas.log.privacy_flags import Flag

T = TypeVar("T")

#: What a batch copies that is only ever inserted.
_INSERTED = ("copy_changes", "copy_spans", "copy_sessions", "copy_user_days")


@dataclass(frozen=True, slots=True)
class Stands:
    """A row of ``stream_offsets``."""

    next_offset: int
    published_through: int
    log_time_ms: int | None = None
    foreground: int = 0
    background: int = 0
    policy: str | None = None
    graces: str = "[]"
    silence: str | None = None
    last_read: str | None = None


@dataclass(frozen=True, slots=True)
class Copied:
    """A batch on its way to the database: nothing that the processor still changes."""

    rows: dict[str, list[Row]]
    minutes: list[tuple[Any, ...]]
    live_screens_anew: list[int]
    live_screens: list[tuple[Any, ...]]


def copied(batches: Sequence[Batch]) -> Copied:
    windows = window_rows(batches)
    return Copied(
        {name: list(rows) for name, _, rows in copies(batches)},
        windows.minutes,
        windows.live_screens_anew,
        windows.live_screens,
    )


@dataclass
class Database:
    """The tables. ``minutes`` are sums of views and visits, to which a batch adds."""

    stands: dict[int, Stands]
    presence: dict[str, PresenceRow] = field(default_factory=dict)
    inserted: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in _INSERTED})
    minutes: dict[tuple[Any, ...], tuple[int, int]] = field(
        default_factory=lambda: defaultdict(lambda: (0, 0))
    )
    live_screens: dict[int, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))

    def is_as_expected(self, partition: int, expected_offset: int) -> bool:
        """The offset fence of ``apply_batch`` in queries.sql."""
        return self.stands[partition].next_offset == expected_offset

    def apply(self, batch: Copied) -> None:
        """All of it, or raise :class:`FenceLostError`."""
        offsets = batch.rows["copy_offsets"]
        for partition, expected_offset, *_ in offsets:
            if not self.is_as_expected(partition, expected_offset):
                raise FenceLostError(f"partition {partition} is not at {expected_offset}")
        for partition, _, next_offset, log_time_ms, published_through, *others in offsets:
            most = max(self.stands[partition].published_through, published_through)
            self.stands[partition] = Stands(next_offset, most, log_time_ms, *others)
        for row in batch.rows["copy_presence"]:
            presence = PresenceRow._make(row)
            self.presence[presence.user_id] = presence
        for row in batch.rows["copy_signs_of_life"]:
            heard = SignOfLifeRow._make(row)._asdict()
            if heard["timer"] is None:
                del heard["timer"]
            self.presence[heard["user_id"]] = self.presence[heard["user_id"]]._replace(**heard)
        for name in _INSERTED:
            self.inserted[name] += batch.rows[name]
        for minute_ms, partition, screen, views, visits, *_ in batch.minutes:
            before = self.minutes[minute_ms, partition, screen]
            self.minutes[minute_ms, partition, screen] = (before[0] + views, before[1] + visits)
        for partition in batch.live_screens_anew:
            self.live_screens[partition].clear()
        for partition, screen, users in batch.live_screens:
            self.live_screens[partition].pop(screen, None)
            if users:
                self.live_screens[partition][screen] = users

    def changes(self, partition: int) -> list[Row]:
        """In the order of the log."""
        rows = [row for row in self.inserted["copy_changes"] if row[1] == partition]
        return sorted(rows, key=lambda row: row[2:5])

    def with_what_was_shown_before(self, partition: int) -> list[Row]:
        """As ``unpublished_changes`` in queries.sql has them."""
        shown: dict[str, tuple[Any, ...]] = {}
        found = []
        for row in self.changes(partition):
            user = row[5]
            found.append(
                (*row[2:5], row[0], *row[5:16], row[16] or "[]", *shown.get(user, (None, None)))
            )
            shown[user] = row[12:14]
        return found


async def _in_chunks(users: list[tuple[User, int]]) -> AsyncIterator[list[tuple[User, int]]]:
    for begin in range(0, len(users), 2):
        yield users[begin : begin + 2]


class StoreInMemory(Store):
    """A connection to ``database``. What it asks goes through :meth:`ask`."""

    def __init__(self, database: Database) -> None:
        super().__init__("")
        self.database = database

    async def ask(self, what: str, question: Callable[[], T]) -> T:
        """Let the database do it: at once, here."""
        return question()

    async def close(self) -> None:
        pass

    @asynccontextmanager
    async def load(self, partition: int) -> AsyncIterator[Stored]:
        yield await self.ask("load", lambda: self._stored(partition))

    def _stored(self, partition: int) -> Stored:
        row = self.database.stands[partition]
        decode = msgspec.json.decode
        online = [
            user_of_row(user)
            for user in self.database.presence.values()
            if user.partition == partition and user.state != "offline"
        ]
        return Stored(
            next_offset=row.next_offset,
            log_time_ms=row.log_time_ms,
            steps=[],
            published_through=row.published_through,
            policy=decode(row.policy, type=Policy) if row.policy is not None else None,
            graces=decode(row.graces, type=list[Grace]),
            silence=decode(row.silence, type=Silence) if row.silence is not None else None,
            last_read=decode(row.last_read, type=LastRead) if row.last_read is not None else None,
            after_loss=False,
            online=_in_chunks(online),
            live_screens=dict(self.database.live_screens[partition]),
            screen_names=ScreenNames((row.log_time_ms or 0) // MINUTE_MS * MINUTE_MS),
            privacy=Privacy(),
        )

    async def load_users(self, user_ids: Iterable[str]) -> list[tuple[User, int]]:
        names = list(user_ids)
        return await self.ask(
            "load users",
            lambda: [
                user_of_row(self.database.presence[name])
                for name in names
                if name in self.database.presence
            ],
        )

    async def unpublished(self, partition: int, through: int, below: int) -> list[Change]:
        return await self.ask(
            "read unpublished changes",
            lambda: [
                published_change(partition, row)
                for row in self.database.with_what_was_shown_before(partition)
                if through <= row[0] < below
            ],
        )

    async def unpublished_flags(self, partition: int, through: int, below: int) -> list[bytes]:
        return []

    async def flags(self, user_hashes: Iterable[bytes]) -> list[tuple[bytes, Flag]]:
        return []

    async def commit(self, batches: Sequence[Batch], *, probe: bool = False) -> float:
        batch = copied(batches)
        if not probe:
            await self.ask("commit", lambda: self.database.apply(batch))
        return 0.0
