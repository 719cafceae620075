"""A log, a consumer group, a database and a topic of changes, with processors between them.

The processors are the real ones from the agent down to the rows (``processor/kafka/agent.py``,
``processor/pipeline.py``, the core). All that one asks of the database or of Kafka waits in
:attr:`Process.waiting` until the caller says what comes of it: so a processor stands still, is cut
off or dies at any such place, and a commit of a dead one may arrive when another has gone on.

:meth:`World.check` holds the database and the topic against one run of the log in memory, without
batches, processes or a database.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from processor.pipeline import Pipeline
from processor.work import RawRecord
from schemas.log.events import Event, Tick, encode_batch
from tests.unit.processor.fence_process import Fate, Process, Waiting
from tests.unit.processor.fence_reference import PARTITIONS, START_MS, ReferenceRun
from tests.unit.processor.store_in_memory import Database, Stands


class BrokenPromiseError(AssertionError):
    """The promise that does not hold, in words."""


@dataclass(eq=False)
class World:
    """``pipeline_class``, ``database_class`` and ``trusts_old_records`` are for tests that take a
    condition away."""

    pipeline_class: type[Pipeline] = Pipeline
    database_class: type[Database] = Database
    trusts_old_records: bool = False
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    generation: int = 0
    late: list[Callable[[], Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        partitions = range(PARTITIONS)
        self.database = self.database_class({p: Stands(0, 0) for p in partitions})
        self.log: dict[int, list[RawRecord]] = {p: [] for p in partitions}
        self.references = {p: ReferenceRun(p) for p in partitions}
        #: Ids on the topic, repeats and all.
        self.published: dict[int, list[str]] = defaultdict(list)
        self.processes = [Process(self), Process(self)]
        self.owners = {p: self.processes[p] for p in partitions}
        self._now_ms = dict.fromkeys(partitions, START_MS)
        self._stood = dict(self.database.stands)
        for process in self.processes:
            process.joined()

    def append(self, partition: int, after_ms: int, events: Sequence[Event]) -> None:
        self._now_ms[partition] += after_ms
        log, now_ms = self.log[partition], self._now_ms[partition]
        log.append(RawRecord(partition, len(log), now_ms, encode_batch(list(events))))
        self.references[partition].apply(log[-1])

    def assign(self, owners: Sequence[int]) -> None:
        """Another generation of the group; who is in it learns that when it next asks."""
        self.generation += 1
        self.owners = {p: self.processes[owner] for p, owner in enumerate(owners)}

    def kill(self, which: int, fate: Fate) -> None:
        """Another process starts in its place, and has nothing until it has joined."""
        dead = self.processes[which]
        dead.die(fate)
        self.processes[which] = born = Process(self)
        self.generation += 1
        self.owners = {p: born if o is dead else o for p, o in self.owners.items()}

    def meets(self, waiting: Waiting, fate: Fate) -> None:
        if fate == "late" and waiting.what in ("commit", "publish"):
            self.late.append(waiting.do)
        elif fate == "arrived":
            self._unheard(waiting.do)

    def arrive(self, which: int) -> None:
        """What was on its way all the time."""
        self._unheard(self.late.pop(which))

    def _unheard(self, do: Callable[[], Any]) -> None:
        try:
            do()
        except RuntimeError:
            return  # the fence refuses it, and nobody is there to be told

    def settle(self, process: Process) -> None:
        """Let a process go on until it waits; see whether it has ended what it had in hand."""
        self.spin()
        task = process.task
        if task is None or not task.done():
            return
        process.task = None
        if (error := task.exception()) is not None:
            raise BrokenPromiseError(f"a processor ends, with nothing wrong: {error!r}") from error
        generation, taken = process.taken
        for raw in taken if generation == process.generation else ():
            if raw.offset >= self.database.stands[raw.partition].next_offset:
                raise BrokenPromiseError(
                    f"{raw.partition}:{raw.offset} is acknowledged, not stored"
                )

    def spin(self) -> None:
        self.loop.run_until_complete(_turns())

    def run_out(self, process: Process) -> None:
        """Let it do all that it has in hand."""
        for _ in range(1000):
            if process.waiting:
                process.answer()
            elif process.fetched:
                process.take(len(process.fetched))
            else:
                break
        else:
            raise BrokenPromiseError("a processor tries for ever")

    def run_to_the_end(self) -> None:
        """Nothing fails any more: what is in the log is stored and published."""
        while self.late:
            self.arrive(0)
        self.check()
        for partition in self.log:
            # Ingest writes ticks for ever: whoever has a partition comes to load it.
            self.append(partition, 1, [Tick()])
        for process in self.processes:
            process.joined()
            process.fetch(len(self.log[0]) + len(self.log[1]))
            self.run_out(process)
            self.check()
        for partition, log in self.log.items():
            stands = self.database.stands[partition]
            if stands.next_offset != len(log):
                raise BrokenPromiseError(f"partition {partition} is stored to {stands} alone")
            ids = self.references[partition].ids(len(log))
            if _first_seen(self.published[partition]) != ids:
                raise BrokenPromiseError(f"partition {partition}: changes were never published")

    def check(self) -> None:
        """Whatever has happened so far, these hold."""
        for partition, stands in self.database.stands.items():
            if stands.next_offset < self._stood[partition].next_offset:
                raise BrokenPromiseError(f"partition {partition} goes back to {stands}")
            self._check_published(partition, stands)
            if stands != self._stood[partition]:
                self._check_stored(partition, stands)
        self._stood = dict(self.database.stands)

    def _check_stored(self, partition: int, stands: Stands) -> None:
        database, run = self.database, self.references[partition]
        reference = run.at[stands.next_offset]
        users = {u: row for u, row in database.presence.items() if row.partition == partition}
        if users != reference.users:
            raise BrokenPromiseError(f"partition {partition} has other users than the log")
        if (stands.foreground, stands.background) != reference.counts:
            raise BrokenPromiseError(f"partition {partition} counts {stands}")
        changes = [row for row in run.changes if row[2] < stands.next_offset]
        if database.changes(partition) != changes:
            raise BrokenPromiseError(f"partition {partition} has other changes than the log")
        minutes = {k: sums for k, sums in database.minutes.items() if k[1] == partition}
        if minutes != reference.minutes:
            raise BrokenPromiseError(f"partition {partition}: views were counted otherwise")

    def _check_published(self, partition: int, stands: Stands) -> None:
        stored = self.references[partition].ids(stands.next_offset)
        published = _first_seen(self.published[partition])
        if published != stored[: len(published)]:
            raise BrokenPromiseError(
                f"partition {partition}: published out of order, or not stored"
            )
        if len(published) < len(self.references[partition].ids(stands.published_through)):
            raise BrokenPromiseError(f"partition {partition}: said to be published, and is not")

    def close(self) -> None:
        for process in self.processes:
            process.die("lost")
        self.spin()
        self.loop.close()


async def _turns() -> None:
    """As many as the longest chain of callbacks that one answer sets off, and more."""
    for _ in range(12):
        await asyncio.sleep(0)


def _first_seen(ids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(ids))
