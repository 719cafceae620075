"""A fleet that never leaves, in virtual time, at the processor's own core. PURE.

Whatever the core shows offline here is false: everybody looks at a screen all the time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from processor.core.effects import Effects, Record
from processor.core.model import Policy
from processor.core.partition import Partition
from schemas.log.events import Event, Tick
from tests.bench.accuracy.paths import Bursts, Lossy, Path
from tests.bench.accuracy.phones import VirtualPhone

#: 2026-03-02, 00:00 UTC.
BEGINS_MS: Final = 1_772_409_600_000
#: Ingest writes one a second where nobody speaks; so many are enough for log time to pass.
TICK_SECONDS: Final = 5.0
_RECORDS_OF_A_BATCH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Measured:
    """``user_hours`` that were watched, false offline ``episodes`` that began in them, and how long
    these lasted in all."""

    user_hours: float
    episodes: int
    offline_seconds: float

    @property
    def episodes_an_hour(self) -> float:
        return self.episodes / self.user_hours

    @property
    def share_offline(self) -> float:
        return self.offline_seconds / 3600 / self.user_hours


def path_of(loss: float, burst: float | None, random: Random) -> Path:
    """``burst``: the mean bad stretch in seconds; without it losses are independent."""
    return Lossy(loss, random) if burst is None else Bursts(loss, burst, random)


def measure(phones: Sequence[VirtualPhone], hours: float, policy: Policy) -> Measured:
    """Let the phones live for so long."""
    partition = Partition(0, 1, policy, next_offset=0)
    offline_since: dict[str, int] = {}
    episodes, offline_ms = 0, 0
    for effects in _batches(partition, phones, hours * 3600):
        for logged in effects.changes:
            changed = logged.changed
            if changed.user_state == "offline":
                episodes += 1
                offline_since[changed.user_id] = changed.at_ms
            elif changed.user_id in offline_since:
                offline_ms += changed.at_ms - offline_since.pop(changed.user_id)
    ends_ms = BEGINS_MS + round(hours * 3_600_000)
    offline_ms += sum(ends_ms - since_ms for since_ms in offline_since.values())
    return Measured(len(phones) * hours, episodes, offline_ms / 1000)


def _batches(
    partition: Partition, phones: Sequence[VirtualPhone], seconds: float
) -> Iterator[Effects]:
    due = [(phone.next_at, number) for number, phone in enumerate(phones)]
    heapq.heapify(due)
    next_tick, effects, records = 0.0, Effects(), 0
    while due[0][0] < seconds:
        now, number = due[0]
        events: Sequence[Event]
        if next_tick <= now:
            now, events = next_tick, (Tick(),)
            next_tick += TICK_SECONDS
        else:
            events = phones[number].act(now)
            heapq.heapreplace(due, (phones[number].next_at, number))
        if events:
            at_ms = BEGINS_MS + round(now * 1000)
            partition.apply(Record(partition.next_offset, at_ms, events), effects)
            records += 1
        if records == _RECORDS_OF_A_BATCH:
            yield effects
            effects, records = Effects(), 0
    yield effects
