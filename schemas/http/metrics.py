"""What every public port tells of its connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

#: What a client was too slow with.
TIMEOUTS: Final = ("head", "body", "idle", "write")


class HttpMetrics:
    """Of one service's public port; ``prefix`` is that of the service's metrics."""

    def __init__(self, registry: CollectorRegistry, prefix: str) -> None:
        self.connections = Gauge(
            f"{prefix}_http_connections",
            "Connections of clients that are open, sockets included.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.refused = Counter(
            f"{prefix}_http_connections_refused",
            "Connections that were refused because there are too many.",
            registry=registry,
        )
        self.made_room = Counter(
            f"{prefix}_http_connections_made_room",
            "Idle connections without a token that counts, closed because there are many.",
            registry=registry,
        )
        self.unreadable = Counter(
            f"{prefix}_http_unreadable",
            "Requests that are not HTTP as we understand it, answered 400.",
            registry=registry,
        )
        timeouts = Counter(
            f"{prefix}_http_timeouts",
            "Connections that were closed because the client was too slow, by what was awaited.",
            ("cause",),
            registry=registry,
        )
        self.timeouts: Mapping[str, Counter] = {cause: timeouts.labels(cause) for cause in TIMEOUTS}
