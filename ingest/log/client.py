"""The connection to Kafka, kept by one task: there, away, or not known yet.

Kafka being away ends nothing. Who waits for the connection waits until the keeper knows more: it is
there, or the attempt failed and everybody is told so at once, until a later one succeeds. Where
users report that nothing goes through any more, the keeper starts again from the bootstrap servers:
brokers may have come back at other addresses, and aiokafka's client only knows the old ones.

The topic that this process began with is the only one that it writes to. If it was deleted and made
again, Kafka counts as away: what is written there would be in a log that no database belongs to.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final
from uuid import UUID

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from ingest.log.cancellation import end
from ingest.metrics import IngestMetrics
from ingest.settings import IngestSettings
from schemas.log.client import client_options
from schemas.log.diagnosis import why_away
from schemas.log.topic_ids import ASK_EVERY_SECONDS, TopicReplacedError, ask_topic_id
from schemas.log.topics import (
    EVENTS,
    MIN_RECORD_BYTES,
    TopicMissingError,
    TopicProblemError,
    check_topics,
    record_limit_bytes,
    topic_name,
)

RECONNECT_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 0.1

logger = logging.getLogger(__name__)


class Connection:
    """A client of Kafka that knows the leaders of ``presence.events``."""

    def __init__(self, settings: IngestSettings, metrics: IngestMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._client: AIOKafkaClient | None = None
        self._away: str | None = None
        # Set once it is known whether Kafka is there: connected, or away.
        self._settled = asyncio.Event()
        self._suspect = asyncio.Event()
        self._topics_checked = False
        self._topic = topic_name(settings, EVENTS)
        #: The topic's id, from the first connection on.
        self._identity: UUID | None = None
        self._keeper: asyncio.Task[None] | None = None
        #: Half of what a call waits: a connection that died silently is found in time for a second
        #: attempt on another.
        self.request_timeout_ms = max(500, int(settings.accept_timeout_seconds * 500))
        #: How large the value of a record may be: read with each connection.
        self.max_record_bytes: int = MIN_RECORD_BYTES

    @property
    def away(self) -> str | None:
        """Why Kafka cannot be used, as of the last attempt to reach it; ``None`` if it can or if
        that is not known yet."""
        return self._away

    @property
    def not_ready(self) -> str | None:
        """Why phones should not be sent here now."""
        if self._client is None:
            return self._away or "Kafka has not answered yet"
        return None

    def start(self) -> None:
        """Begin to connect; does not wait for Kafka."""
        self._keeper = asyncio.create_task(self._keep(), name="kafka-connection")

    async def close(self) -> None:
        if self._keeper is not None:
            await end(self._keeper)
        await self._disconnect()

    async def client(self) -> AIOKafkaClient:
        """The client, once there is one. Raises ``KafkaError`` while Kafka is away."""
        while self._client is None:
            if self._away is not None:
                raise KafkaError(self._away)
            self._settled.clear()
            await self._settled.wait()
        return self._client

    def suspect(self) -> None:
        """Nothing goes through any more: connect again."""
        self._suspect.set()

    async def _keep(self) -> None:
        while True:
            with self._metrics.background.goes_on("kafka_connection"):
                await self._connect_until_suspect()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _connect_until_suspect(self) -> None:
        try:
            await self._try_to_connect()
            if self._client is not None:
                self._suspect.clear()
                await self._until_suspect(self._client)
        except Exception as error:
            self._away = self._away or type(error).__name__
            self._settled.set()  # nobody waits for what nobody thought of
            raise
        finally:
            await self._disconnect()

    async def _try_to_connect(self) -> None:
        try:
            async with asyncio.timeout(self._settings.accept_timeout_seconds):
                self._client = await self._connect()
        except (KafkaError, OSError, TimeoutError, TopicProblemError) as error:
            told, self._away = self._away, self._away or str(error) or type(error).__name__
            self._settled.set()
            self._away = await why_away(self._settings, error)
            is_another = isinstance(error, TopicProblemError) and told != self._away
            if told is None or is_another:
                logger.error("Kafka cannot be used, calls get a 503: %s", self._away)
        else:
            logger.info("Connected to Kafka")
            self._away = None
            self._metrics.kafka_connected.set(1)
        self._settled.set()

    async def _until_suspect(self, client: AIOKafkaClient) -> None:
        """Return once records may not go where they should."""
        while True:
            try:
                async with asyncio.timeout(ASK_EVERY_SECONDS):
                    await self._suspect.wait()
            except TimeoutError:
                pass
            else:
                logger.warning("Kafka did not acknowledge in time: connecting again")
                return
            try:
                async with asyncio.timeout(self._settings.accept_timeout_seconds):
                    await self._require_same_topic(client)
            except TopicProblemError:
                return  # the next attempt to connect says why
            except (KafkaError, OSError, TimeoutError, KeyError):
                continue  # the next write finds out

    async def _require_same_topic(self, client: AIOKafkaClient) -> None:
        """Raises ``TopicProblemError`` or ``KafkaError``."""
        try:
            found = await ask_topic_id(client, self._topic)
        except UnknownTopicOrPartitionError:
            self._metrics.topic_replaced.set(self._identity is not None)
            raise TopicMissingError(
                f"topic {self._topic} does not exist; create it with: rollcall topics"
            ) from None
        if self._identity is not None and found != self._identity:
            self._metrics.topic_replaced.set(1)
            raise TopicReplacedError(self._topic, self._identity, found)
        self._identity = found
        self._metrics.topic_replaced.set(0)

    async def _connect(self) -> AIOKafkaClient:
        if not self._topics_checked:
            await check_topics(self._settings)
            self._topics_checked = True
        self.max_record_bytes = await record_limit_bytes(self._settings, self._topic)
        client = AIOKafkaClient(
            **client_options(self._settings),
            client_id="rollcall-ingest",
            request_timeout_ms=self.request_timeout_ms,
            retry_backoff_ms=int(RETRY_SECONDS * 1000),
        )
        try:
            await client.bootstrap()
            if not await client.set_topics([self._topic]):
                raise KafkaError("no metadata from any broker")
            await self._require_same_topic(client)
        except BaseException:
            await client.close()
            raise
        return client

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        self._metrics.kafka_connected.set(0)
        if client is not None:
            await client.close()
