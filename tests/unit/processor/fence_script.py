"""One script of what two processors ask of a database, step by step, and what comes of each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from processor.core.effects import Record
from processor.core.partition import Partition
from processor.store.store import FenceLostError, Store
from processor.work import RawRecord, Work
from schemas.log.events import Event, Heartbeat, encode_batch
from tests.unit.processor.fence_reference import PARTITIONS, POLICY, START_MS, USERS


class Owner:
    """What a processor knows of both partitions, and its connection."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.states: dict[int, Partition] = {}

    async def load(self) -> list[tuple[Any, ...]]:
        """Read both again, and say how they stand."""
        told: list[tuple[Any, ...]] = []
        for partition in range(PARTITIONS):
            async with self.store.load(partition) as stored:
                state = self.states[partition] = Partition(
                    partition,
                    PARTITIONS,
                    POLICY,
                    next_offset=stored.next_offset,
                    log_time_ms=stored.log_time_ms,
                    graces=stored.graces,
                    silence=stored.silence,
                    screen_names=stored.screen_names,
                    privacy=stored.privacy,
                )
                users = [each async for chunk in stored.online for each in chunk]
            state.load_online(users)
            state.tally.live.restore(stored.live_screens)
            changes = await self.store.unpublished(
                partition, stored.published_through, stored.next_offset
            )
            read = stored.last_read.offset if stored.last_read is not None else None
            online = sorted((user.user_id, user.screen, at) for user, at in users)
            told.append(
                (
                    *(stored.next_offset, stored.published_through, stored.log_time_ms, read),
                    *(stored.policy, online, [change.id for change in changes]),
                )
            )
        return told

    def work(self, partition: int, screen: str) -> Work:
        """The next record of a partition, applied in memory."""
        state = self.states[partition]
        user = USERS[partition][0]
        event: Event = Heartbeat(user=user, token="token", device_id="phone", screen=screen)
        at_ms = START_MS + 1000 * state.next_offset
        raw = RawRecord(partition, state.next_offset, at_ms, encode_batch([event]))
        work = Work(state, state.next_offset, raw)
        record = raw.decoded({})
        assert isinstance(record, Record)
        state.apply(record, work.effects)
        return work

    async def commit(self, works: Sequence[Work], *, probe: bool = False) -> str:
        try:
            await self.store.commit([work.batch() for work in works], probe=probe)
        except FenceLostError:
            return "fence lost"
        return "applied"


async def play(first: Owner, second: Owner, third: Owner) -> list[Any]:
    """``third`` is one who only looks."""
    told: list[Any] = [await first.load(), await second.load()]

    async def after(*outcomes: str) -> None:
        told.append((outcomes, await third.load()))

    # A zombie: the second has the partition as it was before the first committed.
    zombie = second.work(0, "Zombie")
    await after(await first.commit([first.work(0, "Home")]))
    await after(await second.commit([zombie]))
    # One stale partition refuses the other one of its batch too.
    await after(await second.commit([second.work(1, "Other"), zombie]))
    # What it would have done is tried, and not stored.
    told.append(await second.load())
    await after(await second.commit([second.work(0, "Cart")], probe=True))
    # The same batch twice, as one that was sent again after an unknown outcome.
    told.append(await second.load())
    again = [second.work(0, "Cart"), second.work(1, "Home")]
    await after(await second.commit(again), await second.commit(again))
    # The first does not know of that.
    await after(await first.commit([first.work(0, "Late")]))
    # Two at once: one of them.
    told.append((await first.load(), await second.load()))
    one, other = [first.work(1, "Both")], [second.work(1, "Both"), second.work(0, "Both")]
    outcomes = await asyncio.gather(first.commit(one), second.commit(other[:1]))
    await after(*sorted(outcomes))
    # A user who was never stored, and one who was.
    users = await third.store.load_users([USERS[0][0], USERS[0][1]])
    told.append([(user.user_id, user.screen, at) for user, at in users])
    return told
