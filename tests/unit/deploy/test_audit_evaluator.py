"""The audit's evaluator says of any log what the oracle says, and neither knows the other."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from deploy.audit.evaluator import Evaluator
from deploy.audit.presence import visible
from deploy.audit.states import PartitionState, Policy, User
from deploy.audit.timers import timer_of
from processor.core.model import Policy as ProcessorPolicy
from schemas.log.events import PrivacyEvent
from tests.unit.processor.analytics_oracle import Recount, bucket
from tests.unit.processor.oracle import Oracle
from tests.unit.processor.presence_logs import (
    EXAMPLES,
    LONGEST,
    Written,
    ahead,
    canary_marks,
    day_logs,
    day_policies,
    day_steps_back,
    logs,
    losses,
    lost_sockets_logs,
    lost_sockets_policies,
    oracle_of,
    policies,
    privacy_events,
    steps_back,
    timer_logs,
    timer_policies,
    with_canaries,
    with_canary,
    with_losses,
    with_privacy,
    with_steps_back,
    without,
)


def evaluated(log: list[Written], policy: ProcessorPolicy, stop: int = 10_000) -> Evaluator:
    """The evaluator after the log; its state went through a file before record ``stop``."""
    own = msgspec.convert(msgspec.to_builtins(policy), Policy)
    evaluator = Evaluator(PartitionState(0, 0, 0, full=True), own)
    offset = 0
    for number, record in enumerate(log):
        if number == stop:
            stored = msgspec.msgpack.encode(evaluator.state)
            state = msgspec.msgpack.decode(stored, type=PartitionState)
            findings, rejected = evaluator.findings, evaluator.rejected
            evaluator = Evaluator(state, own)
            evaluator.findings[:0] = findings
            evaluator.rejected = rejected
        offset += record.lost
        refused = sorted(record.refused)
        evaluator.record(offset, record.timestamp, record.events, refused, record.lost)
        offset += 1
    return evaluator


def agree(evaluator: Evaluator, oracle: Oracle) -> None:
    left: list[tuple[str, int | None]] = []
    changes: list[Any] = []
    outages = {}
    for table, row in evaluator.findings:
        if table == "left":
            user, before = row[:2]
            left.append(row)
            changes = [
                c for c in changes if c[4] != user or (before is not None and c[3] >= before)
            ]
        elif table == "changes":
            changes.append(row)
        elif table == "outages":
            outages[row[:2]] = row[2]
    assert changes == [
        (
            *c["place"],
            c["at"],
            c["user"],
            c["device"],
            c["reason"],
            c["before"][0],
            c["after"][0],
            c["before"][1],
            c["after"][1],
            *c["user_after"],
            c["app_version"],
            c["platform"],
            c["connections"],
        )
        for c in oracle.stored_changes()
    ]
    state = evaluator.state
    if oracle.counts:
        assert (state.foreground, state.background) == oracle.counts[-1]
    assert outages == {(o["kind"], o["from"]): o["to"] for o in oracle.outages}
    assert evaluator.rejected == oracle.rejected
    wanted = oracle.rows()
    assert state.users.keys() == wanted.keys()
    for user_id, user in state.users.items():
        assert _user(user, state.now) == wanted[user_id]


def _user(user: User, now: int) -> dict[str, Any]:
    shown = visible(user)
    return {
        "name": user.name,
        "state": user.state,
        "screen": user.screen,
        "reason": user.reason,
        "changed_ms": user.changed,
        "online_since_ms": user.online_since,
        "last_active_ms": max((d.last_active for d in user.devices.values()), default=None),
        "device_count": sum(d.online for d in user.devices.values()),
        "device": shown.device if shown else None,
        "devices": [
            {
                "device": d.device,
                "state": d.state,
                "screen": d.screen,
                "reason": d.reason,
                "changed_ms": d.changed,
                "last_active_ms": d.last_active,
                "online_since_ms": d.online_since if d.online else None,
                "expires_ms": d.deadline if d.online else None,
                "app_version": d.app_version,
                "device_info": d.device_info,
                "platform": d.platform,
                "token": d.token,
                "twin_of": d.named,
                "replaced": [[g.mark, g.state, g.screen, g.changed] for g in d.gave_way],
                "signed_out": d.signed_out,
                "ended_in_foreground": not d.online and d.ended_in_foreground,
                "connections": [(one, until) for one, until in d.connections if now < until],
                "http_deadline": ahead(d.http_deadline, now),
                "lost": d.lost
                and {"at": d.lost.at, "silent": d.lost.silent, "deadline": d.lost.deadline},
                "silence_deadline": d.silence_deadline if d.online else None,
                "timer": timer_of(d),
            }
            for d in user.devices.values()
        ],
        "canary": user.canary,
    }


def agree_on_analytics(evaluator: Evaluator, oracle: Oracle) -> None:
    wanted = Recount([oracle], oracle.records, oracle.outages)
    found: dict[str, list[Any]] = {}
    for table, row in evaluator.findings:
        found.setdefault(table, []).append(row)
    spans = sorted(found.get("spans", []), key=lambda row: (row[:3], row[5]))
    assert spans == sorted(
        (
            (
                *p["place"],
                p["shown_until"],
                p["user"],
                p["device"],
                p["state"],
                p["screen"],
                p["started"],
                p["changed"],
                p["ended"],
                p["ended_by"],
                p["is_view"],
                p["session_start"],
                p["online_since"],
                p["name"],
                p["app_version"],
                p["device_info"],
                p["platform"],
                p["told_before"],
            )
            for p in wanted.pieces
        ),
        key=lambda row: (row[:3], row[5]),
    )
    assert found.get("sessions", []) == [
        (
            *s["place"],
            s["shown_until"],
            s["user"],
            s["device"],
            s["started"],
            s["ended"],
            s["ended_by"],
            s["views"],
            s["visits"],
            s["foreground"],
            s["entry_screen"],
            s["exit_screen"],
            s["app_version"],
            s["device_info"],
            s["platform"],
        )
        for s in wanted.sessions
    ]
    epoch = date(1970, 1, 1).toordinal()
    assert (
        sorted((date.fromordinal(row[0] + epoch), *row[1:]) for row in found.get("user_days", []))
        == wanted.user_days
    )
    assert {row[0]: row[1:] for row in found.get("concurrency_samples", [])} == wanted.samples
    totals: Counter[int] = Counter()
    for at, _, dwell, silent in found.get("visits", []):
        totals[at // 60_000] += dwell + 7 * silent + 1_000_003 * bucket(dwell)
    expected: Counter[int] = Counter()
    for (minute, _), counts in wanted.minutes.items():
        buckets = sum(n * of for n, of in enumerate(counts["histogram"]))
        sums = counts["dwell"] + 7 * counts["silent_dwell"] + 1_000_003 * buckets
        expected[minute // 60_000] += sums
    assert +totals == +expected
    assert len(found.get("views", [])) == sum(c["views"] for c in wanted.minutes.values())
    assert len(found.get("exits", [])) == sum(c["exits"] for c in wanted.minutes.values())


_stops = st.integers(0, LONGEST)


@EXAMPLES
@given(logs, policies, _stops)
def test_the_audit_and_the_oracle_agree(
    log: list[Written], policy: ProcessorPolicy, stop: int
) -> None:
    evaluator, oracle = evaluated(log, policy, stop), oracle_of(log, policy)
    agree(evaluator, oracle)
    agree_on_analytics(evaluator, oracle)


@EXAMPLES
@given(logs, policies, losses)
def test_they_agree_where_records_were_accepted_as_lost(
    log: list[Written], policy: ProcessorPolicy, lost: dict[int, int]
) -> None:
    log = with_losses(log, lost)
    agree(evaluated(log, policy), oracle_of(log, policy))


@EXAMPLES
@given(logs, policies, steps_back, _stops)
def test_they_agree_where_the_brokers_clock_steps_back(
    log: list[Written], policy: ProcessorPolicy, steps: dict[int, int], stop: int
) -> None:
    log = with_steps_back(log, steps)
    evaluator, oracle = evaluated(log, policy, stop), oracle_of(log, policy)
    agree(evaluator, oracle)
    agree_on_analytics(evaluator, oracle)


@EXAMPLES
@given(lost_sockets_logs, lost_sockets_policies)
def test_they_agree_about_sockets_that_are_lost_around_an_outage(
    log: list[Written], policy: ProcessorPolicy
) -> None:
    agree(evaluated(log, policy), oracle_of(log, policy))


@EXAMPLES
@given(logs, policies, steps_back, privacy_events)
def test_they_agree_about_users_who_opt_out_come_back_and_are_erased(
    log: list[Written],
    policy: ProcessorPolicy,
    steps: dict[int, int],
    events: dict[int, PrivacyEvent],
) -> None:
    for each in (log, with_steps_back(log, steps)):
        private = with_privacy(each, events)
        agree(evaluated(private, policy), oracle_of(private, policy))


@EXAMPLES
@given(logs, policies, canary_marks, steps_back, privacy_events)
def test_they_agree_about_users_who_are_canaries_at_times(
    log: list[Written],
    policy: ProcessorPolicy,
    marks: list[bool],
    steps: dict[int, int],
    events: dict[int, PrivacyEvent],
) -> None:
    log = with_canaries(with_privacy(with_steps_back(log, steps), events), marks)
    evaluator, oracle = evaluated(log, policy), oracle_of(log, policy)
    agree(evaluator, oracle)
    everybody = {user for user in oracle.users() if not oracle.is_canary(user)}
    shown = [oracle.shown_by_user(user) for user in everybody]
    in_front = Counter(screen for state, screen in shown if state == "foreground")
    assert evaluator.state.by_screen == in_front


@EXAMPLES
@given(logs, policies)
def test_what_the_audit_counts_is_that_of_the_log_without_canaries(
    log: list[Written], policy: ProcessorPolicy
) -> None:
    found = evaluated(with_canary(log, "bob"), policy)
    wanted = evaluated(without(log, "bob"), policy)

    def counted(evaluator: Evaluator) -> Counter[str]:
        # Of what time brings to several users at once the ordinal is a place, no count.
        return Counter(
            repr((table, *row[:1], *row[3:]) if row[1:2] == (-1,) else (table, *row))
            for table, row in evaluator.findings
        )

    assert counted(found) == counted(wanted)
    for name in ("foreground", "background", "by_screen", "foreground_devices", "last_heard"):
        assert getattr(found.state, name) == getattr(wanted.state, name)


@EXAMPLES
@given(timer_logs, timer_policies, steps_back)
def test_they_agree_about_timers_that_run_on(
    log: list[Written], policy: ProcessorPolicy, steps: dict[int, int]
) -> None:
    for each in (log, with_steps_back(log, steps)):
        agree(evaluated(each, policy), oracle_of(each, policy))


@EXAMPLES
@given(day_logs, day_policies, day_steps_back, st.booleans())
def test_they_agree_over_days(
    log: list[Written], policy: ProcessorPolicy, steps: dict[int, int], stepped: bool
) -> None:
    log = with_steps_back(log, steps) if stepped else log
    policy = replace(policy, max_screens=1_000)
    evaluator, oracle = evaluated(log, policy), oracle_of(log, policy)
    agree(evaluator, oracle)
    agree_on_analytics(evaluator, oracle)
