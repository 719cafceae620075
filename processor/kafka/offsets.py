"""What Faust's Kafka consumer does differently for us: where it starts, how it fetches, and how it
hands records on.

Start offsets come from PostgreSQL, not from Kafka's group commits. Faust seeks once more at the end
of a rebalance, after every signal that an application sees, to what the group committed. So the
driver's consumer is subclassed where that seek is made (tried against kills: a group offset ahead
of PostgreSQL would leave the processor idle for ever).

A fetch waits for company. Records come every few milliseconds under load, and by default each would
be a fetch of its own, which costs Kafka more than the record did. Nobody waits longer for it than
``FETCH_WAIT_MS``.

Faust hands each record on in a race of four tasks, so that a stop or a rebalance ends the wait for
a full queue. Where there is room it is handed on without any: that was most of what Faust cost a
record.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import uvloop
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
            return _FetchingThread(
                self,
                loop=self.loop,
                beacon=self.beacon,
                thread_loop=uvloop.new_event_loop(),
            )

        async def wait_first(self, *waits: Any, timeout: Any = None) -> Any:
            if len(waits) == 2 and self._has_room():
                hand_on, until_suspended = waits
                if inspect.iscoroutine(hand_on) and inspect.iscoroutine(until_suspended):
                    until_suspended.close()
                    return await hand_on
            return await super().wait_first(*waits, timeout=timeout)

        def _has_room(self) -> bool:
            """Whether a record can be put into the queue of the agent without waiting."""
            return (
                not self.should_stop
                and not self.suspend_flow.is_set()
                and self.app.flow_control.is_active()
                and not any(channel.queue.full() for channel in self.app.topics)
            )

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
