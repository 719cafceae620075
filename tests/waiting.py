"""How long tests wait between two looks at what nothing announces."""

from __future__ import annotations

import time
from typing import Final

LEAST_SECONDS: Final = 0.02
MOST_SECONDS: Final = 0.25
SHARE: Final = 0.1


def pause(started: float) -> float:
    """Seconds until the next look: a tenth of the time since ``started``, by the monotonic clock.

    A look at a database or a service takes some 10 ms of CPU here and there. At twenty a second
    they were a good part of a run's; so what is waited for is seen a tenth later at most.
    """
    return min(MOST_SECONDS, max(LEAST_SECONDS, SHARE * (time.monotonic() - started)))
