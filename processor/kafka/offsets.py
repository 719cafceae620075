"""What Faust's Kafka consumer does differently for us: where it starts, and how it fetches.

Start offsets come from PostgreSQL, not from Kafka's group commits. Faust seeks once more at the end
of a rebalance, after every signal that an application sees, to what the group committed. So the
driver's consumer is subclassed where that seek is made (tried against kills: a group offset ahead
of PostgreSQL would leave the processor idle for ever).

A fetch waits for company. Records come every few milliseconds under load, and by default each would
be a fetch of its own, which costs Kafka more than the record did. Nobody waits longer for it than
``FETCH_WAIT_MS``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.transport.drivers.aiokafka import Consumer as KafkaConsumer
from faust.transport.drivers.aiokafka import Transport as KafkaTransport
from faust.types import TP

#: Bytes that end the wait at once: several full records.
FETCH_MIN_BYTES: Final = 262_144
FETCH_WAIT_MS: Final = 100

ReadOffsets = Callable[[], Awaitable[Mapping[int, int]]]


class _FetchingThread(AIOKafkaConsumerThread):
    """Faust has no setting for either."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_min_bytes = FETCH_MIN_BYTES
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


def stored_offsets_transport(read_offsets: ReadOffsets, topic: str) -> type[KafkaTransport]:
    """A transport whose consumer starts each partition of ``topic`` where PostgreSQL stands.

    ``read_offsets`` gives where to read from by partition; it is called at least once a rebalance.
    """

    class StoredOffsetsConsumer(KafkaConsumer):
        def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
            return _FetchingThread(self, loop=self.loop, beacon=self.beacon)

        async def perform_seek(self) -> None:
            await super().perform_seek()
            stored = await read_offsets()
            ours = {tp: stored[tp.partition] for tp in self.assignment() if tp.topic == topic}
            await self.seek_wait({TP(tp.topic, tp.partition): at for tp, at in ours.items()})
            for tp, offset in ours.items():
                key = TP(tp.topic, tp.partition)
                # Faust's idea of both: what it reads next, and what it may commit from.
                self._read_offset[key] = offset if offset else None
                self._committed_offset[key] = offset if offset else None

    class StoredOffsetsTransport(KafkaTransport):
        Consumer = StoredOffsetsConsumer

    return StoredOffsetsTransport
