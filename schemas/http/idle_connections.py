"""Which idle connections make room for others. PURE.

1. Nobody is refused, and nothing is closed, for its address alone: behind a carrier's NAT one
   address is thousands of phones.
2. Once :data:`CROWDED` of all connections are taken, those make room that carry no request, have
   been so for :data:`LEAST_SECONDS`, and never showed a token that was verified; a socket that has
   not authenticated is one of them. Those of the
   address with most of them go first, the longest idle first, until :data:`ROOMY` is reached.
3. Where a trusted proxy made the connection, its address is that of the client whose request came
   on it last. A proxy's connection that has carried none yet is nobody's, and stays.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Final, NamedTuple

CROWDED: Final = 0.8
ROOMY: Final = 0.75
LEAST_SECONDS: Final = 1.0


class Idle(NamedTuple):
    """A connection that may go: ``place`` is the caller's name of it."""

    address: str
    since: float
    place: int


def is_crowded(connections: int, most: int) -> bool:
    """Whether room has to be made."""
    return connections >= CROWDED * most


def to_close(idle: Iterable[Idle], connections: int, most: int) -> list[int]:
    """The places of those that go, in order; ``connections`` of ``most`` are taken."""
    of_address: dict[str, list[Idle]] = {}
    for each in idle:
        of_address.setdefault(each.address, []).append(each)
    for listed in of_address.values():
        listed.sort(key=lambda each: each.since, reverse=True)
    fullest = [(-len(listed), address) for address, listed in of_address.items()]
    heapq.heapify(fullest)
    closing: list[int] = []
    excess = connections - ROOMY * most
    while fullest and len(closing) < excess:
        _, address = heapq.heappop(fullest)
        listed = of_address[address]
        closing.append(listed.pop().place)
        if listed:
            heapq.heappush(fullest, (-len(listed), address))
    return closing
