"""Is the log that this processor reads still the one that its database belongs to, and read at all?

The consumer knows none of this, so Kafka is asked beside it, every few seconds:

1. What is the topic's id? A topic that is gone, or was made again, is read no further (design,
   section 6).
2. Who has the partitions, where this process had some and has none? A standby's are with others. If
   nobody has any, the group stands still, and no process of it is ready.
3. Where does the log end, when no record has come for long (``processor/watch/reading.py``)? If
   there is something to read, this process is alive and reads nothing: it ends, another one starts.
4. Are the last records of the look before still where they were (``processor/core/log/
   last_read.py``)? This is asked every ``LOOK_BACK_SECONDS``. If others are in their places, Kafka
   lost the end of the log and has written past it since: the process ends, and none starts.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from processor.core.deployment import NEW_TOPIC
from processor.core.log.last_read import LastRead, TornLogError
from processor.core.log.positions import Log, positions
from processor.kafka.consumer_group import assigned_partitions
from processor.pipeline import Pipeline
from processor.settings import ProcessorSettings
from processor.startup import partition_offsets, read_again
from processor.watch.lag import Lags
from processor.watch.metrics import Metrics
from processor.watch.progress import Progress
from processor.watch.reading import Reading
from processor.watch.watchdog import end_stuck
from schemas.log.topic_ids import ASK_EVERY_SECONDS, TopicReplacedError, topic_id
from schemas.log.topics import EVENTS, topic_name

log = logging.getLogger(__name__)

#: A fetch that was under way when Kafka was asked for the log's end has come back by then.
FETCH_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0
LOOK_BACK_SECONDS: Final = 30.0


class LogWatch:
    """``trouble`` says what is wrong; ``replaced`` that the topic is not the database's."""

    def __init__(
        self,
        settings: ProcessorSettings,
        lags: Lags,
        pipeline: Pipeline,
        progress: Progress,
        metrics: Metrics,
        *,
        reading: Reading | None = None,
        end: Callable[[str], None] = end_stuck,
    ) -> None:
        self._settings = settings
        self._topic = topic_name(settings, EVENTS)
        self._lags = lags
        self._pipeline = pipeline
        self._progress = progress
        self._metrics = metrics
        self._reading = reading or Reading()
        self._end = end
        self._had_partitions = False
        self._looked_back_at = time.monotonic()
        #: What was read by then.
        self._read_before: dict[int, LastRead] = {}
        self.replaced = False
        self.trouble: str | None = None

    async def run(self, read: Log, stop: asyncio.Event) -> None:
        """Look until ``stop``; the database belongs to the topic ``read``."""
        while not stop.is_set():
            with self._metrics.background.goes_on("log_watch"):
                await self._look_once(read)
            self._metrics.topic_replaced.set(self.replaced)
            try:
                async with asyncio.timeout(ASK_EVERY_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue

    async def _look_once(self, read: Log) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                trouble = await self._look(read)
            await self._look_for_silence(read.base)
            await self._look_back(read.base)
        except (KafkaError, OSError, TimeoutError) as error:
            # The agent and the publisher say that Kafka is away.
            log.debug("cannot ask Kafka for %s: %s", self._topic, error)
            return
        if trouble is not None and trouble != self.trouble:
            log.critical("%s", trouble)
        elif trouble is None and self.trouble is not None:
            log.warning("%s is read again", self._topic)
        self.trouble = trouble

    async def may_go_on(self) -> None:
        """Return once records are of the log that the database belongs to."""
        while self.replaced:
            self._progress.pausing = True
            await asyncio.sleep(1)
        self._progress.pausing = False

    async def _look(self, read: Log) -> str | None:
        try:
            found = await topic_id(self._settings, self._topic)
        except UnknownTopicOrPartitionError:
            self.replaced = True
            return (
                f"topic {self._topic} does not exist any more: the database belongs to it, and to "
                "no other of its name; stop all services and make it again (rollcall topics), "
                f"then let {NEW_TOPIC} keep history and opt-outs, or start with an empty database"
            )
        self.replaced = found != read.topic_id
        if self.replaced:
            return str(TopicReplacedError(self._topic, read.topic_id, found))
        if self._lags.now():
            self._had_partitions = True
            return None
        app = self._lags.app
        if not self._had_partitions or app is None or app.rebalancing:
            return None
        group = self._settings.group
        if await assigned_partitions(self._settings, group, self._topic) != 0:
            return None
        return (
            f"nobody in the consumer group {group} has any partition of {self._topic}, and this "
            "process has lost those that it had: restart the processors"
        )

    async def _look_for_silence(self, base: int) -> None:
        if self.replaced or self._waits():
            self._reading.begin_again()
            return
        silent = self._reading.silent(time.monotonic(), self._positions())
        if not silent:
            return
        async with asyncio.timeout(ANSWER_SECONDS):
            found = await partition_offsets(
                self._settings, self._topic, AIOKafkaConsumer.end_offsets
            )
        ends = positions(found, base)
        unread = {p: at for p, at in silent.items() if ends[p] > at}
        if not unread:
            log.info("nothing was written to partitions %s of %s", list(silent), self._topic)
            return
        await asyncio.sleep(FETCH_SECONDS)
        now_at = self._positions()
        still = {p: ends[p] - at for p, at in unread.items() if now_at.get(p) == at}
        if still and not self._waits():
            what = ", ".join(f"{count} of partition {p}" for p, count in still.items())
            self._end(f"records are in the log ({what}), and Kafka's consumer gives none of them")

    async def _look_back(self, base: int) -> None:
        if self.replaced or time.monotonic() < self._looked_back_at + LOOK_BACK_SECONDS:
            return
        self._looked_back_at = time.monotonic()
        ours = {lag.partition for lag in self._lags.now()}
        before = {p: read for p, read in self._read_before.items() if p in ours}
        reads = self._pipeline.last_reads()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await read_again(self._settings, self._topic, before, base)
        except TornLogError as error:
            self._end(f"{self._topic}, {error}")
        self._read_before = reads

    def _positions(self) -> dict[int, int]:
        """The next offset of each partition that we have and of which nothing is in hand."""
        return {
            s.partition: s.next_offset
            for s in self._lags.now()
            if s.next_offset is not None and self._pipeline.oldest_in_hand_ms(s.partition) is None
        }

    def _waits(self) -> bool:
        """For PostgreSQL, for Kafka to take changes, or for a rebalance."""
        app = self._lags.app
        rebalancing = app is None or bool(app.rebalancing)
        return rebalancing or self._progress.pausing or self._pipeline.trouble is not None
