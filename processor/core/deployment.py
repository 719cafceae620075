"""Which log a database belongs to. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

NEW_TOPIC: Final = "rollcall offsets accept-loss --new-topic"


class UnusableDeploymentError(RuntimeError):
    """What is stored does not belong to this log; the message names the remedy."""


def check_deployment(row: Sequence[Any], topic: str, topic_id: str, partitions: int) -> None:
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
            "ROLLCALL_TOPIC_PREFIX and ROLLCALL_DATABASE_URL names another deployment; point back "
            f"to the right one, or, where the old topic is lost for good, let {NEW_TOPIC} keep "
            "history and opt-outs, or start with an empty database"
        )
