"""The log, read on and on beside everything else: which events are in it, and how often."""

from __future__ import annotations

import asyncio
from collections import Counter

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.log.events import UndecodableRecordError, decode_batch
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, topic_name
from tests.faults.fleet import ids_of
from tests.faults.truth import Id


class Recount:
    """Remembers what it has read: what a fault removes later was there."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._read: dict[int, list[tuple[int, list[Id]]]] = {
            p: [] for p in range(settings.partitions)
        }
        self._next = dict.fromkeys(range(settings.partitions), 0)
        #: Of logs that are gone.
        self._before: Counter[Id] = Counter()

    def go_on(self) -> dict[int, int]:
        """Read up to where the log ends now; gives the ends."""
        return asyncio.run(self._go_on())

    async def _go_on(self) -> dict[int, int]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap, enable_auto_commit=False
        )
        try:
            await consumer.start()
            topic = topic_name(self._settings, EVENTS)
            partitions = [TopicPartition(topic, number) for number in self._read]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            begins = await consumer.beginning_offsets(partitions)
            for one in partitions:
                consumer.seek(one, max(self._next[one.partition], begins[one]))
            async with asyncio.timeout(60):
                while [p for p in partitions if await consumer.position(p) < ends[p]]:
                    for one, records in (await consumer.getmany(timeout_ms=200)).items():
                        for record in records:
                            self._take(one.partition, record.offset, record.value)
        finally:
            await consumer.stop()
        return {one.partition: end for one, end in ends.items()}

    def _take(self, partition: int, offset: int, value: bytes | None) -> None:
        if offset < self._next[partition]:
            return
        self._next[partition] = offset + 1
        try:
            ids = ids_of(decode_batch(value))
        except UndecodableRecordError:
            return
        if ids:
            self._read[partition].append((offset, ids))

    def tear(self, partition: int, end: int) -> list[Id]:
        """The log ends at ``end`` again: forget what was there, and give it."""
        kept = [(offset, ids) for offset, ids in self._read[partition] if offset < end]
        torn = [one for offset, ids in self._read[partition] if offset >= end for one in ids]
        self._read[partition] = kept
        self._next[partition] = min(self._next[partition], end)
        return torn

    def another_log(self) -> None:
        """The topic was made again; what was in the one before counts as it did."""
        self._before = self.counts()
        for partition, read in self._read.items():
            read.clear()
            self._next[partition] = 0

    def counts(self) -> Counter[Id]:
        counted = Counter(self._before)
        for read in self._read.values():
            for _, ids in read:
                counted.update(ids)
        return counted
