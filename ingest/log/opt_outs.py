"""Follows ``presence.privacy``: whose heartbeats are answered and written nowhere (promise 8).

Every ingest process reads the whole topic before it is ready, and holds the hashes of those who
opted out: a million take about 100 MB, and to look for one costs under 2 µs. Of the two
flags that a user may have, that of the later event holds. It commits nothing.

A process whose key is not the deployment's is not ready from its start on, and takes heartbeats
until somebody has opted out: from then on it cannot know of whom. One that is at work already when
the deployment gets its key stays ready until then, so that a key can be given to one process after
another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ingest.log.cancellation import end
from ingest.log.not_taken import NotTakenError
from ingest.metrics import IngestMetrics
from ingest.settings import IngestSettings
from schemas.log.client import client_options
from schemas.log.diagnosis import why_away
from schemas.log.privacy_flags import CLAIM_KEY, decode_claim, decode_flag, user_of_key
from schemas.log.topics import PRIVACY, topic_name
from schemas.service.user_hash import UserHashKeyError, check_fingerprint

RETRY_SECONDS: Final = 1.0
#: Of whom it is remembered of which event the last flag was: a flag that comes late is older.
MAX_RECENT: Final = 10_000

logger = logging.getLogger(__name__)


class OptOuts:
    """One task; ``changed`` is awaited after somebody opted out, at most twice a second."""

    def __init__(
        self,
        settings: IngestSettings,
        changed: Callable[[], Awaitable[None]],
        metrics: IngestMetrics,
    ) -> None:
        self._settings = settings
        self._background = metrics.background
        self._hashed = settings.user_hash
        topic = topic_name(settings, PRIVACY)
        self._partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        self._changed = changed
        self._opted_out: set[bytes] = set()
        self._offsets: dict[bytes, int] = {}
        #: Where to go on; empty until the topic was read once.
        self._next: dict[TopicPartition, int] = {}
        self._loaded = False
        self._is_decided = asyncio.Event()
        self._trouble: str | None = None
        #: The deployment has another key than this process, and nobody has opted out yet.
        self._lacks_key: str | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def not_ready(self) -> str | None:
        """Why phones should not be sent here now."""
        if self._trouble is not None or self._loaded:
            return self._trouble or self._lacks_key
        return "the opt-outs have not been read from Kafka yet"

    def covers(self, user: str) -> bool:
        """Whether the user has opted out. Raises :class:`NotTakenError` where that is not known."""
        if self._trouble is not None or (self._hashed is not None and not self._loaded):
            raise NotTakenError("opt_outs_unknown")
        if not self._opted_out or self._hashed is None:
            return False
        return self._hashed(user) in self._opted_out

    async def until_decided(self) -> None:
        """Until it is known who has opted out, or that this process cannot know."""
        if self._hashed is not None:
            await self._is_decided.wait()

    def start(self) -> None:
        """Begin to follow; does not wait for Kafka."""
        self._task = asyncio.create_task(self._follow(), name="opt-outs")

    async def close(self) -> None:
        if self._task is not None:
            await end(self._task)

    def take(self, key: bytes | None, value: bytes | None) -> bool:
        """A record; whether somebody opted out by it. Raises ``UserHashKeyError``."""
        if key == CLAIM_KEY and value is not None:
            self._take_claim(value)
            return False
        user = user_of_key(key)
        if user is None or value is None:
            return False
        try:
            flag = decode_flag(value)
        except msgspec.DecodeError as error:
            logger.error("A record of presence.privacy cannot be read: %s", error)
            return False
        check_fingerprint(self._hashed, flag.fingerprint, "the topic presence.privacy")
        if flag.offset < self._offsets.get(user, -1):
            return False
        self._offsets.pop(user, None)
        self._offsets[user] = flag.offset
        if not flag.opted_out:
            self._opted_out.discard(user)
            return False
        is_new = user not in self._opted_out
        self._opted_out.add(user)
        return is_new

    def _take_claim(self, value: bytes) -> None:
        try:
            check_fingerprint(self._hashed, decode_claim(value).fingerprint, "the deployment")
        except msgspec.DecodeError as error:
            logger.error("A record of presence.privacy cannot be read: %s", error)
        except UserHashKeyError as error:
            if self._loaded:
                logger.warning("As soon as somebody opts out this process takes nothing: %s", error)
            elif self._lacks_key is None:
                logger.error("Not ready: %s", error)
                self._lacks_key = str(error)

    async def _follow(self) -> None:
        while True:
            with self._background.goes_on("opt_outs"):
                try:
                    await self._read()
                except UserHashKeyError as error:
                    if self._trouble is None:
                        logger.error("Not ready: %s", error)
                    self._trouble = str(error)
                    self._is_decided.set()
                except (KafkaError, OSError) as error:
                    reason = await why_away(self._settings, error)
                    logger.warning("Cannot follow opt-outs (%s): trying again", reason)
            await asyncio.sleep(RETRY_SECONDS)

    async def _read(self) -> None:
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            client_id="rollcall-ingest-opt-outs",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            await consumer.start()
            consumer.assign(self._partitions)
            if self._next:
                for partition, offset in self._next.items():
                    consumer.seek(partition, offset)
            else:
                await consumer.seek_to_beginning(*self._partitions)
            ends = await consumer.end_offsets(self._partitions)
            while not self._loaded:
                if all([await consumer.position(p) >= ends[p] for p in self._partitions]):
                    self._load_is_done()
                    break
                await self._take_some(consumer, 500)
            while True:
                if await self._take_some(consumer, 60_000):
                    with self._background.goes_on("opt_outs"):
                        await self._changed()
                    await asyncio.sleep(0.5)
        finally:
            await consumer.stop()

    def _load_is_done(self) -> None:
        self._loaded = True
        self._is_decided.set()
        if self._opted_out:
            logger.info("%d users have opted out", len(self._opted_out))
        self._forget_old_flags()

    async def _take_some(self, consumer: AIOKafkaConsumer, timeout_ms: int) -> bool:
        somebody = False
        for partition, records in (await consumer.getmany(timeout_ms=timeout_ms)).items():
            for record in records:
                somebody = self.take(record.key, record.value) or somebody
            if self._loaded:
                self._next[partition] = records[-1].offset + 1
        if self._loaded:
            self._forget_old_flags()
        return somebody

    def _forget_old_flags(self) -> None:
        while len(self._offsets) > MAX_RECENT:
            del self._offsets[next(iter(self._offsets))]
