"""Which lanes run: those of this process's partitions, for every webhook that is not disabled.

The consumer group gives out the partitions. The group's consumer reads what is new, once for all
webhooks; nothing is committed to Kafka, for each webhook has cursors of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable
from typing import Any, Final

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from processor.notify.clock import Clock
from processor.notify.lane import Lane
from processor.notify.means import Means
from processor.notify.messages import record_of
from processor.notify.settings import NotifySettings
from processor.notify.store import Place, Webhook
from processor.notify.target import Door, Target
from processor.notify.timer_lane import TimerLane
from processor.notify.window import Window
from schemas.log.client import client_options
from schemas.log.topics import CHANGES, topic_name
from schemas.webhooks.forms import NO_KEY
from schemas.webhooks.secret_box import AnotherKeyError, SecretBox

log = logging.getLogger(__name__)

REFRESH_SECONDS: Final = 2.0
CLOCK_SECONDS: Final = 1.0
POLL_MS: Final = 500
TROUBLE_SECONDS: Final = 1.0
FORGET_EVERY_SECONDS: Final = 3_600.0


class Notifier:
    """``trouble`` is why it does not work, ``warnings`` which webhooks cannot be signed for."""

    def __init__(self, settings: NotifySettings, means: Means) -> None:
        self._settings = settings
        self._means = means
        self._box = settings.secret_box
        self._topic = topic_name(settings, CHANGES)
        self._consumer: Any = None
        self._windows: dict[int, Window] = {}
        self._clocks: dict[int, Clock] = {}
        self._targets: dict[str, Target] = {}
        self._doors: dict[str, Door] = {}
        self._lanes: dict[Place, tuple[Lane, asyncio.Task[None]]] = {}
        self._forget_at = 0.0
        self._taken = asyncio.Event()
        self.assigned = False
        self.trouble: str | None = None
        self.warnings: list[str] = []

    async def run(self) -> None:
        """Until it is cancelled. Raises ``KafkaError`` or ``OSError`` if it cannot begin."""
        self._consumer = consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            group_id=self._settings.topic_prefix + self._settings.notify_consumer_group,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            session_timeout_ms=round(self._settings.notify_session_timeout_seconds * 1000),
            heartbeat_interval_ms=round(self._settings.notify_session_timeout_seconds * 333),
            client_id="rollcall-notify",
        )
        consumer.subscribe([self._topic], listener=_Partitions(self))
        background = {
            asyncio.create_task(self._keep_refreshing(), name="webhooks"),
            asyncio.create_task(self._keep_reading_clocks(), name="clocks"),
        }
        try:
            await consumer.start()
            while True:
                await self._read()
        finally:
            for task in background:
                task.cancel()
            await asyncio.wait(background)
            await self.give_back(list(self._windows))
            await consumer.stop()

    async def take(self, partitions: Iterable[int]) -> None:
        """They are this process's from now on."""
        places = {p: TopicPartition(self._topic, p) for p in partitions}
        ends = await self._ends(list(places.values()))
        for partition, place in places.items():
            self._consumer.seek(place, ends[place])
            self._windows[partition] = Window(ends[place])
            self._clocks[partition] = Clock()
        self.assigned = True
        self._taken.set()
        self._means.metrics.partitions.set(len(self._windows))
        log.info("%d partitions are this process's", len(self._windows))

    async def give_back(self, partitions: Iterable[int]) -> None:
        """They are another's: its lanes end, whatever they are at."""
        given = set(partitions)
        await self._end([place for place in self._lanes if place.partition in given])
        for partition in given:
            self._windows.pop(partition, None)
            self._clocks.pop(partition, None)
        self._means.metrics.partitions.set(len(self._windows))

    async def _ends(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Until Kafka answers: a partition that is taken without would have no lanes."""
        while places:
            try:
                found: dict[TopicPartition, int] = await self._consumer.end_offsets(places)
            except (KafkaError, OSError) as error:
                log.warning("cannot ask how far %s is: %s", self._topic, error)
                await asyncio.sleep(TROUBLE_SECONDS)
            else:
                return found
        return {}

    async def _read(self) -> None:
        try:
            found = await self._consumer.getmany(timeout_ms=POLL_MS)
        except (KafkaError, OSError) as error:
            log.warning("cannot read %s: %s", self._topic, error)
            await asyncio.sleep(TROUBLE_SECONDS)
            return
        for place, records in found.items():
            window = self._windows.get(place.partition)
            if window is not None and records:
                window.append(
                    [record_of(r.offset, r.timestamp, r.value) for r in records],
                    records[-1].offset + 1,
                )

    async def _keep_refreshing(self) -> None:
        while True:
            self._taken.clear()
            with self._means.metrics.background.goes_on("webhooks"):
                try:
                    await self._refresh()
                    self.trouble = None
                except psycopg.errors.UndefinedTable:
                    self.trouble = "the database lacks tables of this release: run rollcall migrate"
                except psycopg.Error as error:
                    self.trouble = f"PostgreSQL: {type(error).__name__}"
                except Exception as error:
                    self.trouble = f"webhooks: {type(error).__name__}, see the log"
                    raise
                self._show_lag()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_SECONDS):
                    await self._taken.wait()

    async def _keep_reading_clocks(self) -> None:
        """While a timer of a webhook wants to know what time it is."""
        while True:
            with self._means.metrics.background.goes_on("clocks"):
                if any(target.filter.timer is not None for target in self._targets.values()):
                    with contextlib.suppress(psycopg.Error, KafkaError, OSError):
                        await self._read_clocks()
            await asyncio.sleep(CLOCK_SECONDS)

    async def _read_clocks(self) -> None:
        readings = await self._means.store.readings(list(self._clocks))
        places = {r.partition: TopicPartition(self._topic, r.partition) for r in readings}
        ends = await self._consumer.end_offsets(list(places.values())) if places else {}
        for reading in readings:
            clock = self._clocks.get(reading.partition)
            if clock is not None:  # it may have been given back meanwhile
                clock.read(reading, ends[places[reading.partition]])

    async def _refresh(self) -> None:
        """Lanes as there are webhooks, replays and partitions now."""
        store = self._means.store
        webhooks = await store.webhooks()
        if webhooks and self._box is None:
            self.warnings = [NO_KEY]
            webhooks = []
        elif self._box is not None:
            self.warnings = self._renew(webhooks, self._box)
        partitions = list(self._windows)
        wanted = {Place(target, p, 0) for target in self._targets for p in partitions}
        wanted.update(p for p in await store.replays(partitions) if p.webhook in self._targets)
        self._means.metrics.dead_letters.set(await store.dead_letters())
        now = time.monotonic()
        if now >= self._forget_at:
            await store.forget_old_dead_letters()
            self._forget_at = now + FORGET_EVERY_SECONDS
        ended = [place for place, (_, task) in self._lanes.items() if task.done()]
        await self._end([*ended, *(place for place in self._lanes if place not in wanted)])
        for place in wanted - self._lanes.keys():
            window = self._windows.get(place.partition)
            if window is not None:  # it may have been given back meanwhile
                self._begin(place, window)
        self._means.metrics.webhooks.set(len(self._targets))

    def _renew(self, webhooks: list[Webhook], box: SecretBox) -> list[str]:
        """Targets as webhooks are; what is wrong with the others."""
        warnings, found = [], {}
        for webhook in webhooks:
            door = self._doors.setdefault(webhook.url, Door())
            target = self._targets.get(webhook.id)
            try:
                if target is None:
                    target = Target(webhook, box, door)
                else:
                    target.renew(webhook, box)
            except (AnotherKeyError, ValueError) as error:
                warnings.append(str(error))
                continue
            found[webhook.id] = target
        for gone in self._targets.keys() - found.keys():
            self._forget_lag(gone)
        self._targets = found
        urls = {webhook.url for webhook in webhooks}
        self._doors = {url: door for url, door in self._doors.items() if url in urls}
        return warnings

    def _begin(self, place: Place, window: Window) -> None:
        target = self._targets[place.webhook]
        if target.filter.timer is None:
            lane = Lane(place, target, window, self._means)
        else:
            clock = self._clocks[place.partition]
            lane = TimerLane(place, target, window, self._means, clock)
        task = asyncio.create_task(lane.run(), name=f"lane {place}")
        self._lanes[place] = (lane, task)

    async def _end(self, places: Iterable[Place]) -> None:
        tasks = {self._lanes.pop(place)[1] for place in set(places) if place in self._lanes}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled() and task.exception() is not None:
                log.error("%s ended, and begins again", task.get_name(), exc_info=task.exception())

    def _show_lag(self) -> None:
        now = time.time()
        lanes = [lane for lane, _ in self._lanes.values() if isinstance(lane, TimerLane)]
        self._means.metrics.stays.set(sum(lane.stays for lane in lanes))
        behind = dict.fromkeys(self._targets, 0.0)
        for place, (lane, _) in self._lanes.items():
            since = lane.waits_since
            if place.dead_letter == 0 and since is not None and place.webhook in behind:
                behind[place.webhook] = max(behind[place.webhook], now - since)
        for webhook, seconds in behind.items():
            self._means.metrics.lag.labels(webhook).set(seconds)

    def _forget_lag(self, webhook: str) -> None:
        try:
            self._means.metrics.lag.remove(webhook)
        except KeyError:
            return


class _Partitions(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._notifier.give_back(place.partition for place in revoked)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._notifier.take(place.partition for place in assigned)
