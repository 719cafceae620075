"""Records of one partition from the log, in chunks, at a bounded share of a core."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.log.client import client_options
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, topic_name

_FETCHED: Final = 500
_FETCH_MS: Final = 1_000
#: Kafka has all of it: whoever hears nothing for so long has lost it.
_SILENCE_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0


class LogAwayError(RuntimeError):
    """Kafka gave no record although the log goes on."""


class LogReader:
    """A consumer without a group. Raises ``KafkaError``, ``OSError`` and :class:`LogAwayError`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._topic = topic_name(settings, EVENTS)
        self._consumer: AIOKafkaConsumer | None = None

    async def __aenter__(self) -> LogReader:
        self._consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            client_id="rollcall-audit",
            enable_auto_commit=False,
            auto_offset_reset="none",
        )
        try:
            await self._consumer.start()
        except BaseException:
            await self._consumer.stop()  # else it says that it was never closed
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._consumer is not None:
            # What was read is compared already: nothing of it hangs on an orderly end.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._consumer.stop()

    async def begins_at(self, partition: int) -> int:
        """The first offset that Kafka still has."""
        one = TopicPartition(self._topic, partition)
        assert self._consumer is not None  # noqa: S101
        found = await self._consumer.beginning_offsets([one])
        return int(found[one])

    async def ends_at(self, partitions: int) -> dict[int, int]:
        """By partition, the offset that the next record will have."""
        every = [TopicPartition(self._topic, number) for number in range(partitions)]
        assert self._consumer is not None  # noqa: S101
        found = await self._consumer.end_offsets(every)
        return {one.partition: int(offset) for one, offset in found.items()}

    async def records(self, partition: int, start: int, end: int) -> AsyncIterator[list[Any]]:
        """Chunks of the records from ``start`` to before ``end``."""
        if start >= end:
            return
        consumer, one = self._consumer, TopicPartition(self._topic, partition)
        assert consumer is not None  # noqa: S101
        consumer.assign([one])
        consumer.seek(one, start)
        heard = time.monotonic()
        while await consumer.position(one) < end:
            found = await consumer.getmany(one, timeout_ms=_FETCH_MS, max_records=_FETCHED)
            records = [record for record in found.get(one, []) if record.offset < end]
            if records:
                heard = time.monotonic()
                yield records
            elif time.monotonic() - heard > _SILENCE_SECONDS:
                raise LogAwayError(
                    f"no record of partition {partition} for {_SILENCE_SECONDS:g} s, although the "
                    f"processor has read up to {end}"
                )


class Share:
    """Keeps this process to a share of a core: whoever has worked rests in proportion."""

    def __init__(self, cpu_percent: float) -> None:
        self._rest = 100 / cpu_percent - 1
        self._worked_until = time.process_time()

    def rest_seconds(self) -> float:
        """How long to rest now."""
        worked = time.process_time()
        seconds = (worked - self._worked_until) * self._rest
        self._worked_until = worked
        return seconds
