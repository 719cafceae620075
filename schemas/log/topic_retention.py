"""How long Kafka keeps what is in a topic: as settings say, also where the topic exists already.

``rollcall topics`` applies a setting that is set. Where none is, a topic that somebody altered by
hand stays as it is, and the processor says so at its start: to keep the log longer is the first
thing to do in an incident, and a release that undid it would lose what is still to be processed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.log.settings import KafkaSettings
from schemas.log.topics import (
    DAY_MS,
    EVENTS,
    HOUR_MS,
    TopicProblemError,
    TopicSpec,
    kafka_admin,
    topic_name,
    topic_settings,
    topic_specs,
)

RETENTION, SEGMENT = "retention.ms", "segment.ms"
_MINUTE_MS: Final = 60_000
_DAYS_FROM_MS: Final = 4 * DAY_MS
#: Kafka's number of a setting that is the topic's own, not one of the brokers.
_OF_THE_TOPIC: Final = 1


@dataclass(frozen=True, slots=True)
class Drift:
    """A topic that is kept for another time than the settings say. ``is_set``: the operator has
    said so, and it is no default."""

    spec: TopicSpec
    found_ms: int
    is_set: bool

    @property
    def wanted_ms(self) -> int:
        return int(self.spec.settings[RETENTION])

    @property
    def variable(self) -> str:
        return f"ROLLCALL_{self.spec.kept_by.upper()}"

    def applied(self) -> str:
        """Of ``rollcall topics``, which has applied it."""
        return (
            f"{self.spec.name} is kept {in_words(self.wanted_ms)} from now on, it was "
            f"{in_words(self.found_ms)} ({self.variable})"
        )

    def __str__(self) -> str:
        wanted, is_default = in_words(self.wanted_ms), "" if self.is_set else ", the default"
        how = "" if self.is_set else f" with {self.variable} set"
        return (
            f"topic {self.spec.name} is kept {in_words(self.found_ms)}, not {wanted}{is_default}: "
            f"rollcall topics{how} applies that; or set {self.variable} to what it is"
        )


def in_words(ms: int) -> str:
    """Such as ``72 hours``, or ``7 days``; a part of a unit counts as one."""
    if ms < 0:
        return "for ever"
    unit_ms, unit = (
        (_MINUTE_MS, "minute")
        if ms < HOUR_MS
        else (HOUR_MS, "hour")
        if ms < _DAYS_FROM_MS or ms % DAY_MS
        else (DAY_MS, "day")
    )
    count = -(-ms // unit_ms)
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


async def retention_drift(settings: KafkaSettings) -> list[Drift]:
    """Topics that are kept for another time. Raises ``KafkaError`` or ``OSError``."""
    async with kafka_admin(settings) as admin:
        return await _drift(admin, settings)


async def events_retention_seconds(settings: KafkaSettings) -> float:
    """How long Kafka keeps ``presence.events`` now, infinite where for ever. Raises ``KafkaError``
    or ``OSError``."""
    async with kafka_admin(settings) as admin:
        found = await topic_settings(admin, topic_name(settings, EVENTS))
    retention_ms = int(found["retention.ms"] or -1)
    return retention_ms / 1000 if retention_ms >= 0 else float("inf")


async def apply_retentions(settings: KafkaSettings) -> tuple[list[Drift], list[Drift]]:
    """Have Kafka keep topics as the settings say that are set; gives these, and those that it left.

    Raises :class:`TopicProblemError` if Kafka refuses that, ``KafkaError`` or ``OSError``.
    """
    applied, left = [], []
    async with kafka_admin(settings) as admin:
        for drift in await _drift(admin, settings):
            if drift.is_set:
                await _apply(admin, drift.spec)
                applied.append(drift)
            else:
                left.append(drift)
    return applied, left


async def _drift(admin: AIOKafkaAdminClient, settings: KafkaSettings) -> list[Drift]:
    found = []
    for spec in topic_specs(settings):
        if not spec.kept_by:
            continue
        has = await topic_settings(admin, spec.name)
        if has.get(RETENTION) != spec.settings[RETENTION]:
            is_set = spec.kept_by in settings.model_fields_set
            found.append(Drift(spec, int(has.get(RETENTION) or -1), is_set))
    return found


async def _apply(admin: AIOKafkaAdminClient, spec: TopicSpec) -> None:
    wanted = {key: spec.settings[key] for key in (RETENTION, SEGMENT)}
    resource = ConfigResource(ConfigResourceType.TOPIC, spec.name)
    [described] = await admin.describe_configs([resource])
    # Kafka replaces all that is the topic's own: what is left out goes back to the brokers' value.
    [(_, _, _, _, entries)] = described.resources
    own = {entry[0]: entry[1] for entry in entries if entry[3] == _OF_THE_TOPIC}
    resource = ConfigResource(ConfigResourceType.TOPIC, spec.name, configs={**own, **wanted})
    [answer] = await admin.alter_configs([resource])
    [(code, message, *_)] = answer.resources
    if code:
        added = ",".join(f"{key}={value}" for key, value in wanted.items())
        raise TopicProblemError(
            f"Kafka did not change how long topic {spec.name} is kept: {message}; it wants the "
            "right AlterConfigs on the topic, or of somebody who has it: kafka-configs.sh --alter "
            f"--entity-type topics --entity-name {spec.name} --add-config {added}"
        )
