"""One webhook's timer in one partition: changes taken in, and told who stays for so long.

The cursor is the offset of the first stay that was not told yet (``stays.py``): who has the
partition next takes in the changes from there again, of as much time as the timer is long.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

import msgspec

from processor.notify.clock import Clock, Told
from processor.notify.lane import ADVANCE_RECORDS, ADVANCE_SECONDS, Lane
from processor.notify.means import Means
from processor.notify.messages import MAX_BYTES, MAX_CHANGES, Record
from processor.notify.once import Telling, tellings
from processor.notify.onesignal import NOT_SET_UP, message_of
from processor.notify.records import LostError
from processor.notify.sender import Attempt
from processor.notify.stays import Stay, Stays, place_in_log, rfc3339
from processor.notify.store import Memory, Message, Place
from processor.notify.target import Target
from processor.notify.window import Window
from schemas.webhooks.message import TIMERS, TYPE, message_body, message_bytes
from schemas.webhooks.push import Push
from schemas.webhooks.timer import Timer

#: Everybody whom it would have told is gone.
NOTHING_TO_SEND: Final = Attempt("delivered")


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
        self._forget_at = 0.0
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
                message = await self._packed()
                if message is not None:
                    return message
                await self._advance(self._told_through)
                continue
            if told is not None:
                await self._forget_told(told.log_ms)
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

    async def _packed(self) -> Message | None:
        """Of what is decided, as much as goes into one message, stored: timers, or changes.
        ``None``: nobody is told of it: they were not long ago, or have another app."""
        stays = self._gathered()
        memory = None
        if stays and self._timer.once_in_seconds is not None:
            stays, memory = await self._once(stays, self._timer.once_in_seconds)
        if not stays:
            return None
        values = [value for _, value in stays]
        due = [self._stays.due_ms(stay) or 0 for stay, _ in stays]
        message_type = TYPE if stays[0][0].told is not None else TIMERS
        message = Message(
            id=f"msg_{secrets.token_hex(12)}",
            body=message_body(values, rfc3339(due[-1]), message_type),
            changes=len(values),
            next_offset=self._told_through,
            oldest_at=due[0] / 1000,
            fixed_at=time.time(),
        )
        await self._means.store.fix(self.place, self._stored, message, memory)
        return message

    def _gathered(self) -> list[tuple[Stay, bytes]]:
        """Stays that are decided, of one kind, with what is told of them."""
        found: list[tuple[Stay, bytes]] = []
        size = message_bytes(())
        stay = self._stays.decided()
        while stay is not None and (not found or (stay.told is None) is (found[0][0].told is None)):
            if not self._stays.is_meant(stay):
                self._stays.pop()
                stay = self._stays.decided()
                continue
            if stay.told is None:
                value = msgspec.json.encode(self._stays.fired(stay))
            else:
                value = stay.told.value
            size += len(value) + 1
            if found and (len(found) >= MAX_CHANGES or size > MAX_BYTES):
                break
            found.append((stay, value))
            self._stays.pop()
            stay = self._stays.decided()
        return found

    # -- a live audience

    async def _once(
        self, stays: list[tuple[Stay, bytes]], seconds: int
    ) -> tuple[list[tuple[Stay, bytes]], Memory]:
        """Those who were not told of in the window, and what is remembered of it."""
        if stays[0][0].told is not None:
            return stays, Memory(seconds, (), {stay.user_id for stay, _ in stays})
        due = [
            Telling(stay.user_id, self._stays.fired(stay).id, self._stays.due_ms(stay) or 0)
            for stay, _ in stays
        ]
        told = await self._means.store.told(self.place, {each.user_id for each in due})
        wanted = tellings(due, told, seconds * 1000)
        kept = {each.timer for each in wanted}
        pairs = [pair for pair, each in zip(stays, due, strict=True) if each.timer in kept]
        return pairs, Memory(seconds, wanted, ())

    async def _forget_told(self, log_ms: int) -> None:
        """Whose window is over: whatever is told from now on is due later than that."""
        now = time.monotonic()
        if self._timer.once_in_seconds is not None and now >= self._forget_at:
            await self._means.store.forget_told(self.place, log_ms)
            self._forget_at = now + ADVANCE_SECONDS

    async def _send(self, message: Message) -> Attempt:
        """Of a live audience without who opted out or was erased until now: the same id, and the
        same bytes but for them."""
        if not self._timer.is_live:
            return await super()._send(message)
        said = msgspec.json.decode(message.body)
        timers = said["data"].get("timers")
        if timers is None:  # somebody is to be forgotten: OneSignal is not ours to tell that
            return NOTHING_TO_SEND if self._timer.push else await super()._send(message)
        since = {each["user_id"]: datetime.fromisoformat(each["since"]) for each in timers}
        gone = await self._means.forgotten.among(since)
        left = [each for each in timers if each["user_id"] not in gone]
        if not left:
            return NOTHING_TO_SEND
        if self._timer.push is not None:
            return await self._push(self._timer.push, message.id, left)
        if gone:
            values = [msgspec.json.encode(each) for each in left]
            body = message_body(values, said["timestamp"], TIMERS)
            message = replace(message, body=body)
        return await super()._send(message)

    async def _push(self, push: Push, message_id: str, timers: list[dict[str, Any]]) -> Attempt:
        onesignal = self._means.onesignal
        if onesignal is None:
            return Attempt("not_allowed", NOT_SET_UP)
        user_ids = list(dict.fromkeys(each["user_id"] for each in timers))
        key = uuid5(NAMESPACE_OID, message_id)
        body = message_of(onesignal.app_id, push, user_ids, key)
        attempt = await onesignal.send(self._means.sender, body)
        # A wrong key is mended without making the audience anew.
        return replace(attempt, outcome="refused") if attempt.outcome == "gone" else attempt


def _is_known(record: Record, told: Told) -> bool:
    place = None if record.change is None else place_in_log(record.change.id)
    return place is None or place[0] < told.known_offset
