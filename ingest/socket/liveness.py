"""Whether the client of a socket is there. PURE.

Whatever it sends, pings and pongs included, shows that it is. One that was not heard of for
``interval_seconds`` is pinged, and lost ``timeout_seconds`` later. ``now`` is in seconds of one
monotonic clock.
"""

from __future__ import annotations

from typing import Final

#: Of the interval: whoever is looked at so little before a ping is due is pinged then. An answer
#: moves the next ping by its way here and back, and else each would be looked at twice.
_EARLY: Final = 1 / 32


class Liveness:
    """Of one client. ``interval_seconds`` may be set until the first ping."""

    __slots__ = ("_answered", "_pinged_at", "_timeout_seconds", "heard_at", "interval_seconds")

    def __init__(self, now: float, interval_seconds: float, timeout_seconds: float) -> None:
        self.heard_at = now
        self.interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds
        self._pinged_at: float | None = None
        self._answered = False

    @property
    def deadline(self) -> float:
        """When it is to be pinged, or is lost if it was."""
        if self._pinged_at is not None:
            return self._pinged_at + self._timeout_seconds
        return self.heard_at + self.interval_seconds

    @property
    def pinged(self) -> bool:
        """Whether a ping waits for its answer."""
        return self._pinged_at is not None

    @property
    def answers_bring_forward(self) -> bool:
        """Whether it is to be looked at earlier once it has answered a ping than if it had not."""
        return self._timeout_seconds > self.interval_seconds

    def ping_if_due(self, now: float) -> bool:
        """Whether a ping is to be sent now, which then counts as sent."""
        if (
            self._pinged_at is not None
            or now < self.heard_at + (1 - _EARLY) * self.interval_seconds
        ):
            return False
        self._pinged_at = now
        return True

    def heard(self, now: float) -> None:
        """It sent something."""
        self.heard_at = now
        if self._pinged_at is not None:
            self._pinged_at = None
            self._answered = True

    def ping(self, now: float) -> None:
        """A ping is sent."""
        self._pinged_at = now

    def loss_seconds(self, now: float) -> float | None:
        """The silence after which it was lost, if it had answered no ping until then."""
        if self._answered:
            return None
        return (now if self._pinged_at is None else self._pinged_at) - self.heard_at
