"""One webhook's timer in one partition: changes taken in, and told who stays for so long.

The cursor is the offset of the first stay that was not told yet (``stays.py``): who has the
partition next takes in the changes from there again, of as much time as the timer is long.
"""

from __future__ import annotations

import asyncio
import secrets
import time

import msgspec

from processor.notify.clock import Clock, Told
from processor.notify.lane import ADVANCE_RECORDS, ADVANCE_SECONDS, Lane, Means
from processor.notify.messages import MAX_BYTES, MAX_CHANGES, Record
from processor.notify.records import LostError
from processor.notify.stays import Stay, Stays, place_in_log, rfc3339
from processor.notify.store import Message, Place
from processor.notify.target import Target
from processor.notify.window import Window
from schemas.webhooks.message import TIMERS, TYPE, message_body, message_bytes
from schemas.webhooks.timer import Timer


class TimerLane(Lane):
    """As a :class:`Lane`."""

    def __init__(
        self, place: Place, target: Target, window: Window, means: Means, clock: Clock
    ) -> None:
        assert target.filter.timer is not None  # noqa: S101 - else it is no timer's
        self._timer: Timer = target.filter.timer
        self._clock = clock
        #: Of a replay: what began there or later is not its own.
        self._ends: int | None = None
        super().__init__(place, target, window, means)

    def _restart(self, offset: int) -> None:
        super()._restart(offset)
        self._stays = Stays(self._timer, until=self._ends)

    @property
    def stays(self) -> int:
        """How many are remembered."""
        return len(self._stays)

    @property
    def waits_since(self) -> float | None:
        if self._message is not None:
            return self._message.oldest_at
        decided = self._stays.decided()
        due_ms = None if decided is None else self._stays.due_ms(decided)
        if due_ms is not None:
            return due_ms / 1000
        if self._next < self._window.start and self._read_ms is not None:
            return self._read_ms / 1000
        return None

    async def _open(self) -> bool:
        if not await super()._open():
            return False
        # What began before the end of a replay is decided by what came after it.
        self._ends, self._until = self._until, None
        self._stays = Stays(self._timer, until=self._ends)
        return True

    async def _fixed(self) -> Message | None:
        """The next message, stored; ``None``: the replay is through."""
        while True:
            told = self._clock.told
            if told is not None and await self._take_in(told):
                self._stays.passed(told.log_ms)
            if self._stays.decided() is not None:
                message = self._packed()
                await self._means.store.fix(self.place, self._stored, message)
                return message
            if not len(self._stays) and self._stays.resume_at is not None:
                resume_at = self._stays.resume_at
                await self._advance(resume_at)
                self._restart(resume_at)
                continue
            if self._ends is not None and self._told_through >= self._ends:
                await self._advance(self._ends)
                return None
            left = await self._advance_in_time()
            try:
                async with asyncio.timeout(left):
                    await self._clock.tick()
            except TimeoutError:
                continue

    async def _take_in(self, told: Told) -> bool:
        """All changes whose outages are known; whether all of before ``told.log_ms`` are among
        them."""
        self._stays.outages = told.outages
        while True:
            while self._page:
                if not _is_known(self._page[0], told):
                    return True  # what comes first is of later than that
                self._stays.take(self._page.popleft())
            if self._next >= self._window.end:
                return self._next >= told.end_offset
            await asyncio.sleep(0)
            try:
                await self._turn_page()
            except LostError as error:
                await self._lost(error.first_offset)

    @property
    def _told_through(self) -> int:
        """The offset before which there is nothing that is not told."""
        first = self._stays.first_offset
        if first is not None:
            return first
        return self._page[0].offset if self._page else self._next

    async def _advance_in_time(self) -> float:
        """Store how far all is told, now and then."""
        now, told_through = time.monotonic(), self._told_through
        due = self._advanced_at + ADVANCE_SECONDS
        if now >= due or told_through - self._stored >= ADVANCE_RECORDS:
            await self._advance(told_through)
            self._advanced_at, due = now, now + ADVANCE_SECONDS
        return due - now

    def _packed(self) -> Message:
        """Of what is decided, as much as goes into one message: timers, or changes."""
        stays, first = self._stays, self._stays.decided()
        assert first is not None  # noqa: S101 - the caller has looked
        is_timer = first.told is None
        told: list[bytes] = []
        size = message_bytes(())
        oldest_ms = last_ms = stays.due_ms(first) or 0
        stay: Stay | None = first
        while stay is not None and (stay.told is None) is is_timer:
            value = msgspec.json.encode(stays.fired(stay)) if stay.told is None else stay.told.value
            size += len(value) + 1
            if told and (len(told) >= MAX_CHANGES or size > MAX_BYTES):
                break
            last_ms = stays.due_ms(stay) or 0
            told.append(value)
            stays.pop()
            stay = stays.decided()
        return Message(
            id=f"msg_{secrets.token_hex(12)}",
            body=message_body(told, rfc3339(last_ms), TIMERS if is_timer else TYPE),
            changes=len(told),
            next_offset=self._told_through,
            oldest_at=oldest_ms / 1000,
            fixed_at=time.time(),
        )


def _is_known(record: Record, told: Told) -> bool:
    place = None if record.change is None else place_in_log(record.change.id)
    return place is None or place[0] < told.known_offset
