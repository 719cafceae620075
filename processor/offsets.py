"""Start offsets come from PostgreSQL, not from Kafka's group commits.

Faust seeks once more at the end of a rebalance, after every signal that an application sees, to
what the group committed. So the driver's consumer is subclassed where that seek is made (tried
against kills: a group offset ahead of PostgreSQL would leave the processor idle for ever).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from faust.transport.drivers.aiokafka import Consumer as KafkaConsumer
from faust.transport.drivers.aiokafka import Transport as KafkaTransport
from faust.types import TP

ReadOffsets = Callable[[], Awaitable[Mapping[int, int]]]


def stored_offsets_transport(read_offsets: ReadOffsets, topic: str) -> type[KafkaTransport]:
    """A transport whose consumer starts each partition of ``topic`` where PostgreSQL stands.

    ``read_offsets`` gives ``next_offset`` by partition; it is called at least once a rebalance.
    """

    class StoredOffsetsConsumer(KafkaConsumer):
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
