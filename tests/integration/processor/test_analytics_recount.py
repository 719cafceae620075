"""Two processors, one frozen and resumed, one killed, while phones of all kinds come and go: every
row of analytics is what a recount of the topic comes to, exactly.

Windows are short, so that devices time out and lose their sockets in the seconds that this takes.
Presence is decided by the oracles of the unit tests, one a user, each shown the records that
concern it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from schemas.log.events import Tick, decode_batch
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS
from tests.rigs.phones import Phones
from tests.rigs.rig import (
    ProcessorProcess,
    processor_environment,
    read_all,
    rows,
    stored_through,
    wait_for,
)
from tests.unit.processor.analytics_oracle import Recount
from tests.unit.processor.oracle import NOTHING, Fact, Oracle

SECONDS_BETWEEN_RECORDS = 0.02
ENDINGS = {"navigated", "backgrounded", "resumed", "logged_out", "timed_out", "disconnected"}
ZONE = "Asia/Kolkata"
MAX_SCREENS = 3
SETTINGS = {
    "OFFLINE_AFTER_SECONDS": "3",
    "DISCONNECT_GRACE_SECONDS": "1",
    "LOGOUT_FENCE_SECONDS": "0.5",
    # However slow the machine that this runs on, its log has no outage.
    "OUTAGE_GAP_SECONDS": "3600",
    "CLIENT_INTERVAL_SECONDS": "3600",
    "MAX_SCREENS": str(MAX_SCREENS),
    "REPORTING_TIME_ZONE": ZONE,
}
POLICY = {
    "offline_after": 3_000,
    "disconnect_grace": 1_000,
    "logout_fence": 500,
    "reconnect_grace": 0,  # no outage, no grace
    "outage_gap": 3_600_000,
    "outage_hold": 0,
    "client_interval": 3_600_000,
    "background_timer": 120_000,
    "max_screens": MAX_SCREENS,
    "time_zone": ZONE,
}


def recount_of(records: Sequence[tuple[int, int, Sequence[Any]]]) -> Recount:
    """What the records of a partition (offset, broker's time, events) come to."""
    clock, now = [], 0
    for offset, timestamp, _ in records:
        now = max(now, timestamp)
        clock.append({"offset": offset, "at": now, "highest": now, "policy": POLICY})
    users = {event.user for _, _, events in records for event in events if hasattr(event, "user")}
    return Recount([_oracle_of(user, records) for user in sorted(users)], clock, [])


def _oracle_of(user: str, records: Sequence[tuple[int, int, Sequence[Any]]]) -> Oracle:
    oracle = Oracle(POLICY)
    deadline: int | None = None
    for offset, timestamp, events in records:
        # Of others no more than the place that they take in the record.
        mine = [e if getattr(e, "user", None) == user else Tick() for e in events]
        is_due = deadline is not None and deadline <= timestamp
        if not is_due and all(isinstance(event, Tick) for event in mine):
            continue
        oracle.record(offset, timestamp, mine)
        deadline = min(
            (
                oracle.deadline(user, device)
                for device in oracle.devices(user)
                if oracle.shown(user, device) != NOTHING
            ),
            default=None,
        )
    return oracle


@pytest.fixture
def processors(kafka_settings: KafkaSettings, database_url: str, tmp_path: Path) -> Iterator[Any]:
    environment = processor_environment(kafka_settings, database_url, **SETTINGS)
    started: list[ProcessorProcess] = []

    def start() -> ProcessorProcess:
        log = tmp_path / f"processor-{len(started)}.log"
        started.append(ProcessorProcess(environment, log))
        return started[-1]

    yield start
    for process in started:
        if process.exit_status is None:
            process.kill()


def endings(database_url: str) -> set[str]:
    """In which ways spans have ended."""
    query = "SELECT DISTINCT ended_by::text FROM spans"
    return {ending for (ending,) in rows(database_url, query)}


def all_further(database_url: str, before: dict[int, int], records: int) -> bool:
    """Has each partition been stored that much further?"""
    stored = stored_through(database_url)
    return all(offset > before[p] + records for p, offset in stored.items())


def test_analytics_are_the_recount_of_the_topic_through_a_zombie_and_a_kill(
    processors: Any, kafka_settings: KafkaSettings, database_url: str
) -> None:
    phones = Phones(kafka_settings, SECONDS_BETWEEN_RECORDS)
    try:
        first, second = processors(), processors()
        nothing = dict.fromkeys(range(kafka_settings.partitions), 0)
        wait_for("work begins", lambda: stored_through(database_url).keys() == nothing.keys())
        wait_for("each is stored from", lambda: all_further(database_url, nothing, 20))
        first.send(signal.SIGSTOP)
        frozen_at = stored_through(database_url)
        wait_for("the other takes all over", lambda: all_further(database_url, frozen_at, 20))
        first.send(signal.SIGCONT)
        resumed_at = stored_through(database_url)
        wait_for("work goes on", lambda: all_further(database_url, resumed_at, 20))
        second.kill()
        killed_at = stored_through(database_url)
        processors()
        wait_for("its work is taken over", lambda: all_further(database_url, killed_at, 20))
        wait_for("what the phones are made for happens", lambda: endings(database_url) >= ENDINGS)
    finally:
        phones.stop()

    logged = asyncio.run(read_all(kafka_settings, EVENTS))
    ends = {record.partition: record.offset + 1 for record in logged}
    wait_for("the log is stored", lambda: stored_through(database_url) == ends)
    for partition in range(kafka_settings.partitions):
        records = [
            (record.offset, record.timestamp, decode_batch(record.value))
            for record in logged
            if record.partition == partition
        ]
        agree(Stored(database_url, partition), recount_of(records))
    assert rows(database_url, "SELECT count(*) FROM outages") == [(0,)]


class Stored:
    """The rows of one partition."""

    def __init__(self, database_url: str, partition: int) -> None:
        self._database_url = database_url
        self._partition = partition

    def rows(self, columns: str, table: str) -> list[tuple[Any, ...]]:
        query = f'SELECT {columns} FROM {table} WHERE "partition" = %s'
        return rows(self._database_url, query, self._partition)

    def facts(self, table: str, columns: dict[str, str]) -> list[Fact]:
        """Rows of ``spans`` or ``sessions`` in the recount's form, in the order of the log;
        ``columns`` are the expressions by name."""
        names = ["offset", "index", "ordinal", *columns]
        found = self.rows(", ".join(["log_offset, event_index, ordinal", *columns.values()]), table)
        facts = [dict(zip(names, row, strict=True)) for row in sorted(found, key=lambda r: r[:3])]
        return [
            {"place": (fact.pop("offset"), fact.pop("index"), fact.pop("ordinal")), **fact}
            for fact in facts
        ]


TOLD = {name: name for name in ("app_version", "device_info", "platform")}
SPAN = {
    "user": "user_id",
    "device": "device",
    "state": "state::text",
    "screen": "screen",
    "started": "to_ms(started_at)",
    "changed": "to_ms(changed_at)",
    "shown_until": "to_ms(shown_until)",
    "ended": "to_ms(ended_at)",
    "ended_by": "ended_by::text",
    "is_view": "is_view",
    "session_start": "to_ms(session_start)",
    "online_since": "to_ms(online_since)",
    "name": "name",
    **TOLD,
    "told_before": "coalesce(told_before, '[]')",
}
SESSION = {
    "user": "user_id",
    "device": "device",
    "started": "to_ms(started_at)",
    "shown_until": "to_ms(shown_until)",
    "ended": "to_ms(ended_at)",
    "ended_by": "ended_by::text",
    "views": "views",
    "visits": "visits",
    "foreground": "foreground_ms",
    "entry_screen": "entry_screen",
    "exit_screen": "exit_screen",
    **TOLD,
}
WINDOW = {
    "views": "views",
    "visits": "visits",
    "dwell": "dwell_ms",
    "silent_dwell": "silent_dwell_ms",
    "exits": "exits",
    "bounces": "bounces",
}


def agree(stored: Stored, wanted: Recount) -> None:
    """Fails where a table holds anything but the recount."""
    assert stored.facts("spans", SPAN) == wanted.pieces
    assert stored.facts("sessions", SESSION) == wanted.sessions
    minutes = stored.rows(
        ", ".join(["to_ms(minute), screen, dwell_histogram", *WINDOW.values()]), "screen_minutes"
    )
    assert {
        (minute, screen): {
            **dict(zip(WINDOW, counts, strict=True)),
            "histogram": histogram + [0] * (77 - len(histogram)),
        }
        for minute, screen, histogram, *counts in minutes
    } == wanted.minutes
    moves = stored.rows("to_ms(quarter), from_screen, to_screen, transitions", "screen_transitions")
    assert {row[:3]: row[3] for row in moves} == wanted.transitions
    names = stored.rows("to_ms(minute), screen", "screen_names")
    assert sorted(names) == sorted(wanted.names)
    late = stored.rows("to_ms(quarter), log_offset", "late_quarters")
    assert set(late) == wanted.late_quarters
    samples = stored.rows("to_ms(at), foreground, background", "concurrency_samples")
    assert {at: tuple(users) for at, *users in samples} == wanted.samples
    by_screen = stored.rows("to_ms(at), screen, foreground", "screen_samples")
    assert {row[:2]: row[2] for row in by_screen} == wanted.screen_samples
    days = stored.rows("day, user_id, is_new, app_version, device_info, platform", "user_days")
    assert sorted(days, key=lambda day: day[:2]) == wanted.user_days
