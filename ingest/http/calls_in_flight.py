"""How many of the phones' calls wait for their answer, in both lanes together."""

from __future__ import annotations

from prometheus_client import Gauge


class CallsInFlight:
    """At most ``most``. ``gauge`` shows how many."""

    __slots__ = ("_gauge", "_most", "count")

    def __init__(self, most: int, gauge: Gauge) -> None:
        self._most = most
        self._gauge = gauge
        self.count = 0

    @property
    def is_full(self) -> bool:
        return self.count >= self._most

    def begin(self) -> None:
        self.count += 1
        self._gauge.inc()

    def end(self, calls: int = 1) -> None:
        self.count -= calls
        self._gauge.dec(calls)
