"""How good an answer is: as_of, and whether it is stale (promise 6). PURE."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# The broker's clock and PostgreSQL's are two: between well-kept ones this is no news.
CLOCK_TOLERANCE: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Freshness:
    """A reading of ``stream_offsets``, in one statement.

    ``as_of`` is the log time up to which every partition is complete, ``None`` if any has none.
    ``foreground`` and ``background`` are live counts of users. ``offline_after_ms`` is the longest
    of the policies in force, ``None`` before the first. ``read_at`` is PostgreSQL's clock.
    ``is_passing_again``: log time stepped back in a partition, and has not caught up with itself.
    ``audit_…`` is of the latest run of ``rollcall audit``, ``None`` before the first.
    ``members_away``: those of a federation that count for nothing here, as they do not answer;
    ``None``: it is no federation.
    """

    as_of: datetime | None
    foreground: int
    background: int
    offline_after_ms: int | None
    read_at: datetime
    is_passing_again: bool = False
    audit_differences: int | None = None
    audit_percent_in_full: float | None = None
    audit_age_seconds: float | None = None
    members_away: list[str] | None = None

    @property
    def age_seconds(self) -> float | None:
        """PostgreSQL's clock less ``as_of``."""
        return None if self.as_of is None else (self.read_at - self.as_of).total_seconds()

    def stale(self, stale_after_seconds: float) -> bool:
        """``as_of`` absent, older than that, in the future by more than two clocks differ, or not
        yet past what it was before; or somebody is not counted, as their member is away."""
        if self.as_of is None or self.is_passing_again or self.members_away:
            return True
        oldest = self.read_at - timedelta(seconds=stale_after_seconds)
        return not oldest <= self.as_of <= self.read_at + CLOCK_TOLERANCE

    def window_seconds(self, fallback_seconds: float) -> int | float:
        """The silence after which a device is offline; whole where it is."""
        seconds = fallback_seconds
        if self.offline_after_ms is not None:
            seconds = self.offline_after_ms / 1000
        return int(seconds) if seconds == int(seconds) else seconds
