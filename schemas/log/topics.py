"""The topics, their settings, and the check that a running Kafka has them as they must be.

Retentions and the reason for ``segment.ms``: design, section 5. A topic that presence cannot run
on is refused at start-up with the command that mends it, because both mistakes (CreateTime, or
another partition count) would give wrong answers silently.

With ``ROLLCALL_ALLOW_CREATE_TIME`` a deployment is one for replay and tests: the writer of a record
says its time, which may be years ago or years ahead. Kafka counts retention by that time, and would
delete old records while they are read; so ``presence.events`` is kept for ever there, and a segment
ends by its size alone. Such a topic is refused without the setting, and any other one with it.

With three copies a record counts as stored once two brokers have it (``min.insync.replicas``): with
one, a broker that dies in the wrong second takes accepted heartbeats along (promise 1). ``rollcall
topics`` refuses a topic that is laxer. A service does not look: who has lost two of three brokers
may lower it to go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError

from schemas.log.client import client_options
from schemas.log.settings import KafkaSettings

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

EVENTS = "presence.events"
CHANGES = "presence.changes"
REJECTS = "presence.rejects"
#: Those of the changes that end sockets: ingest reads them (deploy/adr/0004).
SIGN_OUTS = "presence.sign_outs"

#: Flags of users who opted out or were erased, by keyed hash, for ingest and `rollcall erase`.
PRIVACY = "presence.privacy"

_NO_LIMIT_MS = str(2**63 - 1)
_MAKE_LIVE = (
    "presence runs on the broker's clock; mend it with: kafka-configs.sh --alter --entity-type "
    "topics --entity-name {name} --add-config {key}={value} (a deployment for replay and tests "
    "sets ROLLCALL_ALLOW_CREATE_TIME)"
)
_MAKE_ANOTHER = (
    "ROLLCALL_ALLOW_CREATE_TIME is for replay and tests; unset it, or make a deployment for them "
    "with another ROLLCALL_TOPIC_PREFIX and an empty database"
)

_KEEP_FLAGS = (
    "an opt-out must not be forgotten; mend it with: kafka-configs.sh --alter --entity-type topics "
    "--entity-name {name} --add-config {key}={value}"
)

#: From so many copies on, so many brokers must have a record before it counts as stored.
_COPIES, _MIN_IN_SYNC = 3, 2

#: How long the brokers may take to hear of a new topic.
_KNOWN_SECONDS: Final = 30.0

#: A fat record of an overloaded partition plus msgpack framing, well under Kafka's own 1 MiB.
MAX_RECORD_BYTES: Final = 1_000_000
#: Several of the largest events: a topic that takes no records of this size is refused.
MIN_RECORD_BYTES: Final = 16_384
#: What Kafka counts beside the value: heads of a batch and of a record, and a codec's frame.
BATCH_OVERHEAD_BYTES: Final = 1_024


class TopicProblemError(RuntimeError):
    """A topic is missing or not as it must be; the message names the command that mends it."""


class TopicMissingError(TopicProblemError):
    """A topic has not been created yet: time may mend that."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """What a topic must look like. ``required`` settings are checked at start-up; ``remedy`` says
    why and what to do, with places for ``name``, ``key`` and ``value``. ``kept_by`` is the setting
    that says how long (``schemas/log/topic_retention.py``)."""

    name: str
    partitions: int
    settings: dict[str, str]
    required: dict[str, str] = field(default_factory=dict)
    remedy: str = ""
    kept_by: str = ""


def topic_name(settings: KafkaSettings, topic: str) -> str:
    """The name of ``topic`` in this deployment."""
    return settings.topic_prefix + topic


def topic_specs(settings: KafkaSettings) -> list[TopicSpec]:
    """Every topic of a deployment."""
    copied = settings.replication_factor >= _COPIES
    durable = {"min.insync.replicas": str(_MIN_IN_SYNC)} if copied else {}

    def retained(retention_ms: int) -> dict[str, str]:
        # An active segment is never deleted: roll often enough for retention to mean something.
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(retention_ms),
            "segment.ms": str(retention_ms // 12),
            **durable,
        }

    if settings.allow_create_time:
        required = {
            "message.timestamp.type": "CreateTime",
            "cleanup.policy": "delete",
            "retention.ms": "-1",
        }
        any_time = {
            "message.timestamp.before.max.ms": _NO_LIMIT_MS,
            "message.timestamp.after.max.ms": _NO_LIMIT_MS,
            "segment.ms": _NO_LIMIT_MS,
        }
        events = {**required, **any_time, **durable}
    else:
        required = {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "delete"}
        events = {**retained(settings.log_retention_hours * HOUR_MS), **required}
    return [
        TopicSpec(
            topic_name(settings, EVENTS),
            settings.partitions,
            events,
            required,
            _MAKE_ANOTHER if settings.allow_create_time else _MAKE_LIVE,
            "" if settings.allow_create_time else "log_retention_hours",
        ),
        *(
            TopicSpec(topic_name(settings, name), settings.partitions, retained(ms), kept_by=by)
            for name, ms, by in (
                (CHANGES, settings.changes_retention_days * DAY_MS, "changes_retention_days"),
                (REJECTS, settings.rejects_retention_days * DAY_MS, "rejects_retention_days"),
                (
                    SIGN_OUTS,
                    settings.sign_outs_retention_hours * HOUR_MS,
                    "sign_outs_retention_hours",
                ),
            )
        ),
        TopicSpec(
            topic_name(settings, PRIVACY),
            settings.partitions,
            # An active segment is never compacted.
            {"cleanup.policy": "compact", "segment.ms": str(6 * HOUR_MS), **durable},
            {"cleanup.policy": "compact"},
            _KEEP_FLAGS,
        ),
    ]


@asynccontextmanager
async def kafka_admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client that looks at topics and makes them. Raises ``KafkaError``, ``OSError``."""
    client = AIOKafkaAdminClient(**client_options(settings), client_id="rollcall-topics")
    try:
        await client.start()
        yield client
    finally:
        await client.close()


