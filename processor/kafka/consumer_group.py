"""Who has which partitions, as Kafka's group coordinator knows it."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    GroupCoordinatorNotAvailableError,
    NotCoordinatorForGroupError,
    for_code,
)

from schemas.log.settings import KafkaSettings
from schemas.log.topics import kafka_admin

COORDINATOR_SECONDS: Final = 20.0
ASK_EVERY_SECONDS: Final = 0.5
_ELECTING: Final = (
    GroupCoordinatorNotAvailableError,
    CoordinatorLoadInProgressError,
    NotCoordinatorForGroupError,
)


async def assigned_partitions(settings: KafkaSettings, group: str, topic: str) -> int | None:
    """How many partitions of ``topic`` the members of ``group`` have together; ``None`` while that
    is being settled. Raises ``KafkaError``."""
    _, _, state, _, _, members = (await _described(settings, group))[:6]
    if state != "Stable":
        return None
    total = 0
    for member in members:
        decoded = ConsumerProtocolMemberAssignment.decode(member[4])
        total += sum(len(partitions) for name, partitions in decoded.assignment if name == topic)
    return total


async def count_members(settings: KafkaSettings, group: str) -> int:
    """How many processes are in ``group``: one that was killed until its session is over. Waits a
    few seconds for a coordinator that Kafka has only just elected. Raises ``KafkaError``."""
    deadline = time.monotonic() + COORDINATOR_SECONDS
    while True:
        try:
            described = await _described(settings, group)
            if error := described[0]:
                raise for_code(error)(f"consumer group {group}")
        except _ELECTING:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(ASK_EVERY_SECONDS)
        else:
            return len(described[5])


async def _described(settings: KafkaSettings, group: str) -> tuple[Any, ...]:
    """Error code, group, state, kind of protocol, protocol, members."""
    async with kafka_admin(settings) as admin:
        [response] = await admin.describe_consumer_groups([group])
    [described] = response.groups
    return tuple(described)
