"""Where a record is, over all topics that a database ever belonged to. PURE.

Offsets of a topic that was made again begin at 0, and what is stored of the one before has offsets
already: ids of changes, the order of history, policies, opt-outs. So all that is stored, published
and compared is a *position*: Kafka's offset, and the ``log_base`` of the topic. The base of the
first topic is 0, and each later one has a multiple of ``SPACING`` that is above every position
before it. ``SPACING`` is more records than a partition ever has, and a power of ten: the last
twelve digits of a position are Kafka's offset (deploy/adr/0010-positions-over-topics.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

SPACING: Final = 10**12


@dataclass(frozen=True, slots=True)
class Log:
    """The topic that the database belongs to."""

    topic_id: UUID
    base: int


def next_base(highest: int) -> int:
    """Of a topic after one in which ``highest`` is the highest position that anybody has seen."""
    return (highest // SPACING + 1) * SPACING


def positions(offsets: Mapping[int, int], base: int) -> dict[int, int]:
    """Kafka's ``offsets`` by partition, as positions."""
    return {partition: base + offset for partition, offset in offsets.items()}
