"""One process under a supervisor that starts it again, as an orchestrator does."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import psutil

from deploy.local.child import Child, RunningChild
from tests.suite.forks import VARIABLE as FORKS
from tests.suite.forks import start_python

#: Between the end of a process and its next start, and between two looks.
PAUSE_SECONDS: Final = 0.5
LOOK_SECONDS: Final = 0.1
POLL_SECONDS: Final = 0.02


class ForkedChild(RunningChild):
    """A service that need not import anything, and has no guard."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.started_at = time.monotonic()
        child.log_path.parent.mkdir(parents=True, exist_ok=True)
        with child.log_path.open("ab") as log:
            process: Any = start_python(
                child.command[1:], env={**os.environ, **child.environment}, stdout=log, stderr=log
            )
        self._process = process
        self._looks = threading.Lock()

    @property
    def exit_status(self) -> int | None:
        """As the one thread hears it that asks first, and the others after it."""
        with self._looks:
            return self._process.poll()

    def request_stop(self) -> None:
        self._send(signal.SIGTERM)

    def stop(self) -> int:
        self.request_stop()
        deadline = time.monotonic() + self.child.stop_seconds
        while (status := self.exit_status) is None:
            if time.monotonic() > deadline:
                self._send(signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        return status

    def _send(self, number: signal.Signals) -> None:
        if self.exit_status is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def can_be_forked(child: Child) -> bool:
    """Where there is what forks (`make smoke`), one of our own whose clock is that of the machine:
    another one needs a library that is loaded first."""
    return (
        FORKS in os.environ
        and child.command[0] == sys.executable
        and "LD_PRELOAD" not in child.environment
    )


class Managed:
    """A child that runs again whenever it ends, unless it is to be away."""

    def __init__(self, child: Child, before_start: Callable[[], None] | None = None) -> None:
        self.child = child
        self.name = child.name
        self.starts = 0
        self._before_start = before_start
        self._running: RunningChild | None = None
        self._wanted = False
        self._ended_at = 0.0
        self._lock = threading.Lock()

    @property
    def wanted(self) -> bool:
        return self._wanted

    @property
    def log(self) -> str:
        return self.child.log_path.read_text(errors="replace")

    def start(self) -> RunningChild:
        """It runs, and is to go on."""
        with self._lock:
            self._wanted = True
            return self._launch()

    def look(self) -> None:
        """Start it again if it has ended and is to run."""
        with self._lock:
            running = self._running
            if not self._wanted or running is None or running.exit_status is None:
                self._ended_at = 0.0
            elif not self._ended_at:
                self._ended_at = time.monotonic()
            elif time.monotonic() > self._ended_at + PAUSE_SECONDS:
                self._ended_at = 0.0
                self._launch()

    def _launch(self) -> RunningChild:
        if self._running is not None:
            if self._running.exit_status is None:
                return self._running
            self._running.stop()
        if self._before_start is not None:
            self._before_start()
        self.starts += 1
        start = ForkedChild if can_be_forked(self.child) else RunningChild
        self._running = start(self.child)
        return self._running

    def stop(self) -> None:
        """SIGTERM, and it stays away."""
        self._wanted = False
        self.send(signal.SIGCONT)
        if self._running is not None:
            self._running.stop()

    def restart(self) -> None:
        """SIGTERM, and it comes again."""
        self.stop()
        self.start()

    def kill(self, *, stays_away: bool = False) -> None:
        """SIGKILL of the process itself; what it has started notices by itself."""
        with self._lock:
            self._wanted = self._wanted and not stays_away
            for process in self._processes()[:1]:
                process.kill()
        if stays_away and self._running is not None:
            self._running.stop()

    def send(self, number: signal.Signals) -> None:
        """To the process and to all that it has started."""
        for process in self._processes():
            try:
                os.kill(process.pid, number)
            except ProcessLookupError:
                continue

    def _processes(self) -> list[psutil.Process]:
        """Without the guard."""
        if self._running is None:
            return []
        try:
            first = psutil.Process(self._running.pid)
            started = first.children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [first, *started] if isinstance(self._running, ForkedChild) else started


class Keeper:
    """Looks after all of them, in a thread of its own."""

    def __init__(self, managed: list[Managed]) -> None:
        self._managed = managed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            for each in list(self._managed):
                each.look()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
