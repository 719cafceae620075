"""How a service ends: SIGTERM begins an orderly end, SIGINT one without waiting for anybody.

An orchestrator sends SIGTERM while its gateway still sends calls here. So the service first says
that it is not ready, and goes on answering for ``ROLLCALL_DRAIN_SECONDS``, in which the gateway
notices; then it stops listening. Who presses Ctrl-C has no gateway.

A library may block the event loop while it stops, or swallow the cancellation that a time-out is
made of. So where a service has a deadline, a thread holds it.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

#: Why a service that has been told to stop is not ready.
STOPPING: Final = "stopping"
#: What was cancelled has so long to clean up.
CANCEL_SECONDS: Final = 1.0


class Stop(asyncio.Event):
    """Set once the service is to end; ``hurry`` is set if nothing is to be waited for.

    ``deadline_seconds`` later a thread ends the process with status 1, whatever hangs, and writes
    at what it was (``doing``) and where each thread is.
    """

    def __init__(self, deadline_seconds: float | None = None) -> None:
        super().__init__()
        self.hurry = asyncio.Event()
        self.doing = "at work"
        self._deadline_seconds = deadline_seconds

    def set(self) -> None:
        if self._deadline_seconds is not None and not self.is_set():
            timer = threading.Timer(self._deadline_seconds, self._end)
            timer.daemon = True
            timer.start()
        super().set()

    def at_once(self) -> None:
        self.hurry.set()
        self.set()

    async def unless(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What ``work`` gives; ``None`` if the service is to end first: then it is cancelled."""
        working, told = asyncio.create_task(work), asyncio.create_task(self.wait())
        try:
            await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
        if working.done():
            return working.result()
        working.cancel()
        await asyncio.wait({working}, timeout=CANCEL_SECONDS)
        return None

    def _end(self) -> None:
        # Without the logging module: what hangs may hold one of its locks.
        sys.stderr.write(
            f"rollcall: not stopped {self._deadline_seconds:g} s after being told to ({self.doing})"
            "; ending the process\n"
        )
        sys.stderr.flush()
        faulthandler.dump_traceback(sys.stderr, all_threads=True)
        os._exit(1)


def stop_on_signals(deadline_seconds: float | None = None) -> Stop:
    """Set by SIGTERM and SIGINT."""
    stop = Stop(deadline_seconds)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.at_once)
    return stop