async def create_topics(settings: KafkaSettings) -> list[str]:
    """Create the topics that are missing and check all; gives the names of those created.

    Raises :class:`TopicProblemError` if one that exists is not as it must be, ``KafkaError`` if
    Kafka cannot be asked.
    """
    specs = topic_specs(settings)
    async with kafka_admin(settings) as admin:
        existing = set(await admin.list_topics())
        missing = [spec for spec in specs if spec.name not in existing]
        created = await make_topics(admin, missing, settings.replication_factor)
        await _check_all(admin, specs)
    return created


async def make_topics(
    admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec], copies: int
) -> list[str]:
    """In one call, which costs a broker a quarter of one for each; gives the names of those that
    nobody else has created meanwhile. Raises as :func:`create_topics`."""
    new = [NewTopic(s.name, s.partitions, copies, topic_configs=s.settings) for s in specs]
    # aiokafka's client gives the answer without raising for each topic's error.
    results = (await admin.create_topics(new)).topic_errors if new else ()
    for name, code, *message in results:
        if code not in (0, TopicAlreadyExistsError.errno):
            raise TopicProblemError(f"Kafka did not create topic {name}: {message[0]}")
    return [name for name, code, *_ in results if code == 0]


async def check_topics(settings: KafkaSettings) -> None:
    """Start-up check of a service. Raises :class:`TopicProblemError`, or ``KafkaError``."""
    async with kafka_admin(settings) as admin:
        await _check(admin, topic_specs(settings))


