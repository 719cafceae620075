"""Appends records to ``presence.events``: durable, idempotent, and never later than promised.

This is a producer on aiokafka's client, not aiokafka's own producer, for promise 1: a record whose
caller was told 503 must not be sent afterwards. aiokafka's idempotent producer keeps a queued batch
for ever, sends it whenever Kafka is back, and once its sequence is broken it stays broken. A
partition has one record in flight here, so nothing of its accumulator is needed: a record is tried
until its deadline and then let go, and at most one request of it is still on its way.

Each partition has a producer id of its own with the next sequence number, so that Kafka drops what
a retry repeats. Whenever a record's fate is unknown or refused, the partition takes a new id: no
state outlives a failure (lost broker data, an expired id, a time-out), and one partition's trouble
is not another's.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    DuplicateSequenceNumber,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    NoError,
    RecordListTooLargeError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.structs import TopicPartition

from ingest.log.client import RETRY_SECONDS, Connection
from ingest.log.departures import Departures
from schemas.log.topics import MAX_RECORD_BYTES

#: From here on LZ4 makes a record smaller (a hundred events: by two thirds, for 0.3 µs each).
COMPRESS_FROM_BYTES: Final = 1024
# Kafka's encoding of "no transaction" wants a time-out nevertheless.
_NO_TRANSACTION_MS: Final = 2**31 - 1

logger = logging.getLogger(__name__)


class _AnotherLogError(KafkaError):  # type: ignore[misc]
    """An offset that is not above those before: the topic was made again, or its end was lost."""


class NotAppendedError(Exception):
    """The record is not known to be in the log. ``answered``: Kafka says that it cannot write;
    else nothing was heard of it."""

    def __init__(self, reason: str, *, answered: bool = False) -> None:
        super().__init__(reason)
        self.answered = answered


@dataclass(slots=True)
class _ProducerId:
    id: int
    epoch: int
    next_sequence: int = 0


class EventLog:
    """``presence.events`` for writing. One record of a partition at a time."""

    def __init__(self, topic: str, connection: Connection) -> None:
        self._topic = topic
        self._connection = connection
        self._departures = Departures(topic)
        self._producer_ids: dict[int, _ProducerId] = {}
        #: The last offset that was acknowledged, by partition.
        self._offsets: dict[int, int] = {}
        #: The partitions of whose last record a broker has said something.
        self._answered: set[int] = set()
        self._succeeded_at = 0.0

    @property
    def max_record_bytes(self) -> int:
        """As :attr:`Connection.max_record_bytes`."""
        return self._connection.max_record_bytes

    @property
    def away(self) -> str | None:
        """As :attr:`Connection.away`."""
        return self._connection.away

    async def append(self, partition: int, value: bytes, deadline: float) -> None:
        """Append one record and wait until all in-sync replicas have it.

        ``deadline`` is the event loop's clock in seconds. Raises :class:`NotAppendedError` at the
        latest then; the record may be in the log nevertheless. Must not run twice at the same time
        for a partition.
        """
        now = asyncio.get_running_loop().time
        started = now()
        self._answered.discard(partition)
        try:
            async with asyncio.timeout_at(deadline):
                await self._append(partition, value)
        except (TimeoutError, KafkaError, OSError) as error:
            self._producer_ids.pop(partition, None)
            if self._succeeded_at < started:
                self._connection.suspect()
            answered = partition in self._answered
            raise NotAppendedError(str(error) or type(error).__name__, answered=answered) from error
        except Exception as error:  # calls wait for an answer, whatever went wrong
            self._producer_ids.pop(partition, None)
            self._connection.suspect()
            logger.exception("Unexpected error while writing to Kafka")
            raise NotAppendedError(type(error).__name__) from error
        self._succeeded_at = now()

    async def _append(self, partition: int, value: bytes) -> None:
        batch: bytes | None = None
        while True:
            client = await self._connection.client()
            try:
                if batch is None:
                    producer = await self._producer_id(client, partition)
                    batch = _encode(value, producer)
                error = await self._produce(client, partition, batch)
            except KafkaError as failure:
                error = failure
            except KeyError:
                # aiokafka's client, when another request has just dropped the same connection.
                error = KafkaConnectionError("connection lost")
            if error is None or isinstance(error, DuplicateSequenceNumber):
                producer.next_sequence += 1
                return
            if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
                # Somebody lowered the limit: it is read again with the next connection.
                self._connection.suspect()
            if not error.retriable:
                raise error
            if isinstance(error, UnknownTopicOrPartitionError):
                # It may have been deleted: no retry before its id is known to be the same.
                self._connection.suspect()
            if error.invalid_metadata:
                # Not waited for: it takes long where a broker does not answer.
                client.force_metadata_update()
            await asyncio.sleep(RETRY_SECONDS)

    async def _produce(
        self, client: AIOKafkaClient, partition: int, batch: bytes
    ) -> KafkaError | None:
        leader = client.cluster.leader_for_partition(TopicPartition(self._topic, partition))
        if leader is None or leader == -1:
            self._answered.add(partition)
            return UnknownTopicOrPartitionError(self._topic)
        timeout_ms = self._connection.request_timeout_ms
        answer = await self._departures.join(client, leader, partition, batch, timeout_ms)
        self._answered.add(partition)
        error_type = for_code(answer.error_code)
        if error_type is not NoError:
            return error_type(self._topic)
        offset = answer.offset
        if offset <= self._offsets.get(partition, -1):
            # Not acknowledged before the topic's id is known to be the same.
            self._offsets.clear()
            self._connection.suspect()
            return _AnotherLogError(f"{self._topic} goes on at offset {offset}")
        self._offsets[partition] = offset
        return None

    async def _producer_id(self, client: AIOKafkaClient, partition: int) -> _ProducerId:
        producer = self._producer_ids.get(partition)
        if producer is None:
            response = await client.send(
                client.get_random_node(), InitProducerIdRequest(None, _NO_TRANSACTION_MS)
            )
            if response.error_code:
                self._answered.add(partition)
                raise for_code(response.error_code)("producer id")
            producer = _ProducerId(response.producer_id, response.producer_epoch)
            self._producer_ids[partition] = producer
        return producer


def _encode(value: bytes, producer: _ProducerId) -> bytes:
    """A record batch (magic 2) of one record. The broker sets its time (LogAppendTime)."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=(
            DefaultRecordBatch.CODEC_LZ4
            if len(value) >= COMPRESS_FROM_BYTES
            else DefaultRecordBatch.CODEC_NONE
        ),
        is_transactional=0,
        producer_id=producer.id,
        producer_epoch=producer.epoch,
        base_sequence=producer.next_sequence,
        batch_size=MAX_RECORD_BYTES + 1024,
    )
    builder.append(0, None, None, value, [])
    return bytes(builder.build())
