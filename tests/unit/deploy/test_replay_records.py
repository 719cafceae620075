"""A file's events as a log: what the processor makes of it is what the file says."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.replay.records import (
    ReplayPolicy,
    TimedRecord,
    records,
    shortest_client_interval_seconds,
)
from deploy.replay.table import View
from ingest.body.validate import Sent
from processor.core.effects import Effects, Record
from processor.core.model import Policy
from processor.core.partition import Partition
from schemas.log.events import Heartbeat, Tick, decode_batch

PARTITIONS = 3
START_MS = 1_700_000_000_000
GAP_MS = 1_800_000
OUTAGE_GAP_MS = 600_000
HOUR_MS = 3_600_000
SCREENS = ["Home", "Cart", "Pay"]


def view(after_ms: int, user: str = "ada", screen: str = "Home") -> View:
    return View((START_MS + after_ms) * 1000, user, Sent(screen=screen))


def replay_policy(*, time_zone: str = "UTC", skip_silence: bool = False) -> ReplayPolicy:
    return ReplayPolicy(PARTITIONS, GAP_MS, OUTAGE_GAP_MS, time_zone, skip_silence)


def replayed(*views: View, skip_silence: bool = False) -> list[TimedRecord]:
    return list(records(views, replay_policy(skip_silence=skip_silence)))


def processed(log: list[TimedRecord], views: list[View]) -> Effects:
    """What the processor makes of the log."""
    policy = Policy(
        offline_after_ms=GAP_MS,
        logout_fence_ms=0,
        reconnect_grace_ms=200_000,
        outage_gap_ms=OUTAGE_GAP_MS,
        client_interval_ms=1000 * shortest_client_interval_seconds(views, replay_policy()),
    )
    effects = Effects()
    states = [Partition(p, PARTITIONS, policy, next_offset=0) for p in range(PARTITIONS)]
    for record in log:
        state = states[record.partition]
        events = decode_batch(record.value)
        state.apply(Record(state.next_offset, record.at_ms, events), effects)
    assert not effects.rejects
    assert [state.tally.foreground for state in states] == [0] * PARTITIONS
    return effects


def sessions_of_file(views: list[View]) -> list[tuple[str, int, int, list[str]]]:
    """User, start, end and pages of each session, by the session gap alone."""
    by_user: dict[str, list[View]] = defaultdict(list)
    for each in views:
        by_user[each.user].append(each)
    found: list[tuple[str, int, int, list[str]]] = []
    for user, theirs in by_user.items():
        last_ms = None
        for each in theirs:
            screen = each.sent.screen or ""
            if last_ms is None or each.at_ms - last_ms >= GAP_MS:
                found.append((user, each.at_ms, each.at_ms, [screen]))
            else:
                _, start_ms, _, pages = found[-1]
                if pages[-1] != screen:
                    pages.append(screen)
                found[-1] = (user, start_ms, each.at_ms, pages)
            last_ms = each.at_ms
    return sorted(found)


def sessions_of_log(effects: Effects) -> list[tuple[Any, ...]]:
    sessions = [logged.finding for logged in effects.sessions]
    return sorted(
        (s.user_id, s.started_ms, s.ended_ms, s.views, s.entry_screen, s.exit_screen)
        for s in sessions
    )


GAPS = st.one_of(
    st.integers(0, 3), st.integers(0, 900_000), st.just(GAP_MS), st.integers(0, 5 * HOUR_MS)
)
STEPS = st.lists(
    st.tuples(GAPS, st.sampled_from("abcdefg"), st.sampled_from(SCREENS)), min_size=1, max_size=40
)


@given(STEPS, st.booleans())
@settings(deadline=None)
def test_the_processor_finds_the_sessions_of_the_file(
    steps: list[tuple[int, str, str]], skip_silence: bool
) -> None:
    views, at_ms = [], 0
    for gap_ms, user, screen in steps:
        at_ms += gap_ms
        views.append(view(at_ms, user, screen))
    effects = processed(replayed(*views, skip_silence=skip_silence), views)
    assert sessions_of_log(effects) == [
        (user, start_ms, end_ms, len(pages), pages[0], pages[-1])
        for user, start_ms, end_ms, pages in sessions_of_file(views)
    ]
    if not skip_silence:
        assert not effects.outages


@given(STEPS, st.booleans())
@settings(deadline=None)
def test_log_time_never_goes_back_and_is_the_same_everywhere_at_the_ends(
    steps: list[tuple[int, str, str]], skip_silence: bool
) -> None:
    views, at_ms = [], 0
    for gap_ms, user, screen in steps:
        at_ms += gap_ms
        views.append(view(at_ms, user, screen))
    log = replayed(*views, skip_silence=skip_silence)
    for partition in range(PARTITIONS):
        times = [record.at_ms for record in log if record.partition == partition]
        assert times == sorted(times)
        assert times[0] == views[0].at_ms
        assert times[-1] == log[-1].at_ms


def test_every_partition_has_a_tick_in_every_half_of_an_outage_gap() -> None:
    log = replayed(view(0), view(5 * HOUR_MS))
    for partition in range(PARTITIONS):
        times = [r.at_ms for r in log if r.partition == partition]
        apart = [later - earlier for earlier, later in pairwise(times)]
        assert max(apart) <= OUTAGE_GAP_MS // 2


def test_silence_is_skipped_only_once_everybody_has_timed_out() -> None:
    log = replayed(view(0), view(100 * HOUR_MS), skip_silence=True)
    times = sorted({r.at_ms - START_MS for r in log})
    assert [t for t in times if t < 100 * HOUR_MS] == list(range(0, GAP_MS + 1, 300_000))
    effects = processed(log, [view(0), view(100 * HOUR_MS)])
    jumps = {(outage.started_ms - START_MS, outage.ended_ms) for outage in effects.outages.values()}
    assert jumps == {(GAP_MS, START_MS + 100 * HOUR_MS)}
    assert effects.samples


@pytest.mark.parametrize(
    ("last_view", "time_zone", "day_after"),
    [
        ("2026-03-27T12:00:00", "UTC", "2026-03-28"),
        ("2026-03-27T23:29:59", "UTC", "2026-03-28"),
        ("2026-03-27T23:30:00", "UTC", "2026-03-28"),
        ("2026-03-27T23:30:01", "UTC", "2026-03-29"),
        ("2026-03-27T23:15:00", "Asia/Kathmandu", "2026-03-29"),
        ("2026-03-28T22:45:00", "Europe/Berlin", "2026-03-30"),
    ],
)
def test_time_goes_on_until_the_day_of_the_last_sessions_end_is_rolled_up(
    last_view: str, time_zone: str, day_after: str
) -> None:
    last = datetime.fromisoformat(last_view).replace(tzinfo=UTC)
    views = [View(int(last.timestamp()) * 1_000_000, "ada", Sent(screen="Home"))]
    end_ms = list(records(views, replay_policy(time_zone=time_zone)))[-1].at_ms
    midnight = datetime.fromisoformat(day_after).replace(tzinfo=ZoneInfo(time_zone))
    assert end_ms == 1000 * int(midnight.timestamp()) + HOUR_MS // 2


def test_events_of_a_millisecond_are_records_that_a_topic_takes() -> None:
    crowd = [view(0, f"user-{n}") for n in range(3_000)]
    beats = [
        event
        for record in replayed(*crowd)
        for event in decode_batch(record.value)
        if not isinstance(event, Tick)
    ]
    assert {b.user for b in beats if isinstance(b, Heartbeat)} == {v.user for v in crowd}
    assert max(len(decode_batch(r.value)) for r in replayed(*crowd)) == 200


def test_a_crowd_that_falls_silent_is_no_outage() -> None:
    crowd = [view(n, f"user-{n}") for n in range(300)]
    views = [*crowd, view(200 * HOUR_MS)]
    assert not processed(replayed(*views), views).outages
