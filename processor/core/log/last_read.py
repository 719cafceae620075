"""Is this still the log that was read? PURE.

Kafka may lose the end of a log (an unclean election, a disk that lied, a broker restored from an
older copy) and go on writing from there: offsets that were processed then hold other records. The
offset alone tells that only until the log has grown past it. So the last record that was processed
is stored with the offset, by its time and a checksum, and looked at again before a processor goes
on: at its start, wherever Kafka gives it that record once more, and now and then while it runs
(``processor/watch/log_watch.py``).
"""

from __future__ import annotations

import zlib

import msgspec


class TornLogError(RuntimeError):
    """The record that was processed last is another one by now. Fatal: what is stored does not
    belong to this log."""


class LastRead(msgspec.Struct, frozen=True, gc=False):
    """The last record that was processed: where it was, the broker's time of it, and the CRC-32 of
    its value."""

    offset: int
    timestamp_ms: int
    checksum: int


def last_read(offset: int, timestamp_ms: int, value: bytes | None) -> LastRead:
    """What tells this record from another one at its place."""
    return LastRead(offset, timestamp_ms, zlib.crc32(value or b""))


def require_same(partition: int, stored: LastRead, found: LastRead) -> None:
    """Raises :class:`TornLogError` if the log has another record where ``stored`` was."""
    if stored != found:
        raise TornLogError(
            f"partition {partition}: at offset {stored.offset} Kafka has another record than the "
            "one that was processed: it has lost records and written others in their place, or was "
            "restored from an older copy; restore the database to the same time, or start with an "
            "empty one and another ROLLCALL_TOPIC_PREFIX"
        )
