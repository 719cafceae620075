"""What Kafka's users may do: each service what it does, and no more (`rollcall topics`).

Where brokers have an authorizer. A right that is there already is granted again, which changes
nothing; none is ever taken away.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from aiokafka.protocol.admin import CreateAclsRequest

from schemas.log.settings import KafkaSettings
from schemas.log.topics import CHANGES, EVENTS, PRIVACY, REJECTS, SIGN_OUTS, kafka_admin, topic_name

_ALLOW: Final = 3
_LITERAL: Final = 3
_NO_AUTHORIZER: Final = 54


class Resource(IntEnum):
    """Kafka's numbers of what a right is for."""

    TOPIC = 2
    GROUP = 3


class Operation(IntEnum):
    """Kafka's numbers of what may be done."""

    READ = 3
    WRITE = 4
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10


class Right(NamedTuple):
    """One user may do one thing with one topic or group."""

    user: str
    operation: Operation
    resource: Resource
    name: str


class RightsRefusedError(RuntimeError):
    """Kafka did not take a right. One line."""


def rights_of_ingest(settings: KafkaSettings, user: str) -> Iterator[Right]:
    """It appends events, and follows the sign-outs and the opt-outs without a group."""
    yield from _look_at_topics(settings, user)
    yield Right(user, Operation.WRITE, Resource.TOPIC, topic_name(settings, EVENTS))
    for topic in (SIGN_OUTS, PRIVACY):
        yield Right(user, Operation.READ, Resource.TOPIC, topic_name(settings, topic))


def rights_of_processor(settings: KafkaSettings, user: str, group: str) -> Iterator[Right]:
    """It reads events as one of a group, and publishes what came of them."""
    yield from _look_at_topics(settings, user)
    yield Right(user, Operation.READ, Resource.TOPIC, topic_name(settings, EVENTS))
    yield Right(user, Operation.READ, Resource.GROUP, settings.topic_prefix + group)
    for topic in (CHANGES, REJECTS, SIGN_OUTS, PRIVACY):
        yield Right(user, Operation.WRITE, Resource.TOPIC, topic_name(settings, topic))


def rights_of_notify(settings: KafkaSettings, user: str, group: str) -> Iterator[Right]:
    """It reads changes as one of a group."""
    yield from _look_at_topics(settings, user)
    yield Right(user, Operation.READ, Resource.TOPIC, topic_name(settings, CHANGES))
    yield Right(user, Operation.READ, Resource.GROUP, settings.topic_prefix + group)


def rights_of_api(settings: KafkaSettings, user: str) -> Iterator[Right]:
    """It writes opt-outs and erasures, and the flags of the former."""
    yield from _look_at_topics(settings, user)
    for topic in (EVENTS, PRIVACY):
        yield Right(user, Operation.WRITE, Resource.TOPIC, topic_name(settings, topic))


def _look_at_topics(settings: KafkaSettings, user: str) -> Iterator[Right]:
    """Each service checks at its start that they are as they must be."""
    for topic in (EVENTS, CHANGES, REJECTS, SIGN_OUTS, PRIVACY):
        for operation in (Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS):
            yield Right(user, operation, Resource.TOPIC, topic_name(settings, topic))


async def grant(settings: KafkaSettings, rights: list[Right]) -> None:
    """Grant them. Raises ``RightsRefusedError``, ``KafkaError``, ``OSError``."""
    async with kafka_admin(settings) as admin:
        for right in rights:
            request = CreateAclsRequest(
                right.resource,
                right.name,
                _LITERAL,
                f"User:{right.user}",
                "*",
                right.operation,
                _ALLOW,
            )
            response = await admin._send_request(request)  # the client has no call for it
            for code, message in response.creation_responses:
                if code == _NO_AUTHORIZER:
                    raise RightsRefusedError(
                        "the brokers have no authorizer, so that everybody may do everything: set "
                        "their authorizer.class.name, or leave the users out"
                    )
                if code:
                    raise RightsRefusedError(
                        f"Kafka did not take a right of {right.user}: {message}"
                    )
