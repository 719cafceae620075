"""The partitions that this process remembers, and what records make of them, before it is stored.

A partition is read from PostgreSQL when the first record of it comes, and a user who is offline
when an event of theirs does.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from processor.core.effects import Record
from processor.core.log.last_read import LastRead, require_same
from processor.core.model import Policy
from processor.core.partition import Partition
from processor.isolation import Refused
from processor.kafka.publisher import ChangePublisher
from processor.loading import load_partition
from processor.store.store import Store
from processor.watch.metrics import Metrics
from processor.watch.progress import Progress
from processor.work import RawRecord, Work, client_events, users_of
from schemas.log.events import UndecodableRecordError


class LogGapError(RuntimeError):
    """Records are missing between what is stored and what Kafka gave. Fatal: start again."""


class Reducer:
    """A cache of PostgreSQL at an offset boundary (design, section 6)."""

    def __init__(
        self,
        partitions: int,
        policy: Policy,
        store: Store,
        publisher: ChangePublisher,
        metrics: Metrics,
        progress: Progress,
    ) -> None:
        self._partitions = partitions
        self._policy = policy
        self._store = store
        self._publisher = publisher
        self._metrics = metrics
        self._progress = progress
        self.loaded: dict[int, Partition] = {}
        #: Of each loaded partition the record before its next one, where it is known.
        self.last_reads: dict[int, LastRead] = {}

    async def reduce(self, records: Sequence[RawRecord], refused: Refused) -> list[Work]:
        """Apply the records to the partitions in memory; a replayed record drops out."""
        for partition in dict.fromkeys(raw.partition for raw in records):
            if partition not in self.loaded:
                await self.load(partition)
        stages = self._metrics.stage_seconds
        works: dict[int, Work] = {}
        decoded: list[tuple[Work, RawRecord, Record | UndecodableRecordError]] = []
        expected: dict[int, int] = {}
        for raw in records:
            state = self.loaded[raw.partition]
            wanted = expected.get(raw.partition, state.next_offset)
            if raw.offset < wanted:
                self._drop(raw)
                continue
            if raw.offset > wanted:
                self._metrics.gaps.inc()
                raise LogGapError(
                    f"partition {raw.partition}: offset {wanted} is next, Kafka gave {raw.offset}"
                )
            expected[raw.partition] = raw.offset + 1
            work = works.setdefault(raw.partition, Work(state, state.next_offset, raw))
            work.last = raw
            work.latest_ms = max(work.latest_ms, raw.timestamp_ms)
            work.records += 1
            record = raw.decoded(refused.events)
            if isinstance(record, Record):
                work.named.update(users_of(record))
                if count := client_events(record.events):
                    work.appended.append((raw.timestamp_ms, count))
            decoded.append((work, raw, record))
        stages["decode"].observe(sum(raw.decode_seconds for raw in records))
        loading = time.perf_counter()
        await self._remember(works.values())
        await self._look_elsewhere(works.values())
        reducing = time.perf_counter()
        stages["load"].observe(reducing - loading)
        for work, raw, record in decoded:
            work.hold_back(raw, refused.users)
            if isinstance(record, Record):
                work.state.apply(record, work.effects)
            else:
                work.state.skip(
                    raw.offset, str(record), raw.value or b"", raw.timestamp_ms, work.effects
                )
        stages["reduce"].observe(time.perf_counter() - reducing)
        self._progress.made()
        return list(works.values())

    async def load(self, partition: int) -> None:
        """Remember a partition from now on."""
        with self._metrics.partition_load_seconds.time():
            state, last_read = await load_partition(
                partition,
                self._partitions,
                self._policy,
                self._store,
                self._publisher,
                self._metrics,
            )
        self._progress.made()
        self.loaded[partition] = state
        if last_read is not None:
            self.last_reads[partition] = last_read

    def forget(self) -> None:
        """Everything: what is needed is read again."""
        self.loaded.clear()
        self.last_reads.clear()

    def _drop(self, raw: RawRecord) -> None:
        """A record that was processed before; the last one of them must still be the same."""
        stored = self.last_reads.get(raw.partition)
        if stored is not None and stored.offset == raw.offset:
            require_same(raw.partition, stored, raw.seen())
        else:
            self._metrics.replays.inc()

    async def _remember(self, works: Iterable[Work]) -> None:
        # Who was written to another partition than theirs is refused there, not remembered.
        absent = {
            name: work.state
            for work in works
            for name in work.named
            if name not in work.state.users and work.state.is_home_of(name)
        }
        if absent:
            for user, log_offset in await self._store.load_users(absent):
                absent[user.user_id].remember(user, log_offset)

    async def _look_elsewhere(self, works: Iterable[Work]) -> None:
        """Where a day ends: which screens the other partitions showed on it."""
        for work in works:
            names = work.state.screen_names
            ended_day = names.ended_day(work.latest_ms)
            if ended_day is not None:
                users = await self._store.shown_elsewhere(work.state.partition, ended_day)
                names.showed_elsewhere(ended_day, users)
