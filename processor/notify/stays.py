"""Who stays for long enough in one state: timers armed, cancelled and fired. PURE.

1. A stay begins with the change that brings a user into the timer's state, and ends with the one
   that takes them out of it. Both are told by what the user showed before and after; a change of a
   release that did not say what was before is taken to begin one if it does for its device.
2. It is due ``seconds`` of log time after it began. Within an outage of ours, and in the grace
   after it in which phones come back, nothing is known of anybody: what would be due there is due
   at the end of the grace.
3. A stay that lasts until it is due fires, once; one that ends before is cancelled. At the very
   instant the timer comes first. So which stays fire follows from the changes and the outages
   alone, whenever they are read.
4. When a user is erased or opts out, all that was not told of them goes. That change is told.
5. What is told goes in the order in which it began, and what is not decided holds up what began
   later. So one offset, of the first stay that was not told yet, says how far a webhook is: who
   begins there again finds the same stays. Of one timer that costs no time: who stays since earlier
   is due no later. (That somebody is to be forgotten may wait for as long as the timer is.)
6. At most ``MOST_STAYS`` are remembered. What begins beyond that is passed over, and read again
   from there (``resume_at``) once all before is decided, when it is not due yet.
7. With which app a user stays is that of the device which shows, of those that did since the stay
   began, when it is due; a change tells of its own device. Who is left with none is of no app.
8. Changes that the topic has again are dropped by their ids. If log time steps back, stays begin at
   the time of the next change at the latest, so nobody waits for the old time to come again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from processor.notify.messages import Record
from schemas.log.changes import Change
from schemas.webhooks.filter import ALWAYS
from schemas.webhooks.timer import Fired, Timer

#: Of one webhook and partition; some 300 bytes each.
MOST_STAYS: Final = 50_000
#: Of a user that are remembered.
MOST_DEVICES: Final = 16


class Outages:
    """Silences of ours in log time, each with the grace after it, Unix milliseconds."""

    def __init__(self, spans: Iterable[tuple[int, int | None]] = (), grace_ms: int = 0) -> None:
        """``spans``: from, and until, which is ``None`` while it lasts."""
        self._starts: list[int] = []
        self._ends: list[int | None] = []
        for start, end in sorted(spans, key=lambda span: span[0]):
            until = None if end is None else end + grace_ms
            if self._starts:
                last = self._ends[-1]
                if last is None or start < last:  # they overlap: one
                    self._ends[-1] = None if last is None or until is None else max(last, until)
                    continue
            self._starts.append(start)
            self._ends.append(until)

    def known_from(self, at_ms: int) -> int | None:
        """The first instant from ``at_ms`` on that is in none; ``None``: it is not over yet."""
        place = bisect_left(self._starts, at_ms) - 1
        if place < 0:
            return at_ms
        end = self._ends[place]
        return None if end is None else max(at_ms, end)


@dataclass(slots=True)
class Stay:
    """``lasted``: it ended, and was due by then. ``told``: no stay, but a change that is told.
    ``apps``: device, version and platform of those that showed, the last one last."""

    offset: int
    user_id: str
    since_ms: int
    change_id: str
    lasted: bool = False
    told: Record | None = None
    apps: tuple[tuple[str, str | None, str | None], ...] = ()


class Stays:
    """Those of one timer in a partition that were not told yet."""

    def __init__(self, timer: Timer, most: int = MOST_STAYS, until: int | None = None) -> None:
        """``until``: what begins at this offset or later is another's."""
        self._timer = timer
        self._most = most
        self._until = until
        #: By the offset that they began with, in that order.
        self._queue: OrderedDict[int, Stay] = OrderedDict()
        self._of_user: dict[str, list[Stay]] = {}
        self._seen = (-1, -1, -1)
        self._at_ms = 0
        self._log_ms: int | None = None
        self.outages = Outages()
        #: The first offset that there was no room for.
        self.resume_at: int | None = None

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def first_offset(self) -> int | None:
        """What began there and later is not told yet; ``None``: all is."""
        first = next(iter(self._queue), None)
        return self.resume_at if first is None else first

    def take(self, record: Record) -> None:
        """The next change. ``outages`` must be those until then."""
        change = record.change
        place = None if change is None else place_in_log(change.id)
        if change is None or place is None or place <= self._seen:
            return
        self._seen = place
        at_ms = unix_ms(change.at)
        if at_ms < self._at_ms:
            self._step_back(at_ms)
        self._at_ms = at_ms
        if change.reason in ALWAYS:
            for stay in self._of_user.pop(change.user_id, ()):
                del self._queue[stay.offset]
            self._add(Stay(record.offset, change.user_id, at_ms, change.id, told=record))
        else:
            self._move(record.offset, change, at_ms)

    def passed(self, log_ms: int) -> None:
        """Log time is that, and every change of before was taken."""
        self._log_ms = log_ms

    def decided(self) -> Stay | None:
        """What is to be told next, if it is decided."""
        stay = next(iter(self._queue.values()), None)
        if stay is None or stay.lasted or stay.told is not None:
            return stay
        due_ms = self.due_ms(stay)
        is_due = due_ms is not None and self._log_ms is not None and due_ms <= self._log_ms
        return stay if is_due else None

    def due_ms(self, stay: Stay) -> int | None:
        """``None``: not before an outage that lasts is over."""
        if stay.told is not None:
            return stay.since_ms
        return self.outages.known_from(stay.since_ms + self._timer.seconds * 1000)

    def pop(self) -> Stay:
        """It is in a message."""
        _, stay = self._queue.popitem(last=False)
        of_user = self._of_user[stay.user_id]
        of_user.remove(stay)
        if not of_user:
            del self._of_user[stay.user_id]
        return stay

    def is_meant(self, stay: Stay) -> bool:
        """Whether one that is decided is told: of its app."""
        if stay.told is not None or not self._timer.asks_for_app:
            return True
        _, app_version, platform = stay.apps[-1] if stay.apps else ("", None, None)
        return self._timer.wants(app_version, platform)

    def fired(self, stay: Stay) -> Fired:
        """As it is told, of one that is decided."""
        due_ms, timer = self.due_ms(stay), self._timer
        return Fired(
            id=f"{stay.change_id}+{timer.seconds}",
            at=rfc3339(stay.since_ms if due_ms is None else due_ms),
            user_id=stay.user_id,
            lasting=timer.lasting,
            screen=timer.screen,
            seconds=timer.seconds,
            since=rfc3339(stay.since_ms),
            change=stay.change_id,
        )

    def _move(self, offset: int, change: Change, at_ms: int) -> None:
        """Into the timer's state, out of it, or neither."""
        of_user = self._of_user.get(change.user_id)
        last = of_user[-1] if of_user else None
        runs = last is not None and not last.lasted and last.told is None
        stays = self._timer.holds(change.user_state, change.user_screen)
        if last is not None and runs and not stays:
            due_ms = self.due_ms(last)
            if due_ms is not None and due_ms <= at_ms:
                last.lasted = True
            else:
                self._cancel(last)
        elif last is not None and runs:
            due_ms = self.due_ms(last)
            if due_ms is None or at_ms < due_ms:
                self._show(last, change)
        elif not runs and stays and not self._stayed(change):
            stay = Stay(offset, change.user_id, at_ms, change.id)
            self._show(stay, change)
            self._add(stay)

    def _show(self, stay: Stay, change: Change) -> None:
        """With which app the user stays from this change on."""
        if not self._timer.asks_for_app:
            return
        others = tuple(each for each in stay.apps if each[0] != change.device)
        # Of the devices in the state that the user shows the last one to change is theirs.
        if self._timer.holds(change.state, change.screen):
            others = (*others, (change.device, change.app_version, change.platform))
        stay.apps = others[-MOST_DEVICES:]

    def _stayed(self, change: Change) -> bool:
        """Whether the user was in the timer's state before."""
        if change.previous_user_state is None:
            return self._timer.holds(change.previous_state, change.previous_screen)
        return self._timer.holds(change.previous_user_state, change.previous_user_screen)

    def _add(self, stay: Stay) -> None:
        if self._until is not None and stay.offset >= self._until:
            return
        if self.resume_at is not None or len(self._queue) >= self._most:
            if self.resume_at is None:
                self.resume_at = stay.offset
            return
        self._queue[stay.offset] = stay
        self._of_user.setdefault(stay.user_id, []).append(stay)

    def _cancel(self, stay: Stay) -> None:
        del self._queue[stay.offset]
        of_user = self._of_user[stay.user_id]
        of_user.pop()  # it is the last
        if not of_user:
            del self._of_user[stay.user_id]

    def _step_back(self, at_ms: int) -> None:
        for stay in self._queue.values():
            stay.since_ms = min(stay.since_ms, at_ms)


def place_in_log(change_id: str) -> tuple[int, int, int] | None:
    """Offset, index and ordinal of a change's id; ``None``: it is none."""
    parts = change_id.split(":")
    if len(parts) != 4:
        return None
    try:
        return int(parts[1]), int(parts[2]), int(parts[3])
    except ValueError:
        return None


def unix_ms(at: str) -> int:
    """Of a change's time."""
    return round(datetime.fromisoformat(at).timestamp() * 1000)


def rfc3339(ms: int) -> str:
    """The other way round."""
    seconds, rest = divmod(ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
