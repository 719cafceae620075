"""How a service ends: SIGTERM begins an orderly end, SIGINT one without waiting for anybody.

An orchestrator sends SIGTERM while its gateway still sends calls here. So the service first says
that it is not ready, and goes on answering for ``ROLLCALL_DRAIN_SECONDS``, in which the gateway
notices; then it stops listening. Who presses Ctrl-C has no gateway.
"""

from __future__ import annotations

import asyncio
import signal
from typing import Final

#: Why a service that has been told to stop is not ready.
STOPPING: Final = "stopping"


class Stop(asyncio.Event):
    """Set once the service is to end; ``hurry`` is set if nothing is to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.hurry = asyncio.Event()

    def at_once(self) -> None:
        self.hurry.set()
        self.set()


def stop_on_signals() -> Stop:
    """Set by SIGTERM and SIGINT."""
    stop = Stop()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.at_once)
    return stop
