"""What the processor keeps for analytics is what a recount of the log comes to (promise 4)."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from processor.core.analytics.screen_names import DAY_MS
from processor.core.analytics.spans_and_sessions import Session, Span
from processor.core.effects import TIME_PASSED, Effects, Logged
from processor.core.model import Policy
from schemas.log.events import Erase, PrivacyEvent
from schemas.measures.dwell import bucket_of
from tests.unit.processor.analytics_oracle import OracleOfSums, Recount, bucket
from tests.unit.processor.oracle import Oracle
from tests.unit.processor.presence_logs import (
    EXAMPLES,
    LONGEST,
    Processor,
    Written,
    agree,
    day_logs,
    day_policies,
    day_steps_back,
    logs,
    oracle_of,
    policies,
    privacy_events,
    stated,
    steps_back,
    with_privacy,
    with_steps_back,
)
from tests.unit.processor.presence_story import POLICY, START_MS, heartbeat


def agree_on_analytics(
    found: Effects, oracle: Oracle, elsewhere: dict[int, dict[str, int]] | None = None
) -> None:
    """Fails where what was found is not what the oracle's facts add up to."""
    wanted = Recount([oracle], oracle.records, oracle.outages, elsewhere)
    agree_on_people(found, wanted)
    agree_on_sums(found, wanted)


def agree_on_sums(found: Effects, wanted: Recount) -> None:
    """The same, of what is counted."""
    windows = found.windows
    assert {
        window: {
            "views": counts.views,
            "visits": counts.visits,
            "dwell": counts.dwell_ms,
            "silent_dwell": counts.silent_dwell_ms,
            "exits": counts.exits,
            "bounces": counts.bounces,
            "histogram": counts.dwell_histogram + [0] * (77 - len(counts.dwell_histogram)),
        }
        for window, counts in windows.minutes.items()
    } == wanted.minutes
    assert windows.transitions == wanted.transitions
    assert windows.late_quarters == wanted.late_quarters
    assert [(at, name) for at, name, _ in windows.names] == wanted.names
    samples = {sample.at_ms: (sample.foreground, sample.background) for sample in found.samples}
    assert samples == wanted.samples
    assert len(found.samples) == len(samples)
    assert {
        (sample.at_ms, screen): users
        for sample in found.samples
        for screen, users in sample.screens
    } == wanted.screen_samples


def agree_on_people(found: Effects, wanted: Recount, *, some_left: bool = False) -> None:
    """The same, of what is kept of each user. Where ``some_left``, whom the oracle does not know,
    what time brought to them at once with others has a place among theirs."""
    places = _ranked if some_left else list
    spans, pieces = places(map(_span, found.spans)), places(wanted.pieces)
    assert _in_order(spans) == _in_order(pieces)
    assert places(map(_session, found.sessions)) == places(wanted.sessions)
    assert sorted(_user_day(day) for day in found.user_days) == wanted.user_days


