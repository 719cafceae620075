"""When which connection is to be woken. PURE.

A timer each would be a timer for every message. Here a connection is filed under a tick, of which a
second has :data:`TICKS_A_SECOND`, and stays there when its deadline moves away, as it does with
whatever its client sends: it is asked again when the tick comes. ``now`` and ``at`` are seconds of
one clock; nothing is due before its time, and at most a tick after it.
"""

from __future__ import annotations

import heapq
from typing import Final, Generic, Protocol, TypeVar

TICKS_A_SECOND: Final = 32
#: Of an item that is not filed.
NOT_FILED: Final = 0


class Filed(Protocol):
    """What can be filed: ``tick`` is this module's, and begins as :data:`NOT_FILED`."""

    tick: int


T = TypeVar("T", bound=Filed)


class Deadlines(Generic[T]):
    """The deadlines of all of them."""

    __slots__ = ("_by_tick", "_ticks")

    def __init__(self) -> None:
        self._by_tick: dict[int, set[T]] = {}
        #: A heap of the keys.
        self._ticks: list[int] = []

    @property
    def next_at(self) -> float | None:
        """When :meth:`due` is to be asked."""
        return self._ticks[0] / TICKS_A_SECOND if self._ticks else None

    def file(self, item: T, at: float) -> None:
        """Wake ``item`` at ``at``, or earlier if it is filed so: then it may file itself anew."""
        tick = int(at * TICKS_A_SECOND) + 1
        if item.tick != NOT_FILED:
            if item.tick <= tick:
                return
            self.drop(item)
        filed = self._by_tick.get(tick)
        if filed is None:
            self._by_tick[tick] = {item}
            heapq.heappush(self._ticks, tick)
        else:
            filed.add(item)
        item.tick = tick

    def drop(self, item: T) -> None:
        """Forget an item that may be filed."""
        if item.tick != NOT_FILED:
            self._by_tick[item.tick].discard(item)
            item.tick = NOT_FILED

    def due(self, now: float) -> list[T]:
        """The items whose time has come; they are not filed any more."""
        due: list[T] = []
        while self._ticks and self._ticks[0] <= now * TICKS_A_SECOND:
            due += self._by_tick.pop(heapq.heappop(self._ticks))
        for item in due:
            item.tick = NOT_FILED
        return due
