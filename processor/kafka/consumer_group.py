"""Who has which partitions, as Kafka's group coordinator knows it."""

from __future__ import annotations

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from schemas.log.settings import KafkaSettings
from schemas.log.topics import kafka_admin


async def assigned_partitions(settings: KafkaSettings, group: str, topic: str) -> int | None:
    """How many partitions of ``topic`` the members of ``group`` have together; ``None`` while that
    is being settled. Raises ``KafkaError``."""
    async with kafka_admin(settings) as admin:
        [response] = await admin.describe_consumer_groups([group])
    [described] = response.groups
    _, _, state, _, _, members = described[:6]
    if state != "Stable":
        return None
    total = 0
    for member in members:
        decoded = ConsumerProtocolMemberAssignment.decode(member[4])
        total += sum(len(partitions) for name, partitions in decoded.assignment if name == topic)
    return total
