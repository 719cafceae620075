"""What goes on in the background until its process ends, whatever goes wrong in it.

A task whose round ends with an error that nobody thought of would be gone until the next start, and
asyncio tells of it only once nobody holds the task any more. So such a round is logged with its
traceback, counted, and there is a next one. Errors that are to be expected are handled closer to
where they happen.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter

logger = logging.getLogger(__name__)


class Background:
    """Of one service; ``prefix`` is that of its metrics, ``works`` what goes on in it."""

    def __init__(self, registry: CollectorRegistry, prefix: str, works: Iterable[str]) -> None:
        errors = Counter(
            f"{prefix}_background_errors",
            "Rounds of what goes on in the background that ended with an unexpected error, by "
            "what was done; the log has the traceback, and there was another round.",
            ("work",),
            registry=registry,
        )
        self._errors = {work: errors.labels(work) for work in works}

    @contextmanager
    def goes_on(self, work: str) -> Iterator[None]:
        """Around one round. Whoever has it wait before the next one does so outside."""
        try:
            yield
        except Exception:
            self._errors[work].inc()
            logger.exception("Unexpected error in %s: it goes on", work)
