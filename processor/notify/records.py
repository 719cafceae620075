"""``presence.changes`` read again, from any offset, for webhooks that are behind and for replays.

One consumer of the process, which they share in turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from processor.notify.messages import Record, record_of
from processor.notify.window import PAGE
from schemas.log.client import client_options
from schemas.log.settings import KafkaSettings
from schemas.log.topics import CHANGES, topic_name

WAIT_MS: Final = 1_000


class LostError(RuntimeError):
    """Kafka has nothing at the offset: what it has begins at ``first_offset``."""

    def __init__(self, first_offset: int) -> None:
        super().__init__(f"Kafka's changes begin at offset {first_offset}")
        self.first_offset = first_offset


class Rereader:
    """Raises ``KafkaError`` and ``OSError``."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._topic = topic_name(settings, CHANGES)
        self._consumer: AIOKafkaConsumer | None = None
        self._next: tuple[TopicPartition, int] | None = None
        #: First come, first served.
        self._turn = asyncio.Lock()

    async def page(self, partition: int, offset: int) -> tuple[Sequence[Record], int]:
        """Records from ``offset``, and the offset after them. May be none. Raises
        :class:`LostError`."""
        place = TopicPartition(self._topic, partition)
        async with self._turn:
            consumer = await self._started()
            if self._next != (place, offset):
                consumer.assign([place])
                consumer.seek(place, offset)
            self._next = None
            try:
                found = await consumer.getmany(place, timeout_ms=WAIT_MS, max_records=PAGE)
            except OffsetOutOfRangeError:
                raise LostError(await self._first_offset(place)) from None
            next_offset = await consumer.position(place)
            self._next = (place, next_offset)
        records = [
            record_of(record.offset, record.timestamp, record.value)
            for record in found.get(place, ())
        ]
        return records, next_offset

    async def offset_since(self, partition: int, at: datetime) -> int:
        """Of the first change from ``at`` on, or of the next one that there will be."""
        place = TopicPartition(self._topic, partition)
        async with self._turn:
            consumer = await self._started()
            end: int = (await consumer.end_offsets([place]))[place]
            found = await consumer.offsets_for_times({place: round(at.timestamp() * 1000)})
        since = found[place]
        return end if since is None else int(since.offset)

    async def first_offset(self, partition: int) -> int:
        """Of what Kafka still has."""
        async with self._turn:
            await self._started()
            return await self._first_offset(TopicPartition(self._topic, partition))

    async def end_offset(self, partition: int) -> int:
        """Of the next change that there will be."""
        place = TopicPartition(self._topic, partition)
        async with self._turn:
            consumer = await self._started()
            end: int = (await consumer.end_offsets([place]))[place]
        return end

    async def close(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()

    async def _first_offset(self, place: TopicPartition) -> int:
        consumer = await self._started()
        first: int = (await consumer.beginning_offsets([place]))[place]
        return first

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                **client_options(self._settings),
                enable_auto_commit=False,
                auto_offset_reset="none",
                client_id="rollcall-notify-again",
            )
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer
