"""One process of `rollcall up` under its guard: start, watch, stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")
LOG_MAX_BYTES = 5_000_000
LAST_WORDS_BYTES = 4096
LAST_WORDS_CHARACTERS = 300
POLL_SECONDS = 0.03
# The guard itself needs a moment after its own deadline.
GUARD_MARGIN_SECONDS = 3.0


class ChildFailedError(RuntimeError):
    """A child ended while somebody waited for it to become ready. The message names its log."""


@dataclass(frozen=True, slots=True)
class Child:
    """What to run, and how it wants to be stopped.

    `stop_signal` is a name without SIG; after `stop_seconds` SIGKILL follows. `uid` and `gid`
    make the guard (as root) drop to that user before it runs the command.
    """

    name: str
    command: Sequence[str]
    log_path: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    stop_seconds: float = 10.0
    uid: int | None = None
    gid: int | None = None


class RunningChild:
    """A started child. Not tied to an event loop, so that tests can share one across loops."""

    def __init__(self, child: Child, *, inherit_fds: tuple[int, ...] = ()) -> None:
        """Start it. `inherit_fds` stay open in the guard for as long as the child lives."""
        self.child = child
        self.started_at = time.monotonic()
        guard = [sys.executable, "-I", "-S", str(GUARD), "--stop-signal", child.stop_signal]
        guard += ["--stop-seconds", str(child.stop_seconds)]
        if child.uid is not None:
            guard += ["--uid", str(child.uid), "--gid", str(child.gid)]
        child.log_path.parent.mkdir(parents=True, exist_ok=True)
        bound_log(child.log_path)
        with child.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                [*guard, "--", *child.command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **child.environment},
                start_new_session=True,
                pass_fds=inherit_fds,
            )

    @property
    def pid(self) -> int:
        """Process id of the guard."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; 128 + n after signal n."""
        return self._process.poll()

    def check(self) -> None:
        """Raise `ChildFailedError` if it has ended."""
        if self.exit_status is not None:
            raise ChildFailedError(
                f"{self.child.name} ended with status {self.exit_status}{self.last_words()}: "
                f"see {self.child.log_path}"
            )

    def last_words(self) -> str:
        """The last line of its log, in brackets; empty if there is none."""
        with self.child.log_path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LAST_WORDS_BYTES))
            lines = log.read().decode(errors="replace").split("\n")
        words = [line.strip() for line in lines if line.strip()]
        return f" ({words[-1][-LAST_WORDS_CHARACTERS:]})" if words else ""

    def request_stop(self) -> None:
        """Ask for an orderly stop; returns at once."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Stop it in order, by force after its deadline; returns the exit status."""
        self.request_stop()
        try:
            self._process.wait(self.child.stop_seconds + GUARD_MARGIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        return self._reap()

    async def wait(self) -> int:
        """Wait for its end, however it comes; returns the exit status."""
        while self._process.poll() is None:
            await _sign_of_an_end(self.pid)
        return self._reap()

    def _reap(self) -> int:
        status = self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        return status


async def _sign_of_an_end(pid: int) -> None:
    """Return when this child of ours has ended, or after a moment where nobody tells."""
    descriptor = None
    if sys.platform == "linux":
        # Without a look 30 times a second, of which an idle stack would have five.
        with contextlib.suppress(OSError):  # an old kernel, or it has just been waited for
            descriptor = os.pidfd_open(pid)
    if descriptor is None:
        await asyncio.sleep(POLL_SECONDS)
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def bound_log(path: Path) -> None:
    """Keep a log under `LOG_MAX_BYTES`, and one predecessor beside it as `….1`."""
    if path.exists() and path.stat().st_size > LOG_MAX_BYTES:
        path.replace(path.with_name(path.name + ".1"))
