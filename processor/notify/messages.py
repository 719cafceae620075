"""Messages: which changes are in one, and its bytes. PURE.

A message is complete when it has ``MAX_CHANGES``, when one more would make it longer than
``MAX_BYTES``, or ``GATHER_SECONDS`` after its first change was taken. A change that is longer by
itself goes alone. Changes are the bytes that are in ``presence.changes``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.log.changes import Change
from schemas.webhooks.message import message_body, message_bytes

MAX_CHANGES: Final = 100
MAX_BYTES: Final = 20_000
GATHER_SECONDS: Final = 1.0

_decoder = msgspec.json.Decoder(Change)


@dataclass(frozen=True, slots=True)
class Record:
    """One of ``presence.changes``; ``change`` is ``None`` if it is none of ours."""

    offset: int
    at_ms: int
    value: bytes
    change: Change | None


def record_of(offset: int, at_ms: int, value: bytes | None) -> Record:
    """What was read from Kafka; ``at_ms``: its timestamp there."""
    try:
        change = _decoder.decode(value or b"")
    except msgspec.DecodeError:  # a newer release's, or a stranger's
        change = None
    return Record(offset, at_ms, value or b"", change)


class Gathering:
    """A message in the making."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._bytes = message_bytes(())
        self._since = 0.0

    @property
    def records(self) -> Sequence[Record]:
        return self._records

    def add(self, record: Record, now: float) -> bool:
        """Whether there was room; if not, the message is complete. ``now``: monotonic seconds."""
        # With the comma before it.
        longer = len(record.value) + 1
        if self._records and (
            len(self._records) >= MAX_CHANGES or self._bytes + longer > MAX_BYTES
        ):
            return False
        if not self._records:
            self._since = now
        self._records.append(record)
        self._bytes += longer
        return True

    def seconds_left(self, now: float) -> float | None:
        """How long others may still come; ``None``: there is none yet."""
        if not self._records:
            return None
        if len(self._records) >= MAX_CHANGES:
            return 0.0
        return max(0.0, self._since + GATHER_SECONDS - now)

    def body(self) -> bytes:
        """Of what is in it."""
        last = self._records[-1].change
        assert last is not None  # noqa: S101 - only changes are wanted
        return message_body([record.value for record in self._records], last.at)
