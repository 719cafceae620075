"""What all sockets of a process share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ingest.auth import Authentication
from ingest.body.validate import BodyReader
from ingest.limits import UserLimits
from ingest.log.logouts import Logouts
from ingest.log.opt_outs import OptOuts
from ingest.log.publisher import Publisher
from ingest.metrics import IngestMetrics
from ingest.socket.actions import SessionPolicy
from ingest.socket.ping_intervals import PingIntervals
from ingest.socket.places import SocketPlaces


@dataclass(frozen=True, slots=True)
class SocketCollaborators:
    """``clock`` gives Unix seconds."""

    policy: SessionPolicy
    reader: BodyReader
    authentication: Authentication
    publisher: Publisher
    logouts: Logouts
    opt_outs: OptOuts
    metrics: IngestMetrics
    user_limits: UserLimits
    places: SocketPlaces
    ping_intervals: PingIntervals
    clock: Callable[[], float]
