"""Kafka's id of a topic, which aiokafka's newest metadata request is too old to ask for.

A topic that was deleted and made again has the same name and offsets from 0. Processor and ingest
compare ids, at their start and every ``ASK_EVERY_SECONDS`` (design, section 6): so neither reads or
writes another log as if it were the one it knows.

The structures are those of Kafka's protocol guide, Metadata API, version 12 (Kafka 2.8 and newer).
"""

from __future__ import annotations

from io import BytesIO
from typing import Final
from uuid import UUID

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from schemas.log.client import client_options
from schemas.log.settings import KafkaSettings
from schemas.log.topics import TopicProblemError

ASK_EVERY_SECONDS: Final = 5.0
ANY_ID = UUID(int=0)


class _Uuid(AbstractType):
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


class _MetadataResponse(Response):
    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _MetadataRequestStruct(RequestStruct):
    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)
            ),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequestStruct]):
    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_MetadataRequestStruct]) -> _MetadataRequestStruct:
        return request_struct_class([(ANY_ID, self._topic, {})], False, False, {})


class TopicReplacedError(TopicProblemError):
    """The topic is another one than before, under the same name."""

    def __init__(self, topic: str, known: UUID, found: UUID) -> None:
        super().__init__(
            f"topic {topic} was deleted and made again (id {known}, now {found}): the database of "
            "the processors belongs to the old one; point back to the old topic's Kafka, or, where "
            "that is lost for good, stop all services and let rollcall offsets accept-loss "
            "--new-topic keep history and opt-outs, or start with an empty database"
        )


async def topic_id(settings: KafkaSettings, topic: str) -> UUID:
    """The id of an existing topic. Raises ``KafkaError`` if Kafka is away or has no such topic."""
    client = AIOKafkaClient(**client_options(settings), client_id="rollcall-topic-id")
    try:
        await client.bootstrap()
        return await ask_topic_id(client, topic)
    finally:
        await client.close()


async def ask_topic_id(client: AIOKafkaClient, topic: str) -> UUID:
    """The same over a connection that there is."""
    response = await client.send(client.get_random_node(), _MetadataRequest(topic))
    [found] = response.topics
    if found[0]:
        raise for_code(found[0])(f"topic {topic}")
    identity: UUID = found[2]
    return identity
