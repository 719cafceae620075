"""When a message is tried again, and when it is given up. PURE.

1. Pauses double from ``FIRST_SECONDS`` to ``LONGEST_SECONDS``, each shortened by up to a half at
   random. A receiver's ``Retry-After`` makes one longer, never shorter.
2. A message is given up once its oldest change is ``give_up_seconds`` old, or, in a replay, once it
   was fixed so long ago. So a receiver that is away for days is behind by that much and no more.
3. What is already older when it is first tried, because we were away ourselves, gets
   ``LEAST_SECONDS``; none if the receiver is known to be away.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

FIRST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 300.0
LEAST_SECONDS: Final = 60.0
MOST_RETRY_AFTER_SECONDS: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a change is tried."""

    give_up_seconds: float

    def is_given_up(self, *, due_since: float, fixed_at: float, away: bool, now: float) -> bool:
        """After a failed attempt. ``due_since``: of the oldest change, or ``fixed_at`` in a replay.
        ``away``: the receiver has not answered for a while. All are Unix seconds."""
        if now < due_since + self.give_up_seconds:
            return False
        return away or now >= fixed_at + min(LEAST_SECONDS, self.give_up_seconds)


def pause_seconds(attempts: int, retry_after: float | None, chance: random.Random) -> float:
    """After so many failed attempts, from 1."""
    # 2.0 ** 1024 overflows, and means the longest long before.
    whole = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(attempts - 1, 16))
    pause = whole * chance.uniform(0.5, 1.0)
    return max(pause, min(retry_after or 0.0, MOST_RETRY_AFTER_SECONDS))


def retry_after_seconds(header: str | None) -> float | None:
    """Seconds, as the header says; a date is not looked at."""
    text = (header or "").strip()
    return float(text) if text.isdecimal() and text.isascii() and len(text) < 10 else None
