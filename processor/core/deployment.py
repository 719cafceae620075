"""Which log a database belongs to. PURE."""

from __future__ import annotations

from typing import Any


class UnusableDeploymentError(RuntimeError):
    """What is stored does not belong to this log; the message names the remedy."""


def check_deployment(row: tuple[Any, ...], topic: str, topic_id: str, partitions: int) -> None:
    """Raises :class:`UnusableDeploymentError` unless the row of `deployment` is of this topic."""
    stored_topic, stored_id, stored_partitions = row
    if stored_partitions != partitions:
        raise UnusableDeploymentError(
            f"the database was created for {stored_partitions} partitions, the topic has "
            f"{partitions}: use the topic or the database that belong together"
        )
    if (stored_topic, str(stored_id)) != (topic, topic_id):
        raise UnusableDeploymentError(
            f"the database belongs to topic {stored_topic} with id {stored_id}, Kafka has {topic} "
            f"with id {topic_id}: the topic was made again, or one of ROLLCALL_KAFKA_BOOTSTRAP, "
            "ROLLCALL_TOPIC_PREFIX and ROLLCALL_DATABASE_URL names another deployment; start "
            "with an empty database, or point back to the right one"
        )
