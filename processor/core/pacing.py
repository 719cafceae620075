"""How long a batch waits for company. PURE.

A batch costs the processor and PostgreSQL some milliseconds, whatever is in it; accepted events are
promised to be visible within 2 s (design, section 6). So what nobody waits for shares a batch:

1. A logout, and what a user asks to be done with what is stored of them, waits for nothing, nor
   does a batch that is full.
2. What people look at (who comes, goes to the background or moves on to another screen) waits half
   as long as
3. a sign of life that shows nobody anything new. That waits ``most_seconds``, on a busy log.
4. Where few events come, waiting gathers nobody: below ``busy_per_second`` events wait less, in
   proportion.
5. Ticks wait ``most_seconds`` always: each partition has one a second, and most bring nothing.
6. Nothing waits so long that it would be visible late: the wait and storing the batch together stay
   within ``budget_seconds``, if storing takes what it took the last time.

So a batch holds what comes in ``most_seconds``, at most ``full_events``, and its cost an event is
about the same at any rate between the two.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from processor.core.heartbeats import is_background, real_screen
from processor.core.model import User
from schemas.log.events import BadEvent, Event, Heartbeat, Logout, PrivacyEvent, Renew, Tick

SEEN_SHARE: Final = 0.5
#: The rate of events is that of about the last seconds.
RATE_SECONDS: Final = 2.0


class Hurry(IntEnum):
    """What waits for an event to be stored: nothing but time, nobody, who looks, or who asked."""

    TICK = 0
    UNSEEN = 1
    SEEN = 2
    AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class PacePolicy:
    """The bounds of the wait, and when a batch is full."""

    most_seconds: float
    full_records: int
    full_events: int = 5_000
    busy_per_second: float = 100.0
    budget_seconds: float = 1.2


class Rate:
    """Events a second, of late. ``now`` is in monotonic seconds."""

    __slots__ = ("_at", "_events")

    def __init__(self) -> None:
        self._events = 0.0
        self._at = 0.0

    def add(self, events: int, now: float) -> None:
        self._events = self._faded(now) + events
        self._at = now

    def per_second(self, now: float) -> float:
        return self._faded(now) / RATE_SECONDS

    def _faded(self, now: float) -> float:
        return self._events * math.exp(min(0.0, self._at - now) / RATE_SECONDS)


@dataclass(slots=True)
class Waiting:
    """The batch that gathers: how much there is, and when the first of each hurry came, in
    monotonic seconds."""

    records: int = 0
    events: int = 0
    since: float | None = None
    unseen_since: float | None = None
    seen_since: float | None = None
    at_once: bool = False

    def add(self, hurry: Hurry, events: int, now: float) -> None:
        """A record with so many ``events`` of phones, of which ``hurry`` is the greatest."""
        self.records += 1
        self.events += events
        if self.since is None:
            self.since = now
        if hurry >= Hurry.UNSEEN and self.unseen_since is None:
            self.unseen_since = now
        if hurry >= Hurry.SEEN and self.seen_since is None:
            self.seen_since = now
        if hurry is Hurry.AT_ONCE:
            self.at_once = True

    def is_full(self, policy: PacePolicy) -> bool:
        return self.records >= policy.full_records or self.events >= policy.full_events


def wait_seconds(
    policy: PacePolicy, waiting: Waiting, per_second: float, store_seconds: float, now: float
) -> float | None:
    """How much longer the batch waits; 0: not at all; ``None`` while there is nothing in it."""
    if waiting.since is None:
        return None
    if waiting.at_once or waiting.is_full(policy):
        return 0.0
    most = max(0.0, min(policy.most_seconds, policy.budget_seconds - store_seconds))
    busy = most * min(1.0, per_second / policy.busy_per_second)
    due = waiting.since + most
    if waiting.unseen_since is not None:
        due = min(due, waiting.unseen_since + busy)
    if waiting.seen_since is not None:
        due = min(due, waiting.seen_since + busy * SEEN_SHARE)
    return max(0.0, due - now)


def hurry_of(events: Iterable[Event | BadEvent], users: Mapping[str, User]) -> Hurry:
    """The greatest hurry of a record's events; ``users`` are those of its partition who are online.

    What an event will show is guessed from what its user shows: a wrong guess costs some tenths of
    a second, or a smaller batch."""
    greatest = Hurry.TICK
    for event in events:
        if isinstance(event, Logout | PrivacyEvent):
            return Hurry.AT_ONCE
        if greatest is not Hurry.SEEN:
            greatest = max(greatest, _hurry(event, users))
    return greatest


def _hurry(event: Event | BadEvent, users: Mapping[str, User]) -> Hurry:
    if isinstance(event, Tick):
        return Hurry.TICK
    if not isinstance(event, Heartbeat | Renew):
        # A lost connection is given a grace.
        return Hurry.UNSEEN
    user = users.get(event.user)
    if user is None:
        return Hurry.SEEN
    if isinstance(event, Renew):
        return Hurry.UNSEEN
    screen = real_screen(event)
    if is_background(event):
        return Hurry.UNSEEN if user.state == "background" else Hurry.SEEN
    if user.state == "background" or (screen is not None and screen != user.screen):
        return Hurry.SEEN
    return Hurry.UNSEEN