def _ranked(findings: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """With the ordinals of what one record's time brought numbered anew, from 0."""
    findings = list(findings)
    by_record: dict[int, set[int]] = {}
    for offset, index, ordinal in (each["place"] for each in findings):
        if index == TIME_PASSED:
            by_record.setdefault(offset, set()).add(ordinal)

    def place(offset: int, index: int, ordinal: int) -> tuple[int, int, int]:
        if index == TIME_PASSED:
            ordinal = sorted(by_record[offset]).index(ordinal)
        return offset, index, ordinal

    return [{**each, "place": place(*each["place"])} for each in findings]


def _in_order(spans: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One event may end spans of two devices, which come first in either order."""
    return sorted(spans, key=lambda span: (span["place"], span["device"]))


def _span(logged: Logged[Span]) -> dict[str, Any]:
    span = logged.finding
    return {
        "place": (logged.offset, logged.index, logged.ordinal),
        "user": span.user_id,
        "device": span.device,
        "state": span.state,
        "screen": span.screen,
        "started": span.started_ms,
        "changed": span.changed_ms,
        "shown_until": span.shown_until_ms,
        "ended": span.ended_ms,
        "ended_by": span.ended_by,
        "is_view": span.is_view,
        "session_start": span.session_start_ms,
        "online_since": span.online_since_ms,
        "name": span.name,
        "app_version": span.app_version,
        "device_info": span.device_info,
        "platform": span.platform,
        "told_before": [list(msgspec.structs.astuple(told)) for told in span.told_before],
    }


def _session(logged: Logged[Session]) -> dict[str, Any]:
    session = logged.finding
    return {
        "place": (logged.offset, logged.index, logged.ordinal),
        "user": session.user_id,
        "device": session.device,
        "started": session.started_ms,
        "shown_until": session.shown_until_ms,
        "ended": session.ended_ms,
        "ended_by": session.ended_by,
        "views": session.views,
        "visits": session.visits,
        "foreground": session.foreground_ms,
        "entry_screen": session.entry_screen,
        "exit_screen": session.exit_screen,
        "app_version": session.app_version,
        "device_info": session.device_info,
        "platform": session.platform,
    }


def _user_day(found: Any) -> tuple[Any, ...]:
    day = date.fromordinal(date(1970, 1, 1).toordinal() + found.day)
    used = found.used
    told = (used.app_version, used.device_info, used.platform)
    return (day, found.user_id, found.is_new, *told)


@EXAMPLES
@given(logs, policies)
def test_the_processor_and_the_recount_agree(log: list[Written], policy: Policy) -> None:
    processor = Processor(policy)
    processor.batch(log)
    agree_on_analytics(processor.effects, oracle_of(log, policy))


@EXAMPLES
@given(day_logs, day_policies)
def test_they_agree_over_days(log: list[Written], policy: Policy) -> None:
    processor = Processor(policy)
    processor.batch(log)
    oracle = oracle_of(log, policy)
    agree(processor, oracle)
    agree_on_analytics(processor.effects, oracle)


@EXAMPLES
@given(
    st.one_of(
        st.tuples(logs, policies, steps_back), st.tuples(day_logs, day_policies, day_steps_back)
    )
)
def test_they_agree_where_the_brokers_clock_steps_back(
    drawn: tuple[list[Written], Policy, dict[int, int]],
) -> None:
    log, policy, steps = drawn
    log = with_steps_back(log, steps)
    processor = Processor(policy)
    processor.batch(log)
    oracle = oracle_of(log, policy)
    agree(processor, oracle)
    agree_on_analytics(processor.effects, oracle)


@EXAMPLES
@given(
    st.one_of(st.tuples(logs, policies), st.tuples(day_logs, day_policies)),
    privacy_events,
)
def test_they_agree_on_what_is_kept_of_users_who_opt_out_and_are_erased(
    drawn: tuple[list[Written], Policy], events: dict[int, PrivacyEvent]
) -> None:
    """To the oracle whoever leaves has never been: sums, in which they stay, are those below."""
    log, policy = drawn
    whole = {n: e for n, e in events.items() if not isinstance(e, Erase) or e.before_ms is None}
    log = with_privacy(log, whole)
    processor = Processor(policy)
    processor.batch(log)
    oracle = oracle_of(log, policy)
    agree(processor, oracle)
    agree_on_people(
        processor.effects, Recount([oracle], oracle.records, oracle.outages), some_left=True
    )


@EXAMPLES
@given(
    st.one_of(st.tuples(logs, policies), st.tuples(day_logs, day_policies)),
    privacy_events,
    st.integers(0, LONGEST),
)
def test_they_agree_on_the_count_and_the_sums_in_which_users_stay_who_left(
    drawn: tuple[list[Written], Policy], events: dict[int, PrivacyEvent], restarted: int
) -> None:
    log, policy = drawn
    log = with_privacy(log, events)
    processor = Processor(policy)
    processor.batch(log[:restarted])
    processor.restart()
    processor.batch(log[restarted:])
    oracle = oracle_of(log, policy, OracleOfSums)
    assert processor.counts == oracle.counts
    agree_on_sums(processor.effects, Recount([oracle], oracle.records, oracle.outages))


@EXAMPLES
@given(day_logs, day_policies, day_policies, st.integers(0, LONGEST))
def test_they_agree_when_another_policy_is_adopted(
    log: list[Written], first: Policy, second: Policy, adopted: int
) -> None:
    processor = Processor(first)
    processor.batch(log[:adopted])
    processor.restart(second)
    processor.batch(log[adopted:])
    oracle = oracle_of(log[:adopted], first)
    oracle.policy = stated(second)
    for offset, record in enumerate(log[adopted:], start=len(log[:adopted])):
        oracle.record(offset, record.timestamp, record.events, sorted(record.refused))
    agree_on_analytics(processor.effects, oracle)


@pytest.mark.parametrize("seed", range(3))
def test_they_agree_on_screens_that_become_known_among_ids(seed: int) -> None:
    """Minutes before midnight and after it, in which ids of single users and a crowd's screens come
    in any order, some ids first."""
    policy = replace(POLICY, max_screens=2)
    screens = [("Home", f"user-{n}") for n in range(7)] + [("Cart", f"user-{n}") for n in range(7)]
    ids = [(f"/product/{n}", f"single-{n}") for n in range(20)]
    views = [*ids[:10], *screens, *ids[10:]]
    midnight = START_MS - START_MS % DAY_MS + DAY_MS
    log, at = [], midnight - len(views) * 30_000
    for day in range(2):
        rest = views[10:]
        random.Random(seed + day).shuffle(rest)
        for screen, user in views[:10] + rest:
            log.append(Written(at, (heartbeat("a", screen, user=user),)))
            at += 30_000
    processor = Processor(policy)
    processor.batch(log)
    agree_on_analytics(processor.effects, oracle_of(log, policy))


@pytest.mark.parametrize("seed", range(3))
def test_they_agree_on_screens_that_the_fleet_makes_known(seed: int) -> None:
    """Few users here, and how many showed the same screens elsewhere: any number of them."""
    policy = replace(POLICY, max_screens=4)
    source = random.Random(seed)
    screens = [f"screen-{n}" for n in range(12)]
    midnight = START_MS - START_MS % DAY_MS
    log = [
        Written(
            midnight + day * DAY_MS + number * 7_000,
            (heartbeat("a", source.choice(screens), user=f"user-{source.randrange(9)}"),),
        )
        for day in range(4)
        for number in range(40)
    ]
    elsewhere = {
        midnight // DAY_MS + day: {name: source.randrange(1, 7) for name in screens[day:][:6]}
        for day in range(4)
    }
    processor = Processor(policy, elsewhere=elsewhere)
    for record in log:
        processor.batch([record])
    agree_on_analytics(processor.effects, oracle_of(log, policy), elsewhere)


@pytest.mark.parametrize("around", [0, 250, 297, 354, 1_000, 60_000, 3_600_000, 112_000_000])
def test_a_duration_is_in_the_bucket_that_a_naive_search_finds(around: int) -> None:
    for duration in range(max(0, around - 300), around + 300):
        assert bucket_of(duration) == bucket(duration)
