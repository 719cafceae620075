"""Follows ``presence.sign_outs``, which tells whose sockets a logout, an opt-out or an
erasure ended (design, section 4).

Every ingest process reads the whole topic. It starts at the end, as it has no sockets yet, and goes
on from where it was when Kafka has been away. It commits nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ingest.log.cancellation import end
from ingest.metrics import IngestMetrics
from ingest.settings import IngestSettings
from schemas.log.client import client_options
from schemas.log.diagnosis import why_away
from schemas.log.topics import SIGN_OUTS, topic_name

RETRY_SECONDS: Final = 1.0

logger = logging.getLogger(__name__)

#: Ids, and whether they end because their user is not tracked any more.
EndConnections = Callable[[Sequence[str], bool], Awaitable[None]]


class _SignOut(msgspec.Struct):
    """What matters here of a record (``schemas.log.changes.Change``)."""

    connections: list[str]
    reason: str = "logged_out"


#: Those that end all of a user's sockets, with a code of their own (promise 8).
_NOT_TRACKED: Final = ("opted_out", "erased")
_decoder = msgspec.json.Decoder(_SignOut)


class SignOuts:
    """One task; ``end_connections`` gets the ids of each record."""

    def __init__(
        self, settings: IngestSettings, end_connections: EndConnections, metrics: IngestMetrics
    ) -> None:
        self._settings = settings
        self._background = metrics.background
        topic = topic_name(settings, SIGN_OUTS)
        self._partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        self._end_connections = end_connections
        #: Where to go on; empty until Kafka has said where the topic ends.
        self._next: dict[TopicPartition, int] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to follow; does not wait for Kafka."""
        self._task = asyncio.create_task(self._follow(), name="sign-outs")

    async def close(self) -> None:
        if self._task is not None:
            await end(self._task)

    async def _follow(self) -> None:
        while True:
            with self._background.goes_on("sign_outs"):
                try:
                    await self._read()
                except (KafkaError, OSError) as error:
                    reason = await why_away(self._settings, error)
                    logger.warning("Cannot follow sign-outs (%s): trying again", reason)
            await asyncio.sleep(RETRY_SECONDS)

    async def _read(self) -> None:
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            client_id="rollcall-ingest-sign-outs",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            await consumer.start()
            consumer.assign(self._partitions)
            if not self._next:
                self._next = await consumer.end_offsets(self._partitions)
            for partition, offset in self._next.items():
                consumer.seek(partition, offset)
            while True:
                for partition, records in (await consumer.getmany(timeout_ms=60_000)).items():
                    for record in records:
                        with self._background.goes_on("sign_outs"):
                            await self._end(record.value)
                    self._next[partition] = records[-1].offset + 1
        finally:
            await consumer.stop()

    async def _end(self, value: bytes) -> None:
        try:
            sign_out = _decoder.decode(value)
        except msgspec.DecodeError as error:
            logger.error("A record of presence.sign_outs cannot be read: %s", error)
            return
        await self._end_connections(sign_out.connections, sign_out.reason in _NOT_TRACKED)
