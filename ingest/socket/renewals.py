"""Renewals of idle sockets, which go to the lanes together.

Nobody waits for one: if it is lost, another one follows. So those of some turns of the sweep wait
for each other, and cost a lane, and Kafka, as much as one event does.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from ingest.log.not_taken import NotTakenError
from ingest.log.opt_outs import OptOuts
from ingest.log.publisher import Publisher
from ingest.metrics import IngestMetrics
from schemas.log.events import Renew, encode_event

#: A small part of what a phone has until it counts as offline, and of the logout's fence.
WAIT_SECONDS: Final = 0.25


class Renewals:
    """Of all sockets. Whoever hands over another event of one calls :meth:`leave` before: a renewal
    behind a disconnect would bring the phone back."""

    __slots__ = ("_covers", "_publisher", "_settle", "_timer", "_waiting")

    def __init__(self, publisher: Publisher, opt_outs: OptOuts, metrics: IngestMetrics) -> None:
        self._publisher = publisher
        self._covers = opt_outs.covers
        self._settle = metrics.count_renewals
        self._waiting: list[Renew] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, renewal: Renew) -> None:
        if not self._waiting:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(WAIT_SECONDS, self.leave)
        self._waiting.append(renewal)

    def leave(self) -> None:
        """Hand over what there is."""
        if not self._waiting:
            return
        renewals, self._waiting = self._waiting, []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        covers = self._covers
        with contextlib.suppress(NotTakenError):
            self._publisher.publish_all(
                [(each.user, encode_event(each)) for each in renewals if not covers(each.user)],
                self._settle,
            )