async def _check_all(admin: AIOKafkaAdminClient, specs: list[TopicSpec]) -> None:
    """Of topics that were made a moment ago: each question may be put to another broker, and not
    every one has heard of them yet."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _KNOWN_SECONDS
    while True:
        try:
            await _check(admin, specs)
            return await _check_copies(admin, specs)
        except TopicMissingError:
            if loop.time() > deadline:
                raise
        await asyncio.sleep(0.1)


async def _check(admin: AIOKafkaAdminClient, specs: list[TopicSpec]) -> None:
    described = {
        topic["topic"]: topic for topic in await admin.describe_topics([s.name for s in specs])
    }
    for spec in specs:
        topic = described.get(spec.name)
        if topic is None or topic.get("error_code"):
            raise _missing(spec.name)
        found = len(topic["partitions"])
        if found != spec.partitions:
            raise TopicProblemError(
                f"topic {spec.name} has {found} partitions, not {spec.partitions}: the count is "
                f"fixed when a deployment is made; set ROLLCALL_PARTITIONS={found}, or start a "
                "deployment with another ROLLCALL_TOPIC_PREFIX"
            )
    for spec in specs:
        if spec.required:
            await _check_settings(admin, spec)
            usable_record_bytes(spec.name, await topic_settings(admin, spec.name))


def usable_record_bytes(name: str, settings: Mapping[str, str | None]) -> int:
    """How large the value of a record may be in a topic with these settings: Kafka refuses a batch
    above ``max.message.bytes``, and one that fits into no segment.

    Raises :class:`TopicProblemError` if that is too little for our events.
    """
    least, key = min(
        (int(settings.get(key) or MAX_RECORD_BYTES), key)
        for key in ("max.message.bytes", "segment.bytes")
    )
    needed = MIN_RECORD_BYTES + BATCH_OVERHEAD_BYTES
    if least < needed:
        raise TopicProblemError(
            f"topic {name} has {key}={least}: an event may be larger; mend it with: "
            "kafka-configs.sh --alter --entity-type topics --entity-name "
            f"{name} --add-config {key}=1048588"
        )
    return min(MAX_RECORD_BYTES, least - BATCH_OVERHEAD_BYTES)


async def record_limit_bytes(settings: KafkaSettings, *names: str) -> int:
    """The least :func:`usable_record_bytes` of these topics, as they are now. Raises
    :class:`TopicProblemError`, ``KafkaError`` or ``OSError``."""
    async with kafka_admin(settings) as admin:
        return min([usable_record_bytes(name, await topic_settings(admin, name)) for name in names])


async def _check_copies(admin: AIOKafkaAdminClient, specs: list[TopicSpec]) -> None:
    """Of topics that have so many copies that one alone need not count as stored."""
    for topic in await admin.describe_topics([spec.name for spec in specs]):
        name = topic["topic"]
        if topic.get("error_code"):
            raise _missing(name)
        if min(len(each["replicas"]) for each in topic["partitions"]) < _COPIES:
            continue
        found = (await topic_settings(admin, name)).get("min.insync.replicas") or "1"
        if int(found) < _MIN_IN_SYNC:
            raise TopicProblemError(
                f"topic {name} has {_COPIES} copies or more, but min.insync.replicas={found}: one "
                "broker that dies could take accepted events along; mend it with: "
                "kafka-configs.sh --alter --entity-type topics --entity-name "
                f"{name} --add-config min.insync.replicas={_MIN_IN_SYNC}"
            )


async def topic_settings(admin: AIOKafkaAdminClient, name: str) -> dict[str, str | None]:
    """All settings of a topic, those that it has from the brokers included."""
    [response] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    [(error_code, error_message, _, _, entries)] = response.resources
    if error_code == UnknownTopicOrPartitionError.errno:
        raise _missing(name)
    if error_code:
        raise KafkaError(f"cannot read the settings of topic {name}: {error_message}")
    return {entry[0]: entry[1] for entry in entries}


def _missing(name: str) -> TopicMissingError:
    return TopicMissingError(f"topic {name} does not exist; create it with: rollcall topics")


async def _check_settings(admin: AIOKafkaAdminClient, spec: TopicSpec) -> None:
    found = await topic_settings(admin, spec.name)
    for key, wanted in spec.required.items():
        if found.get(key) != wanted:
            remedy = spec.remedy.format(name=spec.name, key=key, value=wanted)
            raise TopicProblemError(
                f"topic {spec.name} has {key}={found.get(key)}, not {wanted}: {remedy}"
            )
