"""A partition that this process takes over: read as stored, and what its last owner left
unpublished is put on its topics before anything new."""

from __future__ import annotations

import logging

from processor.core.log.last_read import LastRead
from processor.core.model import Policy
from processor.core.partition import Partition
from processor.kafka.publisher import ChangePublisher
from processor.store.store import Store
from processor.watch.metrics import Metrics

log = logging.getLogger(__name__)


async def load_partition(
    partition: int,
    partitions: int,
    policy: Policy,
    store: Store,
    publisher: ChangePublisher,
    metrics: Metrics,
) -> tuple[Partition, LastRead | None]:
    """The partition, and the record before its next one if it is known."""
    async with store.load(partition) as stored:
        state = Partition(
            partition,
            partitions,
            policy,
            next_offset=stored.next_offset,
            log_time_ms=stored.log_time_ms,
            after_loss=stored.after_loss,
            steps=stored.steps,
            graces=stored.graces,
            silence=stored.silence,
            screen_names=stored.screen_names,
            privacy=stored.privacy,
        )
        async for users in stored.online:
            state.load_online(users)
    if not state.tally.live.restore(stored.live_screens):
        metrics.live_screens_corrected.inc()
        log.error(
            "partition %d: counts of users by screen were not those of its users, and are written "
            "anew",
            partition,
        )
    behind = await store.unpublished(partition, stored.published_through, stored.next_offset)
    await publisher.publish_changes({partition: behind})
    flags = await store.unpublished_flags(partition, stored.published_through, stored.next_offset)
    if flags:
        await publisher.publish_flags(await store.flags(flags))
    if stored.policy is not None and stored.policy != policy:
        log.info("partition %d adopts another policy: %s", partition, policy)
    log.info(
        "partition %d: %d users online, next offset %d",
        partition,
        len(state.users),
        stored.next_offset,
    )
    last_read = stored.last_read
    if last_read is not None and last_read.offset != stored.next_offset - 1:
        last_read = None
    return state, last_read
