"""What a batch of records is made into on its way to the store, one partition at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from processor.core.effects import TIME_PASSED, Effects, Record, Reject
from processor.core.log.last_read import LastRead, last_read
from processor.core.partition import Partition
from processor.store.batch import Batch
from schemas.log.events import BadEvent, Event, Tick, UndecodableRecordError, decode_batch


@dataclass(slots=True)
class RawRecord:
    """A record as Kafka gave it. ``offset`` is its position (``processor/core/log/positions.py``),
    ``timestamp_ms`` the broker's clock."""

    partition: int
    offset: int
    timestamp_ms: int
    value: bytes | None
    #: What decoding it took.
    decode_seconds: float = field(default=0.0, init=False, repr=False, compare=False)
    _events: list[Event | BadEvent] | UndecodableRecordError | None = field(
        default=None, init=False, repr=False, compare=False
    )

    def events(self) -> list[Event | BadEvent] | UndecodableRecordError:
        """What is in it, decoded once. Raises ``schemas.log.events.NewerSchemaError``."""
        if self._events is None:
            started = time.perf_counter()
            try:
                self._events = decode_batch(self.value)
            except UndecodableRecordError as error:
                self._events = error
            self.decode_seconds = time.perf_counter() - started
        return self._events

    def seen(self) -> LastRead:
        """What tells it from another record at its place."""
        return last_read(self.offset, self.timestamp_ms, self.value)

    def decoded(self, refused: dict[int, str]) -> Record | UndecodableRecordError:
        """With the events in it, of which some are ``refused``, by index."""
        events = self.events()
        if isinstance(events, UndecodableRecordError):
            return events
        return Record(self.offset, self.timestamp_ms, events, refused)


@dataclass(slots=True)
class Work:
    """The effects of a batch on one partition, before they are stored."""

    state: Partition
    expected_offset: int
    #: The last record that was applied.
    last: RawRecord
    effects: Effects = field(default_factory=Effects)
    named: set[str] = field(default_factory=set)
    records: int = 0
    #: The latest time of the records.
    latest_ms: int = 0
    #: The broker's time of each record with client events, and how many there are.
    appended: list[tuple[int, int]] = field(default_factory=list)

    def hold_back(self, raw: RawRecord, users: Mapping[str, str]) -> None:
        """The time of ``raw`` brings nothing to these users, for the reason that each has."""
        for user_id, why in users.items():
            self.state.put_off(user_id, raw.timestamp_ms)
            self.effects.rejects.append(
                Reject(raw.offset, TIME_PASSED, why, user_id.encode(), "refused")
            )

    def batch(self) -> Batch:
        """As it is stored; once."""
        return Batch(
            state=self.state,
            expected_offset=self.expected_offset,
            # Everything before this batch has been published by the time it commits.
            published_through=self.expected_offset,
            users=self.effects.written(self.state.users),
            heard=self.effects.only_heard(self.state.users),
            effects=self.effects,
            live_screens=self.state.tally.live.take(),
            last_read=self.last.seen(),
        )


def client_events(events: Sequence[Event | BadEvent]) -> int:
    """How many of a record's events are not of ingest itself: that writes a tick alone, and only
    where there is nothing else to write."""
    return 0 if events and isinstance(events[0], Tick) else len(events)


def users_of(record: Record) -> set[str]:
    """Who is named in it."""
    return {event.user for event in record.events if not isinstance(event, Tick | BadEvent)}
