"""Group commit: the calls of a moment share one record, and one answer from Kafka.

A partition is a lane: events gather in its groups, and its one task writes a group at a time. A
group becomes a record when its wait is over (``ingest.log.linger``), when it is big enough, or at
once for a logout. Groups of other lanes that have waited for half of their time go with it: one
request takes them all (``ingest.log.departures``), and from then on they leave together.

All calls of a group await one future, which the lane always resolves: ``True`` once
Kafka has acknowledged, ``False`` at the latest when the group's oldest call has waited its accept
time-out. A group that was not handed to Kafka by then is dropped (promise 1).

Events that wait are bounded in bytes, per lane and over all lanes; those in flight count for the
latter. Above that a call is refused at once, while memory is still what the settings say.

A lane that wrote nothing for ``tick_interval_seconds`` writes a tick by the same path (promise 3).
After a record that was not acknowledged a tick goes first, and events follow once it is. A broker
that is left without enough copies takes what is tried and acknowledges none of it; all of that
comes to light when copies are back, and events in it would look as if phones had reached us.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from ingest.log.appender import EventLog, NotAppendedError
from ingest.log.cut_off import Written
from ingest.log.group import Acknowledgement, Group
from ingest.log.linger import Linger, LingerPolicy
from ingest.log.not_taken import NotTakenError
from ingest.metrics import IngestMetrics
from ingest.settings import IngestSettings
from schemas.log.events import Tick, encode_event, join_batch, partition_of

# What join_batch puts around events: version and two array heads.
FRAMING_BYTES: Final = 16
#: Enough for one record: it goes at once.
FULL_GROUP_BYTES: Final = 65_536
#: What is shown of what waits may be so far behind: to show each event costs a sixth of adding it.
UNTOLD_BYTES: Final = 4096
#: After an error that nobody thought of.
TROUBLE_SECONDS: Final = 0.1
#: Of its wait, what a group must have had to go with another lane's.
_MOST: Final = 0.5
_TICK: Final = join_batch([encode_event(Tick())])


class _Budget:
    """The bytes that all lanes hold together."""

    __slots__ = ("held_bytes", "limit_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0


class _Lane:
    """One partition's groups, and the task that writes them."""

    def __init__(
        self,
        partition: int,
        log: EventLog,
        budget: _Budget,
        settings: IngestSettings,
        metrics: IngestMetrics,
        leaves: Callable[[float], None],
    ) -> None:
        """``leaves`` is told when a group of this lane goes by itself."""
        self._partition = partition
        self._log = log
        self._leaves = leaves
        self._budget = budget
        self._metrics = metrics
        self._accept_timeout_seconds = settings.accept_timeout_seconds
        self._tick_interval_seconds = settings.tick_interval_seconds
        self._buffer_limit_bytes = settings.buffer_bytes
        self._policy = LingerPolicy(max_seconds=settings.max_linger_seconds)
        self._linger = Linger(self._policy)
        self._groups: deque[Group] = deque()
        self._buffered_bytes = 0
        self._untold_bytes = 0
        self._ack_seconds = 0.0
        self._acknowledges = True
        self._answered = 0
        self._unheard = False
        self._wake: asyncio.Future[None] | None = None
        self._closing = False

    @property
    def written(self) -> Written:
        """What became of its records."""
        return Written(self._answered, fails=self._unheard)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._written_at = self._left_at = self._loop.time()
        self._task = asyncio.create_task(self._run(), name=f"lane-{self._partition}")

    def add(self, event: bytes, urgent: bool) -> Acknowledgement:
        """Queue an event. Raises :class:`NotTakenError`."""
        return self._add((event,), len(event), urgent).acknowledged

    def add_all(self, events: list[bytes], settle: Callable[[list[int], bool], None]) -> None:
        """As far as there is room; ``settle`` is told how many they were."""
        size = sum(map(len, events))
        half = len(events) // 2
        if half and size > FULL_GROUP_BYTES:
            self.add_all(events[:half], settle)
            self.add_all(events[half:], settle)
            return
        with contextlib.suppress(NotTakenError):
            self._add(events, size, urgent=False).acknowledged.owe(settle, len(events))

    def _add(self, events: Sequence[bytes], size: int, urgent: bool) -> Group:
        budget = self._budget
        if self._closing:
            raise NotTakenError("away")
        if self._buffered_bytes + size > self._buffer_limit_bytes:
            raise self._shed("partition_buffer", len(events))
        if budget.held_bytes + size > budget.limit_bytes:
            raise self._shed("buffer", len(events))
        groups = self._groups
        if groups and groups[-1].bytes + size <= self._log.max_record_bytes - FRAMING_BYTES:
            group = groups[-1]
        else:
            now = self._loop.time()
            group = Group(now, now + self._accept_timeout_seconds)
            groups.append(group)
            self._awake()
        group.events += events
        group.bytes += size
        self._buffered_bytes += size
        budget.held_bytes += size
        self._untold_bytes += size
        if self._untold_bytes >= UNTOLD_BYTES:
            self._tell_bytes()
        if urgent:
            group.urgent = True
        if urgent or self._is_full(group):
            self._awake()
        return group

    def _shed(self, cause: str, events: int) -> NotTakenError:
        self._metrics.shed[cause].inc(events)
        return NotTakenError("full")

    async def close(self) -> None:
        """Write what is queued, then end."""
        self._closing = True
        self._awake()
        await self._task

    async def _run(self) -> None:
        has_ended = False
        while not has_ended:
            with self._metrics.background.goes_on("lanes"):
                await self._write_until_closed()
                has_ended = True
            if not has_ended:
                await asyncio.sleep(TROUBLE_SECONDS)

    async def _write_until_closed(self) -> None:
        while True:
            if self._groups:
                await self._gather(self._groups[0])
                if not self._groups[0].joins:
                    self._leaves(self._loop.time())
                await self._write(self._groups.popleft())
            elif self._closing:
                return
            else:
                quiet_until = self._written_at + self._tick_interval_seconds
                await self._pause(quiet_until - self._loop.time())
                if not self._groups and self._loop.time() >= quiet_until:
                    await self._tick(self._loop.time() + self._accept_timeout_seconds)

    async def _gather(self, group: Group) -> None:
        while not (self._closing or group.urgent or group.joins or self._is_full(group)):
            remaining = group.opened_at + self._linger.seconds - self._loop.time()
            if remaining <= 0:
                return
            await self._pause(remaining)

    def join(self, now: float) -> None:
        """Another lane's group leaves: so does what waits here, if it has waited for long."""
        if self._wake is None or not self._groups:
            return  # a record is in flight, or nothing waits
        group = self._groups[0]
        if now - group.opened_at >= _MOST * self._linger.seconds:
            group.joins = True
            self._awake()

    async def _write(self, group: Group) -> None:
        # From here on the group is in flight: later events open another one.
        self._buffered_bytes -= group.bytes
        self._untold_bytes -= group.bytes
        self._tell_bytes()
        acknowledged = False
        try:
            value = join_batch(group.events)
            now = self._loop.time()
            within_seconds, self._left_at = now - self._left_at, now
            if not self._acknowledges:
                await self._tick(group.deadline)
            acknowledged = self._acknowledges and await self._append(value, group.deadline)
        finally:
            self._budget.held_bytes -= group.bytes
            group.acknowledged.resolve(acknowledged)
        if acknowledged:
            self._metrics.record_events.observe(len(group.events))
            self._metrics.record_bytes.observe(len(value))
            self._linger.gathered(len(group.events), within_seconds, self._ack_seconds)
        else:
            self._metrics.record_failures.inc()

    def _tell_bytes(self) -> None:
        self._metrics.buffer_bytes.inc(self._untold_bytes)
        self._untold_bytes = 0

    async def _tick(self, deadline: float) -> None:
        if await self._append(_TICK, deadline):
            self._metrics.ticks_written.inc()
        else:
            self._metrics.ticks_failed.inc()

    async def _append(self, value: bytes, deadline: float) -> bool:
        started = self._loop.time()
        appended = answered = False
        # A deadline that passed while another record was in flight: dropped, never handed over.
        if started < deadline:
            try:
                await self._log.append(self._partition, value, deadline)
                appended = answered = True
            except NotAppendedError as error:
                answered = error.answered
            self._acknowledges = appended
            self._answered += answered
            self._unheard = not answered
        self._written_at = self._loop.time()
        self._ack_seconds = self._written_at - started
        if appended:
            self._metrics.ack_seconds.observe(self._ack_seconds)
        return appended

    def _is_full(self, group: Group) -> bool:
        return (
            len(group.events) >= self._policy.target_events
            or group.bytes >= FULL_GROUP_BYTES
            or len(self._groups) > 1
        )

    async def _pause(self, seconds: float) -> None:
        """Sleep, or until somebody calls ``_awake``."""
        self._wake = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._awake)
        try:
            await self._wake
        finally:
            timer.cancel()
            self._wake = None

    def _awake(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class Publisher:
    """All lanes of this process."""

    def __init__(self, settings: IngestSettings, log: EventLog, metrics: IngestMetrics) -> None:
        self._log = log
        self._partitions = settings.partitions
        self._shed_kafka_away = metrics.shed["kafka_away"]
        budget = _Budget(settings.total_buffer_bytes)
        self._lanes = [
            _Lane(partition, log, budget, settings, metrics, self._leave_together)
            for partition in range(settings.partitions)
        ]

    def start(self) -> None:
        """Start the lanes' tasks on the running event loop."""
        for lane in self._lanes:
            lane.start()

    def publish(self, user: str, event: bytes, *, urgent: bool = False) -> Acknowledgement:
        """Queue an encoded event of ``user``; ``urgent`` ones don't wait for company.

        The result is ``False`` where the event is not known to be in the log. Raises
        :class:`NotTakenError` at once while Kafka is known to be away or the buffer is full.
        """
        if self._log.away is not None:
            self._shed_kafka_away.inc()
            raise NotTakenError("away")
        return self._lanes[partition_of(user, self._partitions)].add(event, urgent)

    def publish_all(
        self, events: Sequence[tuple[str, bytes]], settle: Callable[[list[int], bool], None]
    ) -> None:
        """Queue encoded events of several users, as far as there is room: nobody waits for one.
        ``settle`` is told how many are in a record. Raises :class:`NotTakenError` as above."""
        if self._log.away is not None:
            self._shed_kafka_away.inc(len(events))
            raise NotTakenError("away")
        by_partition: dict[int, list[bytes]] = {}
        for user, event in events:
            by_partition.setdefault(partition_of(user, self._partitions), []).append(event)
        for partition, some in by_partition.items():
            self._lanes[partition].add_all(some, settle)

    @property
    def written(self) -> list[Written]:
        """What became of the records of each partition."""
        return [lane.written for lane in self._lanes]

    def _leave_together(self, now: float) -> None:
        for lane in self._lanes:
            lane.join(now)

    async def close(self) -> None:
        """Write what is queued; takes at most about the accept time-out."""
        await asyncio.gather(*(lane.close() for lane in self._lanes))
