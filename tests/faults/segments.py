"""Kafka's own files: the batches at the end of a partition's log, and a disk that lost some."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

_HEAD: Final = struct.Struct(">qi")


def batches(segment: Path) -> list[tuple[int, int, int]]:
    """Of each batch its first offset, where it begins in the file, and where it ends."""
    content = segment.read_bytes()
    found, at = [], 0
    while at + _HEAD.size <= len(content):
        offset, length = _HEAD.unpack_from(content, at)
        end = at + _HEAD.size + length
        if length <= 0 or end > len(content):
            break
        found.append((offset, at, end))
        at = end
    return found


def tear(partition: Path, lost: int) -> int | None:
    """The last ``lost`` batches never reached the disk, the first of them by half. Gives its
    offset, at which the log ends now; ``None`` if there are not so many."""
    segment = max(partition.glob("*.log"))
    known = batches(segment)
    if len(known) <= lost:
        return None
    offset, begins, ends = known[-lost]
    with segment.open("r+b") as file:
        file.truncate((begins + ends) // 2)
    return offset
