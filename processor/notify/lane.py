"""One webhook's changes of one partition, in order: read, gathered, fixed, delivered.

A lane has one message at a time, so a user's changes arrive in order, and what it holds is bounded.
Where it is stands in PostgreSQL: a message is stored before its first attempt, and the cursor moves
when it was delivered or given up. Whoever has the partition next goes on from there with the same
bytes. A replay of a dead letter is a lane of its own beside that of what is new, and ends.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections import deque
from typing import Final

import psycopg
from aiokafka.errors import KafkaError

from processor.notify.means import Means
from processor.notify.messages import Gathering, Record
from processor.notify.records import LostError
from processor.notify.retries import pause_seconds
from processor.notify.sender import Attempt
from processor.notify.store import Message, MovedError, Place
from processor.notify.target import Target
from processor.notify.window import Window
from schemas.service.user_hash import UserHashKeyError

log = logging.getLogger(__name__)

#: How far a cursor may lag in storage behind changes that nobody wants.
ADVANCE_RECORDS: Final = 1_000
ADVANCE_SECONDS: Final = 60.0
#: After Kafka or PostgreSQL did not do it.
TROUBLE_SECONDS: Final = 1.0
#: While the circuit lets nobody through.
CLOSED_DOOR_SECONDS: Final = 1.0


class Lane:
    """Runs until it is cancelled, its replay is through, or its webhook is gone or disabled."""

    def __init__(self, place: Place, target: Target, window: Window, means: Means) -> None:
        self.place = place
        self._target = target
        self._window = window
        self._means = means
        self._chance = random.Random()  # noqa: S311 - spreads retries
        self._restart(0)
        self._until: int | None = None

    def _restart(self, offset: int) -> None:
        """From what is stored."""
        self._stored = self._next = offset
        self._page: deque[Record] = deque()
        self._gathering = Gathering()
        self._message: Message | None = None
        self._read_ms: int | None = None
        self._advanced_at = time.monotonic()

    @property
    def waits_since(self) -> float | None:
        """Of the oldest change that is not delivered, Unix seconds; ``None``: there is none."""
        if self._message is not None:
            return self._message.oldest_at
        waiting = self._gathering.records or self._page
        if waiting:
            return waiting[0].at_ms / 1000
        if self._next < self._window.end and self._read_ms is not None:
            return self._read_ms / 1000
        return None

    async def run(self) -> None:
        told = False
        while True:
            try:
                await self._work()
                return
            except MovedError as error:
                log.info("%s", error)
            except (psycopg.Error, KafkaError, OSError, UserHashKeyError) as error:
                if not told:
                    log.warning("webhook %s waits: %s", self.place.webhook, error)
                told = True
                await asyncio.sleep(TROUBLE_SECONDS)

    async def _work(self) -> None:
        if not await self._open():
            return
        while True:
            if self._message is None:
                self._message = await self._fixed()
            if self._message is None:
                await self._means.store.replayed(self.place)
                return
            if not await self._deliver(self._message):
                return
            self._stored, self._message = self._message.next_offset, None

    async def _open(self) -> bool:
        """Whether there is anything to do."""
        store, rereader, place = self._means.store, self._means.rereader, self.place
        cursor = await store.cursor(place)
        if cursor is None and place.dead_letter == 0:
            begins = await rereader.offset_since(place.partition, self._target.created_at)
            await store.begin(place, begins)
            cursor = await store.cursor(place)
        if cursor is None:
            return False
        self._restart(cursor.next_offset)
        self._until = cursor.until_offset
        self._message = cursor.message
        if self._message is not None:
            self._next = self._message.next_offset
        elif self._next > self._window.end:
            end = await rereader.end_offset(place.partition)
            if self._next > end:  # the topic was made anew
                await self._lost(await rereader.first_offset(place.partition))
        return True

    # -- from the log to a message

    async def _fixed(self) -> Message | None:
        """The next message, stored; ``None``: the replay is through."""
        next_offset = await self._gather()
        records = self._gathering.records
        if not records:
            await self._advance(next_offset)
            return None
        message = Message(
            id=f"msg_{secrets.token_hex(12)}",
            body=self._gathering.body(),
            changes=len(records),
            next_offset=next_offset,
            oldest_at=records[0].at_ms / 1000,
            fixed_at=time.time(),
        )
        await self._means.store.fix(self.place, self._stored, message)
        self._gathering = Gathering()
        return message

    async def _gather(self) -> int:
        """Until the message is complete, or the replay has no more; the offset after it."""
        while True:
            while self._page:
                record = self._page[0]
                if self._wants(record) and not self._gathering.add(record, time.monotonic()):
                    return record.offset
                self._page.popleft()
            left = self._gathering.seconds_left(time.monotonic())
            if left == 0.0:
                return self._bounded(self._next)
            if self._until is not None and self._next >= self._until:
                return self._until
            if left is None:
                left = await self._advance_in_time()
            try:
                async with asyncio.timeout(left):
                    await self._turn_page()
            except TimeoutError:
                continue
            except LostError as error:
                if self._gathering.records:
                    return self._next  # they go first; then the lane comes back here
                await self._lost(error.first_offset)

    def _wants(self, record: Record) -> bool:
        return record.change is not None and self._target.filter.wants(record.change)

    def _bounded(self, offset: int) -> int:
        return offset if self._until is None else min(offset, self._until)

    async def _turn_page(self) -> None:
        """More records, from the window or, if it begins later, from Kafka. Raises
        :class:`LostError`."""
        if self._next >= self._window.start:
            await self._window.wait_beyond(self._next)
        if self._next >= self._window.start:
            records, next_offset = self._window.page(self._next)
        else:
            records, next_offset = await self._means.rereader.page(self.place.partition, self._next)
            records = await self._means.known(records)
        if records:
            self._read_ms = records[-1].at_ms
        self._page.extend(r for r in records if self._until is None or r.offset < self._until)
        self._next = next_offset

    async def _lost(self, first_offset: int) -> None:
        """Go on where Kafka begins, and keep what could not be read."""
        log.warning(
            "webhook %s: Kafka has no changes of partition %d from offset %d to %d any more",
            *(self.place.webhook, self.place.partition, self._stored, first_offset),
        )
        self._means.metrics.lost_ranges.inc()
        to_offset = self._bounded(first_offset)
        await self._means.store.lost(self.place, self._stored, to_offset)
        self._restart(to_offset)

    async def _advance_in_time(self) -> float:
        """Store how far nobody wanted anything, now and then; gives the seconds until the next."""
        now = time.monotonic()
        due = self._advanced_at + ADVANCE_SECONDS
        if now >= due or self._next - self._stored >= ADVANCE_RECORDS:
            await self._advance(self._bounded(self._next))
            self._advanced_at, due = now, now + ADVANCE_SECONDS
        return due - now

    async def _advance(self, next_offset: int) -> None:
        if next_offset > self._stored:
            await self._means.store.advance(self.place, self._stored, next_offset)
            self._stored = next_offset

    # -- from a message to the receiver

    async def _deliver(self, message: Message) -> bool:
        """Until it is delivered or given up; false: the webhook is disabled."""
        store, metrics, door = self._means.store, self._means.metrics, self._target.door
        due_since = message.fixed_at if self.place.dead_letter else message.oldest_at
        attempts = message.attempts
        while True:
            attempt = await self._attempt(message)
            if attempt is None:
                pause = CLOSED_DOOR_SECONDS
            elif attempt.outcome == "delivered":
                await store.delivered(self.place, message.id)
                metrics.changes.inc(message.changes)
                return True
            elif attempt.outcome == "gone":
                log.warning("webhook %s answered 410: it is disabled", self.place.webhook)
                await store.disable(self.place.webhook)
                metrics.given_up.inc(message.changes)
                return False
            else:
                attempts += 1
                await store.failed(self.place, message.id, attempts, attempt.problem)
                pause = pause_seconds(attempts, attempt.retry_after, self._chance)
            if self._means.policy.is_given_up(
                due_since=due_since,
                fixed_at=message.fixed_at,
                away=door.circuit.is_open,
                now=time.time(),
            ):
                await store.given_up(self.place, message.id)
                metrics.given_up.inc(message.changes)
                return True
            await door.pause(pause)

    async def _attempt(self, message: Message) -> Attempt | None:
        """``None``: nobody may ask now, because the receiver has not answered for a while."""
        metrics, target = self._means.metrics, self._target
        async with target.door.turns:
            started = time.monotonic()
            if not target.door.circuit.allows(started):
                return None
            attempt = await self._send(message)
        ended = time.monotonic()
        metrics.attempt_seconds.observe(ended - started)
        metrics.deliveries.labels(attempt.outcome).inc()
        if attempt.outcome == "delivered":
            target.door.succeeded()
        else:
            target.door.circuit.failed(ended)
        return attempt

    async def _send(self, message: Message) -> Attempt:
        target = self._target
        return await self._means.sender.send(target.url, target.keys, message.id, message.body)
