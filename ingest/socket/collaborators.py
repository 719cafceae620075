"""What all sockets of a process share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest.auth import Authentication
from ingest.body.validate import BodyReader
from ingest.log.logouts import Logouts
from ingest.log.opt_outs import OptOuts
from ingest.log.publisher import Publisher
from ingest.metrics import IngestMetrics
from ingest.socket.actions import SessionPolicy
from ingest.socket.ping_intervals import PingIntervals
from ingest.socket.places import SocketPlaces
from ingest.socket.reader import SharedReaders
from ingest.socket.renewals import Renewals
from schemas.http.sweep import Sweep

if TYPE_CHECKING:
    from ingest.socket.shell import Socket

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SocketCollaborators:
    """``take`` is :meth:`ingest.limits.UserLimits.take`, ``ping_interval`` that of a user; both are
    kept by every session, so they are made once. ``clock`` gives Unix seconds."""

    policy: SessionPolicy
    reader: BodyReader
    authentication: Authentication
    publisher: Publisher
    logouts: Logouts
    opt_outs: OptOuts
    metrics: IngestMetrics
    take: Callable[[str, float], float]
    places: SocketPlaces
    ping_intervals: PingIntervals
    ping_interval: Callable[[str], float]
    readers: SharedReaders
    sweep: Sweep
    renewals: Renewals
    clock: Callable[[], float]
    #: By connection id.
    open: dict[str, Socket] = field(default_factory=dict)
    #: What sockets wait for besides Kafka: kept until it is done.
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self, work: Coroutine[None, None, None]) -> None:
        """Do something in a task of its own."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
