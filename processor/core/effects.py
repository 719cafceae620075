"""What the log does to a partition: records in, and the effects of a batch of them. PURE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, TypeAlias, TypeVar, get_args

import msgspec

from processor.core.analytics.concurrency import Sample
from processor.core.analytics.screen_names import DAY_MS
from processor.core.analytics.spans_and_sessions import Session, Span
from processor.core.analytics.windows import Windows
from processor.core.log.clock_steps import ClockStep
from processor.core.model import Changed, Device, User
from processor.core.outage import Kind, Outage
from processor.core.privacy import Erasure, FlagChange
from schemas.log.events import BadEvent, Event

F = TypeVar("F")

#: ``event_index`` of what happened because time passed.
TIME_PASSED: Final = -1
#: A record that cannot be read; an event that cannot; one of another partition's user; one that the
#: database refuses; one that our own code fails on.
RejectCause: TypeAlias = Literal["undecodable", "bad_event", "wrong_partition", "refused", "fault"]
REJECT_CAUSES: Final[tuple[str, ...]] = get_args(RejectCause)


@dataclass(frozen=True, slots=True)
class Record:
    """A decoded record: its offset, the broker's time and the events in it. ``refused`` are the
    indexes of events that the database could not store: they are rejected without being tried."""

    offset: int
    timestamp_ms: int
    events: Sequence[Event | BadEvent]
    refused: dict[int, str] = field(default_factory=dict)


class Logged(msgspec.Struct, Generic[F], frozen=True, gc=False):
    """A span or a session that is over, with the place of the change that ended it."""

    offset: int
    index: int
    ordinal: int
    finding: F


@dataclass(frozen=True, slots=True)
class UserDay:
    """A user's first foreground instant on a day (days since 1970-01-01), and what they used: the
    device that was heard of, or the visit that lasted until then."""

    day: int
    user_id: str
    is_new: bool
    used: Device | Span


class LoggedChange(msgspec.Struct, frozen=True, gc=False):
    """A change with its place in the log: ``(offset, index, ordinal)`` orders and names it."""

    offset: int
    index: int
    ordinal: int
    changed: Changed


@dataclass(frozen=True, slots=True)
class Reject:
    """An event (or, with index ``None``, a whole record) that did not count, and why."""

    offset: int
    index: int | None
    error: str
    raw: bytes
    cause: RejectCause


@dataclass(slots=True)
class Effects:
    """What a batch did to a partition, to be stored in one transaction.

    - ``touched``: users whose rows are to be written; the offset of the last record that changed
      each.
    - ``heard``: users with a sign of life that changed nothing else; the offset of its record.
    - ``settled``: rows as they were before log time stepped back, of users unchanged since.
    - ``outages``: by kind and beginning.
    - ``flags``: by hash, what is known of users after their last privacy event.
    - ``stragglers``: opted-out users of whom something arrived.
    - ``canaries_expired``: canaries who timed out, since no change tells of them.

    For metrics only: how many devices were ``forgotten`` to make room, how many were ``told_apart``
    by which mark, and the ``intervals`` of ``processor/core/intervals.py`` that were looked at."""

    touched: dict[str, int] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)
    settled: dict[str, tuple[User, int]] = field(default_factory=dict)
    steps: list[ClockStep] = field(default_factory=list)
    changes: list[LoggedChange] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    outages: dict[tuple[Kind, int], Outage] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)
    spans: list[Logged[Span]] = field(default_factory=list)
    sessions: list[Logged[Session]] = field(default_factory=list)
    windows: Windows = field(default_factory=Windows)
    samples: list[Sample] = field(default_factory=list)
    canaries_expired: list[str] = field(default_factory=list)
    user_days: list[UserDay] = field(default_factory=list)
    erasures: list[Erasure] = field(default_factory=list)
    last_changes: list[LoggedChange] = field(default_factory=list)
    flags: dict[bytes, FlagChange] = field(default_factory=dict)
    stragglers: set[bytes] = field(default_factory=set)
    forgotten: int = 0
    told_apart: Counter[str] = field(default_factory=Counter)
    intervals: list[tuple[str | None, int]] = field(default_factory=list)

    def hear(self, user_id: str, offset: int) -> None:
        """The record at ``offset`` has a sign of life of the user, and nothing else of them."""
        if user_id in self.touched:
            self.touched[user_id] = offset
        else:
            self.heard[user_id] = offset

    def step_back(self, step: ClockStep, users: Mapping[str, User]) -> None:
        """What ``users`` come to by ``step`` is not what earlier records made of them: rows are the
        same however the log is cut into batches. Whoever was only heard is online, and so touched
        by the step."""
        self.steps.append(step)
        self.heard.clear()
        self.settled |= {name: (users[name], offset) for name, offset in self.touched.items()}
        self.touched.clear()

    def forget(self, user_id: str, before_ms: int | None) -> None:
        """Nothing of the user so far is to be stored, or nothing of log time before that but their
        row."""
        if before_ms is None:
            self.touched.pop(user_id, None)
            self.heard.pop(user_id, None)
            self.settled.pop(user_id, None)

        def stays(of: str, at_ms: int) -> bool:
            return of != user_id or (before_ms is not None and at_ms >= before_ms)

        self.changes = [c for c in self.changes if stays(c.changed.user_id, c.changed.at_ms)]
        self.spans = [
            each for each in self.spans if stays(each.finding.user_id, each.finding.shown_until_ms)
        ]
        self.sessions = [
            each
            for each in self.sessions
            if stays(each.finding.user_id, each.finding.shown_until_ms)
        ]
        self.user_days = [
            each for each in self.user_days if stays(each.user_id, (each.day + 1) * DAY_MS - 1)
        ]

    def published(self) -> list[LoggedChange]:
        """All changes in the order of the log."""
        if not self.last_changes:
            return self.changes
        changes = [*self.changes, *self.last_changes]
        return sorted(changes, key=lambda c: (c.offset, c.index, c.ordinal))

    def written(self, users: Mapping[str, User]) -> list[tuple[User, int]]:
        """Whose rows are to be written, each with the offset of the last record that changed it."""
        rows = {**self.settled, **{name: (users[name], o) for name, o in self.touched.items()}}
        return [rows[name] for name in sorted(rows)]

    def only_heard(self, users: Mapping[str, User]) -> list[tuple[User, int]]:
        """Of whom the signs of life are to be written, as :meth:`written`, and nothing else."""
        touched = self.touched
        return [(users[n], self.heard[n]) for n in sorted(self.heard) if n not in touched]
