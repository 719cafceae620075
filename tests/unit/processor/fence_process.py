"""A processor of ``fence_world.py``: the real one, from the agent down to the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import psycopg
from prometheus_client import CollectorRegistry

from processor.core.effects import Reject
from processor.kafka.agent import process
from processor.kafka.gathering import Gathered
from processor.kafka.publisher import ChangePublisher
from processor.watch.metrics import Metrics
from processor.watch.progress import Progress
from processor.work import RawRecord
from schemas.log.changes import Change
from schemas.log.privacy_flags import Flag
from tests.unit.processor.fence_reference import PARTITIONS, POLICY
from tests.unit.processor.store_in_memory import StoreInMemory

if TYPE_CHECKING:
    from tests.unit.processor.fence_world import World

T = TypeVar("T")

#: What becomes of what is on its way when its connection is cut or its process dies: the database
#: has it, never gets it, or gets it later.
Fate = Literal["arrived", "lost", "late"]

_metrics = Metrics(CollectorRegistry())


@dataclass(eq=False)
class Waiting:
    """Something that a process has sent, and waits for."""

    what: str
    do: Callable[[], Any]
    answer: asyncio.Future[Any]


class ProcessStore(StoreInMemory):
    def __init__(self, process: Process) -> None:
        super().__init__(process.world.database)
        self._process = process

    async def ask(self, what: str, question: Callable[[], T]) -> T:
        result: T = await self._process.ask(what, question)
        return result


class TopicInMemory(ChangePublisher):
    """``presence.changes`` as a processor writes it."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def publish_changes(self, changes: Mapping[int, Sequence[Change]]) -> None:
        for partition, some in changes.items():
            if some:
                topic = self._process.world.published[partition]
                ids = [change.id for change in some]
                await self._process.ask("publish", partial(topic.extend, ids))

    async def publish_flags(self, flags: Iterable[tuple[bytes, Flag]]) -> None:
        assert not list(flags)

    async def publish_rejects(self, partition: int, rejects: Iterable[Reject]) -> None:
        assert not list(rejects)

    async def close(self) -> None:
        pass


class Process:
    """A processor. ``generation`` and ``partitions`` are what it believes of the group, which has
    gone on where it has not :meth:`joined` since."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.generation = -1
        self.partitions: frozenset[int] = frozenset()
        self.positions: dict[int, int] = {}
        #: Fetched and not taken, each with the generation that fetched it.
        self.fetched: list[tuple[int, RawRecord]] = []
        self.waiting: list[Waiting] = []
        #: What it has in hand, and of which generation.
        self.taken: tuple[int, list[RawRecord]] = (-1, [])
        self.task: asyncio.Task[None] | None = None
        self.pipeline = world.pipeline_class(
            PARTITIONS,
            POLICY,
            ProcessStore(self),
            TopicInMemory(self),
            _metrics,
            Progress(),
            sleep=self._pause,
        )

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(0)

    async def ask(self, what: str, do: Callable[[], Any]) -> Any:
        waiting = Waiting(what, do, self.world.loop.create_future())
        self.waiting.append(waiting)
        return await waiting.answer

    def joined(self) -> None:
        """It learns of the group's generation, and seeks to where its partitions stand."""
        self.generation = self.world.generation
        self.partitions = frozenset(p for p, o in self.world.owners.items() if o is self)
        self.positions = {p: self.world.database.stands[p].next_offset for p in self.partitions}

    def fetch(self, most: int) -> None:
        """The next records of each of its partitions."""
        for partition in self.partitions:
            begin = self.positions[partition]
            records = self.world.log[partition][begin : begin + most]
            self.fetched += [(self.generation, raw) for raw in records]
            self.positions[partition] = begin + len(records)

    def take(self, most: int) -> None:
        """Begin to process what was fetched first, if it has nothing in hand."""
        if self.task is not None or not self.fetched:
            return
        gathered = Gathered()
        for fetched in self.fetched[:most]:
            gathered.add(self._event(*fetched), _App.log_base)
        current = [raw for g, raw in self.fetched[:most] if g == self.generation]
        self.taken = (self.generation, current)
        del self.fetched[:most]
        app = _App(self)
        self.task = self.world.loop.create_task(process(app, self.pipeline, gathered))
        self.world.settle(self)

    def _event(self, generation: int, raw: RawRecord) -> Any:
        message = SimpleNamespace(
            partition=raw.partition,
            offset=raw.offset,
            timestamp=raw.timestamp_ms / 1000,
            value=raw.value,
            generation_id=self.generation if self.world.trusts_old_records else generation,
        )
        return SimpleNamespace(message=message)

    def answer(self, which: int = 0) -> None:
        """What it waits for comes about, and it is told so."""
        waiting = self.waiting.pop(which)
        try:
            result = waiting.do()
        except RuntimeError as error:
            waiting.answer.set_exception(error)
        else:
            waiting.answer.set_result(result)
        self.world.settle(self)

    def go_on(self, until: str) -> None:
        """Let all that it asks come about until it asks for this, or for nothing; what it publishes
        beside the next batch comes last."""
        while self.waiting and until not in [waiting.what for waiting in self.waiting]:
            others = [n for n, waiting in enumerate(self.waiting) if waiting.what != "publish"]
            self.answer(others[0] if others else 0)

    def cut(self, which: int, fate: Fate) -> None:
        """The connection breaks under what it waits for: it isn't told what came of it. One who
        publishes sends again, as the producer does."""
        waiting = self.waiting[which]
        self.world.meets(waiting, fate)
        if waiting.what != "publish":
            self.waiting.remove(waiting)
            waiting.answer.set_exception(psycopg.OperationalError("the connection is lost"))
        self.world.settle(self)

    def die(self, fate: Fate) -> None:
        """SIGKILL."""
        for waiting in self.waiting:
            self.world.meets(waiting, fate)
            # What waits for it is never resumed: the process is gone.
            waiting.answer.cancel()
        self.waiting = []
        if self.task is not None:
            self.task.cancel()
        self.world.spin()


class _App:
    """What the agent asks of Faust."""

    log_base = 0

    def __init__(self, process: Process) -> None:
        self._process = process
        self.consumer = self

    @property
    def consumer_generation_id(self) -> int:
        return self._process.generation

    def assignment(self) -> list[Any]:
        return [SimpleNamespace(partition=p) for p in self._process.partitions]
