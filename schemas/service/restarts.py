"""When a process that ended by itself is started again. PURE: told what happened, without a clock.

After a pause that doubles from half a second to half a minute and is forgotten once a process has
run for a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
SETTLED_SECONDS: Final = 60.0


@dataclass(slots=True)
class RestartPolicy:
    """Of one process, which is given up after ``max_failures`` ends in a row; ``None``: never."""

    max_failures: int | None
    failures: int = 0

    def pause_seconds(self, ran_seconds: float) -> float | None:
        """How long to wait before the next start; ``None`` to give up."""
        self.failures = 1 if ran_seconds >= SETTLED_SECONDS else self.failures + 1
        if self.max_failures is not None and self.failures >= self.max_failures:
            return None
        return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (self.failures - 1))
