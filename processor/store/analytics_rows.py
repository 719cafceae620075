"""What a batch found for analytics, as the rows of ``processor/store/analytics.sql``. PURE."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from processor.core.analytics.concurrency import first_samples
from processor.core.analytics.spans_and_sessions import Session, Span
from processor.core.effects import Effects, Logged, UserDay
from processor.core.live_screens import LiveRows

#: PostgreSQL's types of the COPY columns: the binary format has no casts.
SPAN_TYPES: Final = [
    *("int8", "int4", "int8", "int4", "int4", "text", "text", "text", "text", "int8"),
    *("int8", "int8", "text", "bool", "int8", "int8", *["text"] * 5),
]
SESSION_TYPES: Final = [
    *("int8", "int4", "int8", "int4", "int4", "text", "text", "int8", "int8", "text"),
    *("int4", "int4", "int8", "text", "text", "text", "text", "text"),
]
USER_DAY_TYPES: Final = ["int4", "text", "int4", "bool", "text", "text", "text"]


def span_row(logged: Logged[Span], partition: int) -> tuple[Any, ...]:
    """The row of ``batch_spans``."""
    span = logged.finding
    return (
        span.shown_until_ms,
        partition,
        logged.offset,
        logged.index,
        logged.ordinal,
        span.user_id,
        span.device,
        span.state,
        span.screen,
        span.started_ms,
        span.changed_ms,
        span.ended_ms,
        span.ended_by,
        span.is_view,
        span.session_start_ms,
        span.online_since_ms,
        span.name,
        span.app_version,
        span.device_info,
        span.platform,
        msgspec.json.encode(span.told_before).decode() if span.told_before else None,
    )


def session_row(logged: Logged[Session], partition: int) -> tuple[Any, ...]:
    """The row of ``batch_sessions``."""
    session = logged.finding
    return (
        session.shown_until_ms,
        partition,
        logged.offset,
        logged.index,
        logged.ordinal,
        session.user_id,
        session.device,
        session.started_ms,
        session.ended_ms,
        session.ended_by,
        session.views,
        session.visits,
        session.foreground_ms,
        session.entry_screen,
        session.exit_screen,
        session.app_version,
        session.device_info,
        session.platform,
    )


def user_day_row(user_day: UserDay, partition: int) -> tuple[Any, ...]:
    """The row of ``batch_user_days``."""
    used = user_day.used
    return (
        user_day.day,
        user_day.user_id,
        partition,
        user_day.is_new,
        used.app_version,
        used.device_info,
        used.platform,
    )


class WindowRows(msgspec.Struct, frozen=True):
    """The argument of ``apply_analytics``: rows of the small tables, and how many rows of two
    others were copied."""

    sessions: int
    user_days: int
    minutes: list[tuple[Any, ...]]
    transitions: list[tuple[Any, ...]]
    forgotten_names: list[tuple[Any, ...]]
    names: list[tuple[Any, ...]]
    known_screens: list[tuple[Any, ...]]
    late_quarters: list[tuple[Any, ...]]
    samples: list[tuple[Any, ...]]
    screen_samples: list[tuple[Any, ...]]
    live_screens_anew: list[int]
    live_screens: list[tuple[Any, ...]]


def window_rows_of(
    found: list[tuple[int, Effects]], live_screens: list[tuple[int, LiveRows]]
) -> WindowRows:
    """Of the effects on each partition. Sorted: two batches that meet take locks in one order."""
    return WindowRows(
        sessions=sum(len(effects.sessions) for _, effects in found),
        user_days=sum(len(effects.user_days) for _, effects in found),
        minutes=sorted(
            (
                *(minute_ms, partition, screen),
                *(counts.views, counts.visits, counts.dwell_ms, counts.silent_dwell_ms),
                *(counts.dwell_histogram, counts.exits, counts.bounces),
            )
            for partition, effects in found
            for (minute_ms, screen), counts in effects.windows.minutes.items()
        ),
        transitions=sorted(
            (quarter_ms, partition, from_screen, to_screen, transitions)
            for partition, effects in found
            for (quarter_ms, from_screen, to_screen), transitions in (
                effects.windows.transitions.items()
            )
        ),
        forgotten_names=[
            (effects.windows.forgotten_from_ms, partition)
            for partition, effects in found
            if effects.windows.forgotten_from_ms is not None
        ],
        names=[
            (minute_ms, partition, screen, mark)
            for partition, effects in found
            for minute_ms, screen, mark in effects.windows.names
        ],
        known_screens=[
            (partition, effects.windows.remembered)
            for partition, effects in found
            if effects.windows.remembered is not None
        ],
        late_quarters=sorted(
            (quarter_ms, partition, offset)
            for partition, effects in found
            for quarter_ms, offset in effects.windows.late_quarters
        ),
        samples=[
            (sample.at_ms, partition, sample.foreground, sample.background)
            for partition, effects in found
            for sample in first_samples(effects.samples)
        ],
        screen_samples=[
            (sample.at_ms, partition, screen, users)
            for partition, effects in found
            for sample in first_samples(effects.samples)
            for screen, users in sample.screens
        ],
        live_screens_anew=[partition for partition, live in live_screens if live.is_anew],
        live_screens=[
            (partition, screen, users)
            for partition, live in live_screens
            for screen, users in live.rows
        ],
    )
