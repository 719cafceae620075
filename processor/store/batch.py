"""A batch as the rows that are copied into PostgreSQL. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from processor.core.effects import Effects
from processor.core.live_screens import LiveRows
from processor.core.log.last_read import LastRead
from processor.core.model import User
from processor.core.partition import Partition
from processor.store.analytics_rows import (
    SESSION_TYPES,
    SPAN_TYPES,
    USER_DAY_TYPES,
    WindowRows,
    session_row,
    span_row,
    user_day_row,
    window_rows_of,
)
from processor.store.presence_row import (
    PRESENCE_TYPES,
    SIGN_OF_LIFE_TYPES,
    presence_row,
    sign_of_life_row,
)
from processor.store.rows import (
    CHANGE_TYPES,
    CLOCK_STEP_TYPES,
    ERASURE_TYPES,
    FLAG_TYPES,
    OFFSET_TYPES,
    OUTAGE_TYPES,
    change_row,
    erasure_row,
    flag_row,
)

Row: TypeAlias = tuple[Any, ...]


#: What few batches bring, into tables that are made for them (``create_rare_tables``).
RARE: Final = frozenset(
    {"copy_outages", "copy_clock_steps", "copy_erasures", "copy_flags", "copy_last_changes"}
)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one batch made of one partition. ``state`` is as of the batch's end; ``users`` come
    with the offset of the last record that changed them, ``heard`` with that of their last sign of
    life, which changed nothing else; ``last_read`` is the batch's last."""

    state: Partition
    expected_offset: int
    published_through: int
    users: Sequence[tuple[User, int]]
    heard: Sequence[tuple[User, int]]
    effects: Effects
    live_screens: LiveRows
    last_read: LastRead


def copies(batches: Sequence[Batch]) -> list[tuple[str, Sequence[str], list[Row]]]:
    """What to copy: the name of the query, the types of its columns, and the rows."""
    by_partition = [(batch.state.partition, batch.effects) for batch in batches]
    return [
        ("copy_offsets", OFFSET_TYPES, [_offset_row(batch) for batch in batches]),
        ("copy_presence", PRESENCE_TYPES, _presence_rows(batches)),
        (
            "copy_signs_of_life",
            SIGN_OF_LIFE_TYPES,
            [sign_of_life_row(user, offset) for batch in batches for user, offset in batch.heard],
        ),
        (
            "copy_changes",
            CHANGE_TYPES,
            [change_row(change, p) for p, effects in by_partition for change in effects.changes],
        ),
        (
            "copy_outages",
            OUTAGE_TYPES,
            [
                (p, outage.kind, outage.started_ms, outage.ended_ms)
                for p, effects in by_partition
                for outage in effects.outages.values()
            ],
        ),
        (
            "copy_clock_steps",
            CLOCK_STEP_TYPES,
            [
                (p, step.offset, step.from_ms, step.to_ms)
                for p, effects in by_partition
                for step in effects.steps
            ],
        ),
        (
            "copy_spans",
            SPAN_TYPES,
            [span_row(span, p) for p, effects in by_partition for span in effects.spans],
        ),
        (
            "copy_sessions",
            SESSION_TYPES,
            [
                session_row(session, p)
                for p, effects in by_partition
                for session in effects.sessions
            ],
        ),
        (
            "copy_user_days",
            USER_DAY_TYPES,
            [user_day_row(day, p) for p, effects in by_partition for day in effects.user_days],
        ),
        (
            "copy_erasures",
            ERASURE_TYPES,
            [
                erasure_row(ordinal, erasure, p)
                for p, effects in by_partition
                for ordinal, erasure in enumerate(effects.erasures)
            ],
        ),
        (
            "copy_flags",
            FLAG_TYPES,
            [
                flag_row(user_hash, flag, p)
                for p, effects in by_partition
                for user_hash, flag in effects.flags.items()
            ],
        ),
        (
            "copy_last_changes",
            CHANGE_TYPES,
            [change_row(c, p) for p, effects in by_partition for c in effects.last_changes],
        ),
    ]


def window_rows(batches: Sequence[Batch]) -> WindowRows:
    """The small tables of the batches."""
    return window_rows_of(
        [(batch.state.partition, batch.effects) for batch in batches],
        [(batch.state.partition, batch.live_screens) for batch in batches],
    )


def _offset_row(batch: Batch) -> tuple[Any, ...]:
    state = batch.state
    return (
        state.partition,
        batch.expected_offset,
        state.next_offset,
        state.log_time_ms,
        batch.published_through,
        state.tally.foreground,
        state.tally.background,
        msgspec.json.encode(state.policy).decode(),
        msgspec.json.encode(state.graces).decode(),
        msgspec.json.encode(state.silence).decode() if state.silence is not None else None,
        msgspec.json.encode(batch.last_read).decode(),
    )


def _presence_rows(batches: Sequence[Batch]) -> list[Row]:
    return [
        presence_row(user, b.state.partition, log_offset)
        for b in batches
        for user, log_offset in b.users
    ]
