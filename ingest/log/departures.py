"""Records that are ready in one turn of the event loop go to their broker in one request.

Kafka reads the next request of a connection only when the one before it is answered, so records of
several partitions in requests of their own wait for each other anyway, and each pays for its
request here and there. Each record has its own answer: one that is refused says nothing of others.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple, TypeAlias

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NodeNotReadyError
from aiokafka.protocol.produce import ProduceRequest

#: A request takes records up to here, or one that is larger: far below what a broker reads.
MAX_REQUEST_BYTES: Final = 1_048_576
_ALL_REPLICAS: Final = -1


class Answer(NamedTuple):
    """Of a broker, for one record."""

    error_code: int
    offset: int


class _Record(NamedTuple):
    partition: int
    batch: bytes
    answer: asyncio.Future[Answer]


_Records: TypeAlias = list[_Record]


class Departures:
    """Of one topic."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._waiting: dict[tuple[AIOKafkaClient, int], _Records] = {}
        self._sending: set[asyncio.Task[None]] = set()

    def join(
        self, client: AIOKafkaClient, leader: int, partition: int, batch: bytes, timeout_ms: int
    ) -> asyncio.Future[Answer]:
        """Have the batch sent in this turn of the loop. What is cancelled before that is not sent.

        The result raises what :meth:`AIOKafkaClient.send` does.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        records = self._waiting.get((client, leader))
        if records is None:
            records = self._waiting[client, leader] = []
            loop.call_soon(self._depart, client, leader, timeout_ms)
        records.append(_Record(partition, batch, answer))
        return answer

    def _depart(self, client: AIOKafkaClient, leader: int, timeout_ms: int) -> None:
        records = self._waiting.pop((client, leader))
        while records:
            some, records = _split(records)
            task = asyncio.create_task(self._send(client, leader, some, timeout_ms))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(
        self, client: AIOKafkaClient, leader: int, records: _Records, timeout_ms: int
    ) -> None:
        try:
            if not await client.ready(leader):
                raise NodeNotReadyError(f"broker {leader} cannot be reached")
            # To connect may have taken long: whoever has given up must not be in the log later.
            records = [record for record in records if not record.answer.done()]
            if not records:
                return
            response = await client.send(
                leader,
                ProduceRequest(
                    transactional_id=None,
                    required_acks=_ALL_REPLICAS,
                    timeout=timeout_ms,
                    topics=[(self._topic, [(each.partition, each.batch) for each in records])],
                ),
            )
            [(_, answers)] = response.topics
            by_partition = {answer[0]: Answer(answer[1], answer[2]) for answer in answers}
            for record in records:
                if not record.answer.done():
                    record.answer.set_result(by_partition[record.partition])
        except Exception as error:  # noqa: BLE001 - all of them wait for an answer, whatever went wrong
            for record in records:
                if not record.answer.done():
                    record.answer.set_exception(error)
                    record.answer.exception()  # its caller may have given up by now: no matter


def _split(records: _Records) -> tuple[_Records, _Records]:
    """Those of the next request, and the rest."""
    size = 0
    for place, record in enumerate(records):
        size += len(record.batch)
        if place and size > MAX_REQUEST_BYTES:
            return records[:place], records[place:]
    return records, []
