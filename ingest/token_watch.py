"""What refused tokens say about the settings and the apps: counted by cause, told in readiness.

A cause is told for as long as it was seen within :data:`RECENT_SECONDS`. Causes are a closed set
(``schemas/tokens/causes.py``), so that what strangers send makes nothing grow.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from ingest.metrics import IngestMetrics
from schemas.tokens.causes import CAUSES

RECENT_SECONDS: Final = 300.0


class TokenWatch:
    """``hints`` gives what the verifier has found out itself; ``clock`` monotonic seconds."""

    def __init__(
        self,
        metrics: IngestMetrics,
        hints: Callable[[], list[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics = metrics
        self._hints = hints
        self._clock = clock
        self._accepted = 0
        self._seen: dict[str, tuple[int, float]] = {}

    def accepted(self) -> None:
        """A token that was not known counts."""
        self._accepted += 1

    def refused(self, cause: str) -> None:
        """A token does not."""
        self._metrics.token_causes[cause].inc()
        self._seen[cause] = (self._seen.get(cause, (0, 0.0))[0] + 1, self._clock())

    def warnings(self) -> list[str]:
        """Sentences for who operates this, the most frequent cause first."""
        since = self._clock() - RECENT_SECONDS
        recent = [(count, cause) for cause, (count, at) in self._seen.items() if at > since]
        told = [
            f"{count} refused, {cause}: {CAUSES[cause]}"
            for count, cause in sorted(recent, reverse=True)
        ]
        if told and not self._accepted:
            told.insert(0, "no token was accepted since the start")
        return [*self._hints(), *told]
