"""What a broker keeps on disk, and in which of its files something stands.

Records are read as they lie in segments, whole and unpacked, whether a consumer would be given them
or not: keys, values and headers. Every other file is searched as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aiokafka.record.memory_records import MemoryRecords


def files_with(directory: Path, *wanted: bytes) -> dict[str, set[bytes]]:
    """Which of ``wanted`` stand in which files below ``directory``, by topic; by the file's own
    name where it is of none."""
    found: dict[str, set[bytes]] = {}
    for path in directory.rglob("*"):
        if not path.is_file():
            continue
        try:
            kept = path.read_bytes()
        except FileNotFoundError:  # deleted meanwhile, which is what is waited for
            continue
        topic = _topic_of(path)
        is_segment = topic is not None and ".log" in path.name
        pieces = [kept, *records_of(kept)] if is_segment else [kept]
        there = {each for each in wanted if any(each in piece for piece in pieces)}
        if there:
            found.setdefault(topic or path.name, set()).update(there)
    return found


def records_of(segment: bytes) -> Iterator[bytes]:
    """Every key, value and header of a segment's records, unpacked."""
    records = MemoryRecords(segment)
    while (batch := records.next_batch()) is not None:
        for record in batch:
            yield record.key or b""
            yield record.value or b""
            for name, value in record.headers:
                yield name.encode() + (value or b"")


def _topic_of(path: Path) -> str | None:
    topic, _, partition = path.parent.name.rpartition("-")
    return topic if partition.isdigit() else None
