"""The API's own producer: what it writes of opt-outs and erasures.

The event goes first, to the user's partition, so that it is ordered with their heartbeats; then the
flag, so that ingest closes its door at once. If the second fails the processor publishes the flag.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from api.settings import ApiSettings
from schemas.http.problems import ProblemError
from schemas.log.client import client_options
from schemas.log.events import PrivacyEvent, encode_batch, partition_of
from schemas.log.privacy_flags import Flag, encode_flag, flag_key
from schemas.log.topic_ids import ask_topic_id
from schemas.log.topics import EVENTS, PRIVACY, topic_name

WRITE_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Written:
    """An event in the log, at Kafka's ``offset`` in the topic of this id; ``None``: it could not be
    asked for."""

    partition: int
    offset: int
    topic_id: UUID | None


class PrivacyLog:
    """Connects to Kafka with the first call that needs it."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._events, self._privacy = topic_name(settings, EVENTS), topic_name(settings, PRIVACY)
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                async with asyncio.timeout(_STOP_SECONDS):
                    await producer.stop()
            except (KafkaError, TimeoutError):
                return

    async def write(self, event: PrivacyEvent) -> Written:
        """Where the event is, once the log has it. Raises ``ProblemError``
        ``unavailable``: it is not known whether it will be; asking again is safe."""
        partition = partition_of(event.user, self._settings.partitions)
        offset = await self._append(self._events, partition, encode_batch([event]))
        return Written(partition, offset, await self._topic_id())

    async def flag(self, user_hash: bytes, flag: Flag) -> None:
        """Raises as :meth:`write`."""
        key = flag_key(user_hash, "api")
        await self._append(self._privacy, flag.partition, encode_flag(flag), key)

    async def _topic_id(self) -> UUID | None:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                return await ask_topic_id((await self._started()).client, self._events)
        except (KafkaError, OSError, TimeoutError):
            return None  # the event is in the log all the same

    async def _append(
        self, topic: str, partition: int, value: bytes, key: bytes | None = None
    ) -> int:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                producer = await self._started()
                sent = await producer.send_and_wait(topic, value, key=key, partition=partition)
                offset: int = sent.offset
                return offset
        except (KafkaError, OSError, TimeoutError, AssertionError) as error:
            await self.close()  # it may be in a state that it never leaves
            raise ProblemError(
                "unavailable",
                "It is not known whether this is in the log: Kafka did not answer. Ask again; "
                "repeating it is safe.",
            ) from error

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **client_options(self._settings),
                    client_id="rollcall-api-privacy",
                    acks="all",
                    enable_idempotence=True,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer
