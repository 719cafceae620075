"""The changes of the last batch, on their way to their topics while the next batch is reduced."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from processor.kafka.publisher import ChangePublisher
from processor.watch.metrics import Metrics
from schemas.log.changes import Change
from schemas.log.privacy_flags import Flag

log = logging.getLogger(__name__)

#: How long an end waits for Kafka: the next owner of the partitions publishes what is left.
CLOSE_SECONDS: Final = 3.0


class Publishing:
    """One batch at a time."""

    def __init__(self, publisher: ChangePublisher, metrics: Metrics) -> None:
        self._publisher = publisher
        self._metrics = metrics
        self._task: asyncio.Task[None] | None = None

    def begin(
        self, changes: Mapping[int, Sequence[Change]], flags: Sequence[tuple[bytes, Flag]] = ()
    ) -> None:
        """Publish them, by partition, and the flags of users; those before are :meth:`done`."""
        self._task = asyncio.create_task(self._publish(changes, flags))

    async def done(self) -> None:
        """Return once everything is published. A caller that stops waiting does not stop it."""
        if self._task is not None:
            await asyncio.shield(self._task)
            self._task = None

    async def close(self) -> None:
        """Give what is on its way ``CLOSE_SECONDS``, then let go."""
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait({task}, timeout=CLOSE_SECONDS)
            if not task.done():
                task.cancel()
                log.warning(
                    "changes not published in %g s: stored, and left to the partitions' next "
                    "processor",
                    CLOSE_SECONDS,
                )
            elif not task.cancelled() and task.exception() is not None:
                log.error("cannot publish changes: %s", task.exception())
        await self._publisher.close()

    async def _publish(
        self, changes: Mapping[int, Sequence[Change]], flags: Sequence[tuple[bytes, Flag]]
    ) -> None:
        count = sum(map(len, changes.values()))
        self._metrics.changes_waiting.set(count)
        await self._publisher.publish_flags(flags)
        await self._publisher.publish_changes(changes)
        self._metrics.changes_published.inc(count)
        self._metrics.changes_waiting.set(0)
