"""A partition as one run of the log leaves it: no batches, no processes, no database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from processor.core.changes import change_id
from processor.core.effects import Effects, Record
from processor.core.model import Policy
from processor.core.partition import Partition
from processor.store.batch import Row
from processor.store.presence_row import PresenceRow, presence_row
from processor.store.rows import change_row
from processor.work import RawRecord
from schemas.log.events import partition_of

PARTITIONS = 2
START_MS = 1_789_992_000_000
POLICY = Policy(offline_after_ms=30_000, logout_fence_ms=5_000, reconnect_grace_ms=5_000)
#: Without an outage, so that a row is the same however the log is cut into batches.
LONGEST_GAP_MS = POLICY.outage_gap_ms - 1

_names = [f"user-{n}" for n in range(20)]
#: Two users of each partition.
USERS = {p: [n for n in _names if partition_of(n, PARTITIONS) == p][:2] for p in range(PARTITIONS)}


@dataclass(frozen=True, slots=True)
class Reference:
    """A partition as it is to be stored at one offset."""

    users: dict[str, PresenceRow]
    counts: tuple[int, int]
    minutes: dict[tuple[Any, ...], tuple[int, int]]


class ReferenceRun:
    """One partition of the log in memory, from its first record to its last."""

    def __init__(self, partition: int) -> None:
        self._state = Partition(partition, PARTITIONS, POLICY, next_offset=0)
        self.changes: list[Row] = []
        #: By offset.
        self.at = [Reference({}, (0, 0), {})]

    def apply(self, raw: RawRecord) -> None:
        state, effects = self._state, Effects()
        record = raw.decoded({})
        assert isinstance(record, Record)
        state.apply(record, effects)
        self.changes += [change_row(change, state.partition) for change in effects.changes]
        before = self.at[-1]
        minutes = dict(before.minutes)
        for (minute_ms, screen), counts in effects.windows.minutes.items():
            views, visits = minutes.get((minute_ms, state.partition, screen), (0, 0))
            sums = (views + counts.views, visits + counts.visits)
            minutes[minute_ms, state.partition, screen] = sums
        written = {
            user.user_id: presence_row(user, state.partition, offset)
            for user, offset in (*effects.written(state.users), *effects.only_heard(state.users))
        }
        counts_now = (state.tally.foreground, state.tally.background)
        self.at.append(Reference({**before.users, **written}, counts_now, minutes))

    def ids(self, below: int) -> list[str]:
        """Of the changes of records below this offset, in order."""
        return [change_id(row[1], *row[2:5]) for row in self.changes if row[2] < below]
