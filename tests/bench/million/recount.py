"""The log, counted again by a reader that shares no code with what wrote or stored it."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, topic_name

SIGNS_OF_LIFE = ("heartbeat", "connect", "renew")


@dataclass
class Recount:
    """By kind of event; and who was heard last, not logged out: nobody here is ever silent."""

    events: Counter[str] = field(default_factory=Counter)
    online: set[str] = field(default_factory=set)

    @property
    def signs_of_life(self) -> int:
        return sum(self.events[kind] for kind in SIGNS_OF_LIFE)


def recount(kafka: KafkaSettings) -> Recount:
    return asyncio.run(_recount(kafka))


async def _recount(kafka: KafkaSettings) -> Recount:
    found, fenced = Recount(), set()
    decode = msgspec.msgpack.Decoder().decode
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.kafka_bootstrap, max_poll_records=2_000)
    await consumer.start()
    try:
        topic = topic_name(kafka, EVENTS)
        partitions = [TopicPartition(topic, p) for p in range(kafka.partitions)]
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        read = dict.fromkeys(partitions, 0)
        while any(read[tp] < ends[tp] for tp in partitions):
            for tp, records in (await consumer.getmany(timeout_ms=1_000)).items():
                for record in records:
                    if record.offset != read[tp]:
                        raise SystemExit(f"a gap in the log: {tp} from {read[tp]}")
                    read[tp] += 1
                    for event in decode(record.value)[1]:
                        kind = event[0]
                        found.events[kind] += 1
                        if kind == "logout":
                            # Each token here logs out once, and counts for nothing from then on.
                            fenced.add(event[1])
                            found.online.discard(event[1])
                        elif kind in SIGNS_OF_LIFE and event[1] not in fenced:
                            found.online.add(event[1])
    finally:
        await consumer.stop()
    return found
