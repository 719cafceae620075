"""How what starts processes ends."""

from __future__ import annotations

import signal
from typing import NoReturn


def end_by_sigterm() -> None:
    """SIGTERM ends this process as Ctrl-C does: what it has started goes with it."""
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)
