"""What of a record PostgreSQL refuses: found by bisection, rejected alone, the rest counts.

A value that the database cannot hold is refused however often it is asked. Asked one record at a
time, the culprit is

1. an event: the first without which, and without those after it, the record is accepted; or
2. what time brought to a user: the record is refused even without its events. That user's time
   does not pass with this record: they stay as they are shown for another ``offline_after``, and
   then it is tried again; or
3. neither: the record is refused without both (a row of the partition itself). Nothing can be set
   aside then, and :class:`RefusedRecordError` ends the process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from processor.core.effects import Record
from processor.store.store import RefusedDataError
from processor.work import RawRecord

NOT_TRIED: Final = "not tried"


class RefusedRecordError(RuntimeError):
    """PostgreSQL refuses a record whatever is left out of it. Fatal; the message says where."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Of one record, why each: ``events`` by index, ``users`` to whom its time brings nothing."""

    events: dict[int, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)


class Attempts(Protocol):
    """What is asked of the pipeline."""

    async def attempt(self, records: Sequence[RawRecord], refused: Refused) -> None:
        """Store what the records do, or raise :class:`RefusedDataError`."""

    async def accepts(self, raw: RawRecord, refused: Refused) -> bool:
        """Would the database take it? Stores nothing."""

    async def expired(self, raw: RawRecord, refused: Refused) -> list[str]:
        """The users to whom the record's time brings something, in order. Stores nothing."""


async def store_without_culprits(raw: RawRecord, attempts: Attempts) -> None:
    """Store a record; of one that fails, all but the culprits."""
    refused = Refused()
    while True:
        try:
            await attempts.attempt([raw], refused)
        except RefusedDataError as error:
            await _find(raw, attempts, refused, str(error))
        else:
            return


async def _find(raw: RawRecord, attempts: Attempts, refused: Refused, why: str) -> None:
    """Add one culprit to ``refused``."""
    record = raw.decoded({})
    events = list(range(len(record.events))) if isinstance(record, Record) else []

    async def first_events(count: int) -> bool:
        rest = dict.fromkeys(events[count:], NOT_TRIED)
        return await attempts.accepts(raw, Refused({**refused.events, **rest}, refused.users))

    if await first_events(0):
        culprit = await _first_failing(first_events, len(events))
        if culprit >= len(events) or culprit in refused.events:
            raise _refused_whole(raw, why)
        refused.events[culprit] = why
        return
    none = dict.fromkeys(events, NOT_TRIED)
    users = await attempts.expired(raw, Refused(none, refused.users))

    async def first_users(count: int) -> bool:
        rest = dict.fromkeys(users[count:], NOT_TRIED)
        return await attempts.accepts(raw, Refused(none, {**refused.users, **rest}))

    if not users or not await first_users(0):
        raise _refused_whole(raw, why)
    refused.users[users[await _first_failing(first_users, len(users))]] = why


def _refused_whole(raw: RawRecord, why: str) -> RefusedRecordError:
    return RefusedRecordError(
        f"partition {raw.partition}, offset {raw.offset}: {why}, whatever is left out of it; "
        "nothing is lost: mend the table that refuses it (the log of PostgreSQL names it), and the "
        "processor goes on there"
    )


async def _first_failing(accepts: Callable[[int], Awaitable[bool]], count: int) -> int:
    """The last of the first ``n`` that are not accepted, for the smallest such ``n``."""
    accepted, failing = 0, count
    while failing - accepted > 1:
        middle = (accepted + failing) // 2
        if await accepts(middle):
            accepted = middle
        else:
            failing = middle
    return accepted
