"""The viewers of this process and the one poll that serves them all.

While there is a viewer the database is asked once a second; each answer is one event, made once and
given to everybody. Without viewers nothing is asked. A viewer's backlog is bounded: one that falls
behind is cut off, and comes back where it was (``Last-Event-ID``).
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from api.feed.events import EVENTS_KEPT, EventLog, trouble
from api.feed.reader import FeedReader
from api.metrics import ApiMetrics
from api.settings import ApiSettings
from schemas.http.problems import ProblemError, rate_limited
from schemas.tokens.identity import Identity

#: Events that wait for one viewer; beside them there is what its connection holds.
BACKLOG: Final = 16
#: One of their own feeds may have ended by then.
READER_RETRY_SECONDS: Final = 10.0
#: How long the first viewer may wait for what takes long to read: it comes later then.
FIRST_SECONDS: Final = 1.0

logger = logging.getLogger(__name__)


class Viewer:
    """One connection that follows the feed. ``cut`` is called when it is too slow."""

    def __init__(
        self, reader: Identity, last_event_id: str | None, cut: Callable[[], None]
    ) -> None:
        self.reader = reader.kind, reader.user
        self.last_event_id = last_event_id
        self.is_greeted = False
        self._cut = cut
        self._backlog: asyncio.Queue[bytes | None] = asyncio.Queue(BACKLOG)

    async def next(self) -> bytes | None:
        """The next event, or ``None``: there are no more."""
        return await self._backlog.get()

    def give(self, event: bytes) -> bool:
        """``False``: it does not keep up, and was cut off."""
        try:
            self._backlog.put_nowait(event)
        except asyncio.QueueFull:
            self._cut()
            return False
        return True

    def end(self) -> None:
        """No more events."""
        if self._backlog.full():
            self._cut()
        else:
            self._backlog.put_nowait(None)


class Hub:
    """``clock`` is monotonic seconds."""

    def __init__(
        self,
        reader: FeedReader,
        settings: ApiSettings,
        metrics: ApiMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._most_viewers = settings.feed_viewers
        self._most_of_a_reader = settings.feed_viewers_per_reader
        self._interval_seconds = settings.feed_interval_seconds
        self._metrics = metrics
        self._clock = clock
        self._viewers: set[Viewer] = set()
        self._log = EventLog(secrets.token_hex(4))
        self._told_at = clock()
        self._polling: asyncio.Task[None] | None = None
        self._is_closed = False

    def check_room(self, reader: Identity) -> None:
        """Raises ``ProblemError`` with code ``unavailable`` where no viewer more can be served."""
        if self._is_closed:
            raise ProblemError("unavailable", "The API is being stopped.")
        if len(self._viewers) >= self._most_viewers:
            raise ProblemError(
                "unavailable",
                f"{self._most_viewers} viewers follow the feed of this process already; "
                "ROLLCALL_FEED_VIEWERS allows more.",
            )
        who = reader.kind, reader.user
        if sum(viewer.reader == who for viewer in self._viewers) >= self._most_of_a_reader:
            raise rate_limited(
                f"You follow the feed of this process {self._most_of_a_reader} times already; "
                "ROLLCALL_FEED_VIEWERS_PER_READER allows more.",
                READER_RETRY_SECONDS,
            )

    def join(self, viewer: Viewer) -> None:
        """Serve a viewer from now on; :meth:`check_room` comes first."""
        self._viewers.add(viewer)
        self._metrics.feed_viewers.set(len(self._viewers))
        if self._polling is None or self._polling.done():
            # In no request's context: its poll is nobody's.
            self._polling = asyncio.create_task(
                self._poll(), name="feed-poll", context=contextvars.Context()
            )
        elif not self._log.is_empty:
            self._greet(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Does nothing if it has left already."""
        self._viewers.discard(viewer)
        self._metrics.feed_viewers.set(len(self._viewers))
        if not self._viewers and self._polling is not None:
            # From now on not the poll of a viewer that joins before it has ended.
            polling, self._polling = self._polling, None
            polling.cancel()

    async def close(self) -> None:
        """Send every viewer away."""
        self._is_closed = True
        for viewer in list(self._viewers):
            viewer.end()
        polling, self._polling = self._polling, None
        if polling is not None:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)

    async def _poll(self) -> None:
        if self._clock() - self._told_at > EVENTS_KEPT * self._interval_seconds:
            self._log = EventLog(secrets.token_hex(4))
        self._reader.begin(anew=self._log.is_empty)
        first = asyncio.Event()
        try:
            # What fails in one of them ends both.
            async with asyncio.TaskGroup() as polls:
                polls.create_task(self._poll_slow(first), name="feed-poll-slow")
                polls.create_task(self._poll_fast(first), name="feed-poll-fast")
        except* Exception:
            logger.exception("The feed's poll failed")
            # They come back, and find a poll that begins anew.
            self._log = EventLog(secrets.token_hex(4))
            for viewer in list(self._viewers):
                viewer.end()

    async def _poll_fast(self, first: asyncio.Event) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SECONDS):
                await first.wait()
        while True:
            started = self._clock()
            await self._tell()
            await asyncio.sleep(self._interval_seconds - (self._clock() - started))

    async def _tell(self) -> None:
        """One event for everybody."""
        try:
            reading = await self._reader.read()
        except ProblemError as problem:
            for viewer in list(self._viewers):
                self._give(viewer, trouble(problem.detail))
            return
        delta = self._log.advance(reading.sections, reading.changes, reading.changed)
        self._told_at = self._clock()
        for viewer in list(self._viewers):
            if viewer.is_greeted:
                self._give(viewer, delta)
            else:
                self._greet(viewer)

    async def _poll_slow(self, first: asyncio.Event) -> None:
        while True:
            try:
                await self._reader.read_slow()
            except ProblemError as problem:
                logger.info("Part of the feed was not read: %s", problem.detail)
            first.set()
            await asyncio.sleep(self._interval_seconds)

    def _greet(self, viewer: Viewer) -> None:
        viewer.is_greeted = True
        self._give(viewer, self._log.greeting(viewer.last_event_id))

    def _give(self, viewer: Viewer, event: bytes) -> None:
        if event and not viewer.give(event):
            self._metrics.feed_cut.inc()
            self.leave(viewer)
