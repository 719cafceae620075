"""Batches from what Faust has fetched: each waits as long as ``processor/core/pacing.py`` says.

The agent takes messages from its stream's queue itself. Faust's ``noack_take`` waits for the same
time whatever comes, and leads each record through a task, a processor and its sensors, which costs
more than the record. What it is for is kept: nothing is acknowledged until the batch is stored.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from processor.core.pacing import PacePolicy, Rate, Waiting, hurry_of, wait_seconds
from processor.pipeline import Pipeline
from processor.watch.metrics import Metrics
from processor.work import RawRecord, client_events
from schemas.log.events import UndecodableRecordError


@dataclass(slots=True)
class Gathered:
    """A batch: Faust's events, and the record of each."""

    events: list[Any] = field(default_factory=list)
    records: list[RawRecord] = field(default_factory=list)

    def add(self, event: Any, log_base: int) -> RawRecord:
        message = event.message
        record = RawRecord(
            message.partition,
            log_base + message.offset,
            # Faust divides the broker's milliseconds by 1000: this gives them back exactly.
            int(message.timestamp * 1000 + 0.5),
            message.value,
        )
        self.events.append(event)
        self.records.append(record)
        return record

    def of(self, generation: int) -> list[RawRecord]:
        """Without those of another generation: the partition's owner now reads them again."""
        return [
            record
            for event, record in zip(self.events, self.records, strict=True)
            if event.message.generation_id == generation
        ]


class Gathering:
    """Ask for one batch after the other. ``clock`` gives monotonic seconds."""

    def __init__(
        self,
        app: Any,
        queue: Any,
        pipeline: Pipeline,
        policy: PacePolicy,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._queue = queue
        self._pipeline = pipeline
        self._policy = policy
        self._metrics = metrics
        self._clock = clock
        self._rate = Rate()
        self._closed_at = clock()

    async def batch(self) -> Gathered:
        """The next one; there is at least one record in it.

        Cancelled, what was gathered is given up: it is not acknowledged, so that whoever has the
        partition then reads it again.
        """
        gathered, waiting = Gathered(), Waiting()
        began = self._clock()
        store_seconds = began - self._closed_at
        # What is there came since the batch before it was closed, and waits since then.
        self._take(gathered, waiting, self._closed_at)
        while True:
            now = self._clock()
            rate = self._rate.per_second(now)
            seconds = wait_seconds(self._policy, waiting, rate, store_seconds, now)
            if seconds == 0:
                break
            try:
                async with asyncio.timeout(seconds):
                    event = await self._queue.get()
            except TimeoutError:
                break
            came = self._clock()
            self._add(event, gathered, waiting, came)
            self._take(gathered, waiting, came)
        self._closed_at = self._clock()
        if waiting.since is not None:
            self._metrics.batch_wait_seconds.observe(self._closed_at - waiting.since)
        return gathered

    def _take(self, gathered: Gathered, waiting: Waiting, came: float) -> None:
        while not waiting.is_full(self._policy) and not self._queue.empty():
            self._add(self._queue.get_nowait(), gathered, waiting, came)

    def _add(self, event: Any, gathered: Gathered, waiting: Waiting, came: float) -> None:
        record = gathered.add(event, self._app.log_base)
        events = record.events()
        if isinstance(events, UndecodableRecordError):
            events = []
        count = client_events(events)
        state = self._pipeline.loaded(record.partition)
        hurry = hurry_of(events, state.users if state is not None else {})
        waiting.add(hurry, count, came)
        self._rate.add(count, self._clock())
