"""Batches of records: load, reduce, commit, publish (design, section 6). No Kafka consumer here.

What this process remembers is a cache of PostgreSQL at an offset boundary. Whatever goes wrong,
the cure is the same: forget everything, read it again and try the same records once more; those
that were committed after all are then below ``next_offset`` and drop out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

import psycopg

from processor.core.changes import change_of
from processor.core.effects import TIME_PASSED
from processor.core.log.last_read import LastRead
from processor.core.model import Policy
from processor.core.partition import Partition
from processor.isolation import Refused, store_without_culprits
from processor.kafka.publisher import ChangePublisher
from processor.kafka.publishing import Publishing
from processor.reducing import Reducer
from processor.store.store import FenceLostError, RefusedDataError, Store
from processor.watch.metrics import Metrics
from processor.watch.progress import Progress
from processor.work import RawRecord, Work
from schemas.database.sqlstates import Meaning, meaning_of, told

log = logging.getLogger(__name__)

FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 5.0


class Pipeline:
    """One batch at a time. ``generation`` is the consumer group's: what was loaded in another one
    is not trusted."""

    def __init__(
        self,
        partitions: int,
        policy: Policy,
        store: Store,
        publisher: ChangePublisher,
        metrics: Metrics,
        progress: Progress,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._metrics = metrics
        self._progress = progress
        metrics.topic_partitions.set(partitions)
        self._sleep = sleep
        self._reducer = Reducer(partitions, policy, store, publisher, metrics, progress)
        self._generation: int | None = None
        #: Of a batch, or of a partition that is loaded ahead.
        self._turn = asyncio.Lock()
        self._publishing = Publishing(publisher, metrics)
        self._oldest_in_hand_ms: dict[int, int] = {}
        #: Why the last attempt failed; ``None`` while all is well.
        self.trouble: str | None = None

    async def close(self) -> None:
        """Publish what is committed, as far as that takes seconds."""
        await self._publishing.close()
        await self._store.close()

    def loaded(self, partition: int) -> Partition | None:
        """A partition that is loaded, up to the last record that was reduced."""
        return self._reducer.loaded.get(partition)

    def last_reads(self) -> dict[int, LastRead]:
        """The last record of each loaded partition that is stored, where it is known."""
        return dict(self._reducer.last_reads)

    def oldest_in_hand_ms(self, partition: int) -> int | None:
        """The broker's time of the first record that is being stored, if one is."""
        return self._oldest_in_hand_ms.get(partition)

    async def process(
        self, records: Sequence[RawRecord], generation: int, owned: Callable[[int], bool]
    ) -> None:
        """Store what the records do, exactly once; returns when that is durable.

        Tries again for as long as PostgreSQL is away. Records of partitions that are not ``owned``
        (any more) are skipped. Raises ``processor.reducing.LogGapError``,
        ``processor.core.log.last_read.TornLogError``,
        ``processor.isolation.RefusedRecordError``, or ``psycopg.Error`` for a fault of our own.
        """
        for record in records:
            self._oldest_in_hand_ms.setdefault(record.partition, record.timestamp_ms)
        try:
            async with self._turn:
                self._begin(generation)
                await self._store_all(records, owned)
        finally:
            self._oldest_in_hand_ms.clear()

    async def load_ahead(
        self, partitions: Iterable[int], generation: int, owned: Callable[[int], bool]
    ) -> None:
        """Load those of the partitions that are not loaded, before a record of them comes; batches
        go on in between. What PostgreSQL cannot give now is read with the next record."""
        for partition in partitions:
            async with self._turn:
                if not owned(partition):
                    return
                self._begin(generation)
                if partition not in self._reducer.loaded:
                    try:
                        await self._reducer.load(partition)
                    except psycopg.Error as error:
                        log.info("partition %d is not loaded: %s", partition, told(error))
                        return

    def _begin(self, generation: int) -> None:
        if generation != self._generation:
            self._reducer.forget()
            self._generation = generation

    async def _store_all(self, records: Sequence[RawRecord], owned: Callable[[int], bool]) -> None:
        backoff_seconds = FIRST_BACKOFF_SECONDS
        isolate = False
        while True:
            ours = [record for record in records if owned(record.partition)]
            try:
                if isolate:
                    for raw in ours:
                        await store_without_culprits(raw, self)
                else:
                    for group in self._by_loading(ours):
                        await self.attempt(group, Refused())
            except FenceLostError as error:
                self._metrics.fences_lost.inc()
                log.warning("%s: reading the partitions again", error)
            except RefusedDataError as error:
                isolate = True
                log.warning("%s: looking for the event", error)
            except psycopg.Error as error:
                await self._wait_for(error)
            else:
                if self.trouble is not None:
                    log.info("PostgreSQL is back")
                self.trouble = None
                return
            self._progress.pausing = True
            await self._sleep(backoff_seconds)
            self._progress.pausing = False
            backoff_seconds = min(2 * backoff_seconds, LONGEST_BACKOFF_SECONDS)

    def _by_loading(self, records: list[RawRecord]) -> list[list[RawRecord]]:
        """What is loaded goes first: it does not wait until the others are."""
        groups: dict[int | None, list[RawRecord]] = {None: []}
        for record in records:
            partition = record.partition
            key = None if partition in self._reducer.loaded else partition
            groups.setdefault(key, []).append(record)
        return list(groups.values())

    async def _wait_for(self, error: psycopg.Error) -> None:
        """Say why, if trying again may help; else raise ``error``."""
        meaning = meaning_of(error)
        if meaning not in (Meaning.AWAY, Meaning.AGAIN, Meaning.OPERATOR):
            raise error
        if meaning is not Meaning.AGAIN:
            # A session that is read-only, or of a role without rights, never gets better.
            await self._store.close()
        trouble = f"PostgreSQL: {told(error)}"
        if self.trouble is None:
            log.warning("PostgreSQL is away (%s): trying again until it is back", told(error))
        elif trouble != self.trouble:
            log.warning("PostgreSQL is still away (%s)", told(error))
        self.trouble = trouble
        self._metrics.retries.inc()

    async def attempt(self, records: Sequence[RawRecord], refused: Refused) -> None:
        """Reduce and store, once, without what is ``refused``. Raises :class:`FenceLostError`,
        :class:`RefusedDataError` or ``psycopg.Error``: then everything is forgotten."""
        try:
            await self._attempt(records, refused)
        except (RefusedDataError, FenceLostError, psycopg.Error):
            self._reducer.forget()
            raise

    async def accepts(self, raw: RawRecord, refused: Refused) -> bool:
        """Would the database take the record without what is ``refused``? Stores nothing."""
        try:
            works = await self._reducer.reduce([raw], refused)
            await self._store.commit([work.batch() for work in works], probe=True)
        except RefusedDataError:
            return False
        else:
            return True
        finally:
            self._reducer.forget()

    async def expired(self, raw: RawRecord, refused: Refused) -> list[str]:
        """Those to whom the record's time brings something, in order. Stores nothing."""
        try:
            works = await self._reducer.reduce([raw], refused)
        finally:
            self._reducer.forget()
        changes = [change for work in works for change in work.effects.changes]
        users = [c.changed.user_id for c in changes if c.index == TIME_PASSED]
        users += [user_id for work in works for user_id in work.effects.canaries_expired]
        return list(dict.fromkeys(users))

    async def _attempt(self, records: Sequence[RawRecord], refused: Refused) -> None:
        works = await self._reducer.reduce(records, refused)
        if not works:
            return
        for work in works:
            await self._publisher.publish_rejects(work.state.partition, work.effects.rejects)
        # The changes of the batch before this one are on their topic once this returns.
        await self._publishing.done()
        started = time.perf_counter()
        batches = [work.batch() for work in works]
        write_seconds = await self._store.commit(batches)
        self._reducer.last_reads |= {b.state.partition: b.last_read for b in batches}
        self._progress.made()
        self._count(works, write_seconds, time.perf_counter() - started)
        for work in works:
            work.state.forget_offline(work.named | work.effects.touched.keys())
        changes = {
            work.state.partition: [
                change_of(work.state.partition, change) for change in work.effects.published()
            ]
            for work in works
        }
        # An opted-out user of whom something arrives is one whose flag ingest does not know.
        of = {user for w in works for user in (*w.effects.flags, *w.effects.stragglers)}
        self._publishing.begin(changes, await self._store.flags(of) if of else ())

    def _count(self, works: Sequence[Work], write_seconds: float, seconds: float) -> None:
        """A batch was stored in ``seconds``."""
        metrics = self._metrics
        metrics.commit_seconds.observe(seconds)
        metrics.stage_seconds["write"].observe(write_seconds)
        metrics.stage_seconds["commit"].observe(seconds - write_seconds)
        now_ms = time.time() * 1000
        records = events = 0
        for work in works:
            metrics.count(work.effects)
            for step in work.effects.steps:
                log.warning(
                    "partition %d: the clock of the broker was ahead; with offset %d log time "
                    "steps back by %.1f s",
                    work.state.partition,
                    step.offset,
                    step.back_ms / 1000,
                )
            records += work.records
            for appended_ms, count in work.appended:
                events += count
                metrics.visible_seconds.observe(max(0.0, (now_ms - appended_ms) / 1000), count)
        metrics.count_records(records, events)
