"""What ends a processor that is stuck, so that its supervisor starts another.

Nothing is lost by it: what is committed is committed, and the rest is read again. Stuck is

- an event loop that does not run: a thread watches its beats. Should even threads not run, because
  something in C holds Python's lock, faulthandler ends the process a little later.
- records that wait while nothing is loaded, reduced, stored or tried again. A wait for
  PostgreSQL or Kafka is bounded and tried again and again, which counts as well; so does a
  rebalance, up to ``REBALANCE_PATIENCE`` times as long. Without records that wait nothing is wrong.

Time counts only while this process runs: one that was stopped for an hour is not stuck.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import sys
import threading
import time
from typing import Any, Final

from processor.watch.lag import Lags
from processor.watch.progress import Progress
from schemas.service.background import Background

BEAT_SECONDS: Final = 0.5
#: A rebalance waits for the slowest member and for PostgreSQL.
REBALANCE_PATIENCE: Final = 5
#: After the thread should have done it: time for it to write what it knows.
LAST_RESORT_SECONDS: Final = 15.0
STUCK: Final = 70  # EX_SOFTWARE of sysexits.h

log = logging.getLogger(__name__)


class Watchdog:
    """From :meth:`start`, on the running event loop, to :meth:`stop`."""

    def __init__(
        self, stall_seconds: float, lags: Lags, progress: Progress, background: Background
    ) -> None:
        self._stall_seconds = stall_seconds
        self._lags = lags
        self._progress = progress
        self._background = background
        self._beats = 0
        self._behind = ""
        self._rebalancing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._beat(), name="watchdog-beat")
        self._thread.start()

    def stop(self) -> None:
        """Only while the loop runs: from here on the process ends by itself."""
        self._stopping.set()
        if self._task is not None:
            self._task.cancel()
        faulthandler.cancel_dump_traceback_later()

    async def _beat(self) -> None:
        while True:
            self._beats += 1
            # What could not be looked at is no reason to end the process.
            behind, rebalancing = "", False
            with self._background.goes_on("watchdog"):
                behind, rebalancing = self._look()
            # Set last: the thread reads them at any moment, and takes nothing for nobody waits.
            self._behind, self._rebalancing = behind, rebalancing
            faulthandler.dump_traceback_later(
                self._stall_seconds + LAST_RESORT_SECONDS, exit=True, file=sys.stderr
            )
            await asyncio.sleep(BEAT_SECONDS)

    def _look(self) -> tuple[str, bool]:
        """Which records wait, and whether a rebalance goes on."""
        app: Any = self._lags.app
        rebalancing = bool(app is not None and app.rebalancing)
        waiting = {s.partition: s.lag_records for s in self._lags.now() if s.lag_records}
        return ", ".join(f"{lag} of partition {p}" for p, lag in waiting.items()), rebalancing

    def _watch(self) -> None:
        beats = steps = -1
        silent = idle = 0.0
        looked_at = time.monotonic()
        while not self._stopping.wait(BEAT_SECONDS):
            # Not more than it can have been: the process may have been stopped in between.
            passed = min(time.monotonic() - looked_at, 2 * BEAT_SECONDS)
            looked_at = time.monotonic()
            silent = silent + passed if self._beats == beats else 0.0
            beats = self._beats
            waits = self._behind or self._rebalancing
            stands = self._progress.steps == steps and not self._progress.pausing
            if not waits or not stands:
                idle = 0.0
            elif silent < 2 * BEAT_SECONDS:  # a loop that does not run is why nothing happens
                idle += passed
            steps = self._progress.steps
            patience = REBALANCE_PATIENCE if self._rebalancing else 1
            if silent > self._stall_seconds:
                end_stuck(f"the event loop has not run for {silent:.0f} s")
            if idle > self._stall_seconds * patience:
                what = f"records wait ({self._behind})" if self._behind else "a rebalance goes on"
                end_stuck(f"{what}, and nothing has happened for {idle:.0f} s")


def end_stuck(why: str) -> None:
    """End this process, with a line and the stacks of its threads."""
    # The stacks first, and without the logging module: what hangs may hold one of its locks.
    sys.stderr.write(f"rollcall: stuck: {why}; ending the process\n")
    sys.stderr.flush()
    faulthandler.dump_traceback(sys.stderr, all_threads=True)
    give_up = threading.Timer(2.0, os._exit, (STUCK,))
    give_up.daemon = True
    give_up.start()
    log.critical("stuck: %s; ending the process", why)
    os._exit(STUCK)
