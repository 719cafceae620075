"""What all sockets of a process share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ingest.auth import Authentication
from ingest.limits import UserLimits
from ingest.logouts import Logouts
from ingest.metrics import IngestMetrics
from ingest.ping_intervals import PingIntervals
from ingest.publisher import Publisher
from ingest.session_actions import SessionPolicy
from ingest.socket_places import SocketPlaces


@dataclass(frozen=True, slots=True)
class SocketCollaborators:
    """``clock`` gives Unix seconds."""

    policy: SessionPolicy
    authentication: Authentication
    publisher: Publisher
    logouts: Logouts
    metrics: IngestMetrics
    user_limits: UserLimits
    places: SocketPlaces
    ping_intervals: PingIntervals
    clock: Callable[[], float]
