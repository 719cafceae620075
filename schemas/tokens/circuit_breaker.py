"""A circuit breaker: asks nothing more of a server that is away, and finds out when it is back.

Closed, every request may go. After ``TRIP`` failures with no success between them it opens: no
request for ``PAUSE_SECONDS``, then one at a time, until one succeeds. Several failures, not one,
because a single request may fail by its own fault. PURE: asked with ``now``, in monotonic seconds.
"""

from __future__ import annotations

from typing import Final

TRIP: Final = 5
PAUSE_SECONDS: Final = 1.0


class Circuit:
    """Ask :meth:`allows`, then report :meth:`succeeded` or :meth:`failed`."""

    def __init__(self) -> None:
        self._failures = 0
        self._next_probe = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= TRIP

    def allows(self, now: float) -> bool:
        """Whether a request may go now. On an open circuit this claims the probe of a pause: the
        next one may go a pause later, whatever became of this one."""
        if not self.is_open:
            return True
        if now < self._next_probe:
            return False
        self._next_probe = now + PAUSE_SECONDS
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, now: float) -> None:
        self._failures += 1
        if self._failures == TRIP:
            self._next_probe = now + PAUSE_SECONDS
