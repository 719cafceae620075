"""A processor that had partitions and has none is a standby only if somebody else has them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from processor.kafka.consumer_group import assigned_partitions
from schemas.log.events import Tick
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, topic_name
from tests.integration.faults.processors import running
from tests.rigs.harness import wait_until
from tests.rigs.rig import DEADLINE_SECONDS, batch, produce

#: The leader of the group gives nobody anything, as it does when it knows no partitions.
GIVES_NOTHING_TO_TWO = """
from faust.assignor.partition_assignor import PartitionAssignor
from processor import __main__
from processor.watch import log_watch
groups = PartitionAssignor._get_copartitioned_groups.__func__
def none(cls, topics, cluster, subscriptions):
    return groups(cls, topics, cluster, subscriptions) if len(subscriptions) == 1 else {}
PartitionAssignor._get_copartitioned_groups = classmethod(none)
log_watch.ASK_EVERY_SECONDS = 0.5
__main__.main()
"""


async def test_a_processor_without_partitions_that_nobody_else_has_is_no_standby(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    topic = topic_name(kafka_settings, EVENTS)
    group = f"{kafka_settings.topic_prefix}rollcall-processor"
    await produce(kafka_settings, [(p, batch(Tick())) for p in range(kafka_settings.partitions)])
    script = GIVES_NOTHING_TO_TWO
    with running(kafka_settings, database_url, tmp_path / "one.log", script) as one:
        await wait_until(lambda: one.readiness == "ready", DEADLINE_SECONDS)
        assert await assigned_partitions(kafka_settings, group, topic) == kafka_settings.partitions
        with running(kafka_settings, database_url, tmp_path / "two.log", script) as two:
            told = f"nobody in the consumer group {group} has any partition of {topic}"
            await wait_until(lambda: told in one.readiness, DEADLINE_SECONDS)
            assert await assigned_partitions(kafka_settings, group, topic) == 0
            assert await asyncio.to_thread(two.process.stop) == 0
        # Alone again it has them all.
        await wait_until(lambda: one.readiness == "ready", DEADLINE_SECONDS)
        assert await asyncio.to_thread(one.process.stop) == 0
