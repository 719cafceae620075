"""Records that Kafka deleted before they were processed (design, section 6). PURE.

A processor that is away for longer than Kafka keeps records comes back to a log that begins after
what it has to read next. It does not go on by itself: somebody must know. `rollcall offsets
accept-loss` accepts the loss by partition, and the partition goes on where its log begins; to
presence the gap is an outage of its own kind, ``lost_range``, however long it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

COMMAND: Final = "rollcall offsets accept-loss"


@dataclass(frozen=True, slots=True)
class LostRange:
    """Records of ``partition`` from ``from_offset`` up to but without ``to_offset``."""

    partition: int
    from_offset: int
    to_offset: int

    @property
    def records(self) -> int:
        return self.to_offset - self.from_offset

    def __str__(self) -> str:
        count = "1 record" if self.records == 1 else f"{self.records:,} records"
        return f"partition {self.partition}: {count} ({self.from_offset} to {self.to_offset - 1})"


def lost_ranges(next_offsets: Mapping[int, int], earliest: Mapping[int, int]) -> list[LostRange]:
    """What is gone, by partition: where the log begins after what is stored as next."""
    return [
        LostRange(partition, next_offset, earliest[partition])
        for partition, next_offset in sorted(next_offsets.items())
        if next_offset < earliest[partition]
    ]


def described(topic: str, lost: Sequence[LostRange]) -> str:
    """One line: what of ``topic`` is lost, and what to do."""
    return (
        f"records of {topic} were deleted by retention before they were processed: "
        f"{', '.join(map(str, lost))}; accept the loss with {COMMAND} "
        f"{options(lost)}, or start with an empty database"
    )


def options(lost: Sequence[LostRange]) -> str:
    """The options of the command that accept these."""
    return " ".join(f"--partition {one.partition}" for one in lost)
