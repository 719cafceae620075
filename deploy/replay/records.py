"""Views as records of ``presence.events`` on their own time. PURE.

The policy:

- A view is a heartbeat in the foreground, at its own time. Views of one partition in the same
  millisecond share a record: a record has one time.
- Silence in the log longer than ``outage_gap`` would be an outage of ours (design, promise 3). So
  every partition gets a tick at the first view's time and from then on every ``outage_gap`` ÷ 2,
  all at the same times: time passes everywhere alike, and samples of concurrency, zeros included,
  are as they would have been.
- With ``skip_silence`` there are no ticks where nobody is online: from the tick at which the last
  session has timed out to the next view, in all partitions at once. The processor takes that for an
  outage: it holds nobody, because nobody is there, and there are no samples of it.
- After the last view ticks go on until its session has timed out, and then to half an hour after
  the end of that day in the reporting zone, when rollups know the day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from deploy.replay.table import View
from processor.core.analytics.reporting_days import QUARTER_MS, day_of
from processor.core.outage import EVENTS_DUE
from schemas.log.events import Heartbeat, Tick, encode_event, join_batch, partition_of

#: The phones of a file have no tokens; nothing signs them out either.
TOKEN: Final = "sid:replay"  # noqa: S105
#: Far below what a record may hold, whatever the views say.
MAX_EVENTS: Final = 200
ROLLED_UP_AFTER_MS: Final = 1_800_000

_TICK: Final = join_batch([encode_event(Tick())])


@dataclass(frozen=True, slots=True)
class ReplayPolicy:
    """The processor's policy, as far as replay depends on it."""

    partitions: int
    offline_after_ms: int
    outage_gap_ms: int
    time_zone: str = "UTC"
    skip_silence: bool = False

    @property
    def tick_ms(self) -> int:
        return max(1, self.outage_gap_ms // 2)


class TimedRecord(NamedTuple):
    """A record to append, with the time that it is to have."""

    partition: int
    at_ms: int
    value: bytes


def records(views: Sequence[View], policy: ReplayPolicy) -> Iterator[TimedRecord]:
    """The log of ``views``, of which there must be one, in the order of time."""
    tick_ms = policy.tick_ms
    next_tick_ms = views[0].at_ms
    online_until_ms = next_tick_ms
    for at_ms, group in groupby(views, key=attrgetter("at_ms")):
        while next_tick_ms <= at_ms:
            yield from _ticks(next_tick_ms, policy)
            nobody_left = next_tick_ms >= online_until_ms
            next_tick_ms += tick_ms
            if policy.skip_silence and nobody_left:
                next_tick_ms = max(next_tick_ms, at_ms)
        yield from _heartbeats(at_ms, group, policy)
        online_until_ms = at_ms + policy.offline_after_ms
    end_ms = _end_ms(online_until_ms, policy.time_zone)
    while next_tick_ms < end_ms:
        yield from _ticks(next_tick_ms, policy)
        next_tick_ms += tick_ms
    yield from _ticks(end_ms, policy)


def shortest_client_interval_seconds(views: Sequence[View], policy: ReplayPolicy) -> int:
    """The processor's ``client_interval`` from which on no silence of a file looks like an outage.

    It expects a heartbeat of each device in the foreground at that interval, and phones of a file
    send one only when the screen changes.
    """
    end_ms = _end_ms(views[-1].at_ms + policy.offline_after_ms, policy.time_zone)
    users = len({view.user for view in views})
    return users * (end_ms - views[0].at_ms) // (EVENTS_DUE * 1000) + 1


def _end_ms(online_until_ms: int, time_zone: str) -> int:
    last_day = day_of(online_until_ms - 1, time_zone)
    end_ms = -(-online_until_ms // QUARTER_MS) * QUARTER_MS
    while day_of(end_ms, time_zone) == last_day:
        end_ms += QUARTER_MS
    return end_ms + ROLLED_UP_AFTER_MS


def _ticks(at_ms: int, policy: ReplayPolicy) -> Iterator[TimedRecord]:
    for partition in range(policy.partitions):
        yield TimedRecord(partition, at_ms, _TICK)


def _heartbeats(at_ms: int, views: Iterable[View], policy: ReplayPolicy) -> Iterator[TimedRecord]:
    events: dict[int, list[bytes]] = defaultdict(list)
    for view in views:
        events[partition_of(view.user, policy.partitions)].append(_heartbeat(view))
    for partition, encoded in sorted(events.items()):
        for first in range(0, len(encoded), MAX_EVENTS):
            value = join_batch(encoded[first : first + MAX_EVENTS])
            yield TimedRecord(partition, at_ms, value)


def _heartbeat(view: View) -> bytes:
    sent = view.sent
    return encode_event(
        Heartbeat(
            user=view.user,
            token=TOKEN,
            device_info=sent.device_info,
            platform=sent.platform,
            app_version=sent.app_version,
            screen=sent.screen,
        )
    )
