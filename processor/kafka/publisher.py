"""Publishing ``presence.changes``, ``presence.sign_outs``, ``presence.rejects`` and
``presence.privacy``: at least once, in order.

A user's changes go to the partition of ``presence.changes`` with the number of the user's partition
of ``presence.events``. They are stored by the batch that made them and published after it, one
batch at a time. How far is stored with the *next* batch; a partition's new owner publishes again
from there. Ids are the same each time, so a consumer drops repeats.

A change that names connections is published on ``presence.sign_outs`` as well, the same bytes and
before the others: ingest has 2 s to close those sockets (deploy/adr/0004-sign-outs-topic.md).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from prometheus_client import Counter

from processor.core.effects import Reject
from processor.watch.progress import Progress
from schemas.log.changes import Change
from schemas.log.client import client_options
from schemas.log.privacy_flags import (
    CLAIM_KEY,
    CLAIM_PARTITION,
    Claim,
    Flag,
    encode_claim,
    encode_flag,
    flag_key,
)
from schemas.log.settings import KafkaSettings
from schemas.log.topics import (
    CHANGES,
    PRIVACY,
    REJECTS,
    SIGN_OUTS,
    TopicProblemError,
    record_limit_bytes,
    topic_name,
)

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
#: Less where a topic takes less.
BATCH_BYTES = 256 * 1024
#: A producer that stops waits for what it has, for ever where Kafka does not answer.
STOP_SECONDS = 3.0

#: Key and value.
Message: TypeAlias = tuple[bytes | None, bytes]


class ChangePublisher:
    """Writes to the topics that the processor feeds."""

    def __init__(self, settings: KafkaSettings, failures: Counter, progress: Progress) -> None:
        self._failures = failures
        self._progress = progress
        self._changes_topic = topic_name(settings, CHANGES)
        self._sign_outs_topic = topic_name(settings, SIGN_OUTS)
        self._rejects_topic = topic_name(settings, REJECTS)
        self._privacy_topic = topic_name(settings, PRIVACY)
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        #: Partitions publish at once, and share the producer that the first of them starts.
        self._starting = asyncio.Lock()

    async def close(self) -> None:
        """What is still to be sent is let go after a few seconds."""
        await self._discard(self._producer)

    async def publish_changes(self, changes: Mapping[int, Sequence[Change]]) -> None:
        """Return once the broker has them all, by partition; tries again while Kafka is away."""
        for partition, some in changes.items():
            messages: list[Message] = [(c.user_id.encode(), msgspec.json.encode(c)) for c in some]
            signing_out = [
                message for message, c in zip(messages, some, strict=True) if c.connections
            ]
            await self._publish(self._sign_outs_topic, partition, signing_out)
            await self._publish(self._changes_topic, partition, messages)

    async def publish_flags(self, flags: Iterable[tuple[bytes, Flag]]) -> None:
        """What is known of users by their hashes, for ingest, on the partitions of their events."""
        messages: dict[int, list[Message]] = {}
        for user_hash, flag in flags:
            message = flag_key(user_hash, "log"), encode_flag(flag)
            messages.setdefault(flag.partition, []).append(message)
        for partition, some in messages.items():
            await self._publish(self._privacy_topic, partition, some)

    async def publish_claim(self, fingerprint: str) -> None:
        """Say by which key users are known, for ingest, before anybody opts out."""
        message = CLAIM_KEY, encode_claim(Claim(fingerprint))
        await self._publish(self._privacy_topic, CLAIM_PARTITION, [message])

    async def publish_rejects(self, partition: int, rejects: Iterable[Reject]) -> None:
        """Say which events did not count and why. A hash, never the body: that is user data."""
        messages: list[Message] = [
            (
                None,
                msgspec.json.encode(
                    {
                        "partition": partition,
                        "offset": reject.offset,
                        "index": reject.index,
                        "error": reject.error,
                        "sha256": hashlib.sha256(reject.raw).hexdigest(),
                    }
                ),
            )
            for reject in rejects
        ]
        await self._publish(self._rejects_topic, partition, messages)

    async def _publish(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
        """Batches of our own making: a call a message would cost more than the change did."""
        if not messages:
            return
        failed = False
        producer: AIOKafkaProducer | None = None
        while True:
            try:
                producer = await self._started()
                sent = []
                builder = producer.create_batch()
                for key, value in messages:
                    if builder.append(key=key, value=value, timestamp=None) is None:
                        sent.append(await producer.send_batch(builder, topic, partition=partition))
                        builder = producer.create_batch()
                        builder.append(key=key, value=value, timestamp=None)
                sent.append(await producer.send_batch(builder, topic, partition=partition))
                await asyncio.gather(*sent)
            except (KafkaError, OSError, TopicProblemError) as error:
                self._failures.inc()
                # Kafka is away: to wait for it is not to be stuck.
                self._progress.made()
                if not failed:
                    log.warning("cannot publish to %s (%s): trying until it works", topic, error)
                failed = True
                await self._discard(producer)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            return self._producer or await self._start()

    async def _start(self) -> AIOKafkaProducer:
        topics = (
            *(self._changes_topic, self._sign_outs_topic, self._rejects_topic),
            self._privacy_topic,
        )
        limit_bytes = await record_limit_bytes(self._settings, *topics)
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            client_id="rollcall-processor-changes",
            acks="all",
            enable_idempotence=True,
            # Changes of a batch resemble each other: a fraction of the disk, for a week.
            compression_type="lz4",
            max_batch_size=min(BATCH_BYTES, limit_bytes),
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer
        return producer

    async def _discard(self, producer: AIOKafkaProducer | None) -> None:
        """A producer that failed may be in a state it never leaves: the next try has a new one,
        which may be there already."""
        is_current = producer is self._producer
        if producer is None or not is_current:
            return
        self._producer = None
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await producer.stop()
        except (KafkaError, TimeoutError):
            return
