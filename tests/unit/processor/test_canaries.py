"""Canaries: shown by the rules of all, in no count (design, section 2)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from processor.core.model import Policy
from schemas.log.events import Erase, OptOut, PrivacyEvent
from tests.unit.processor.presence_logs import (
    EXAMPLES,
    LONGEST,
    Processor,
    Written,
    agree,
    canary_marks,
    day_logs,
    day_policies,
    logs,
    oracle_of,
    policies,
    privacy_events,
    steps_back,
    with_canaries,
    with_canary,
    with_privacy,
    with_steps_back,
    without,
)
from tests.unit.processor.presence_story import START_MS, Story, heartbeat


def counted(processor: Processor) -> dict[str, Any]:
    """All that is counted, stored or published, but for rows and the ordinals of expiries."""
    total, windows = processor.effects, processor.effects.windows

    def place(logged: Any) -> tuple[int, int, int]:
        ordinal = 0 if logged.index == -1 else logged.ordinal
        return (logged.offset, logged.index, ordinal)

    return {
        "changes": sorted(repr((place(c), c.changed)) for c in processor.changes),
        "last_changes": processor.last_changes,
        "counts": processor.counts,
        "outages": processor.outages,
        "silence": processor.silence,
        "live": processor.live_screens,
        "spans": sorted(repr((place(s), s.finding)) for s in total.spans),
        "sessions": sorted(repr((place(s), s.finding)) for s in total.sessions),
        "samples": total.samples,
        "user_days": total.user_days,
        "minutes": windows.minutes,
        "transitions": windows.transitions,
        "late": windows.late_quarters,
        "names": windows.names,
        "remembered": processor.remembered,
    }


def processed(log: list[Written], policy: Policy, restarted: int = LONGEST) -> Processor:
    processor = Processor(policy)
    processor.batch(log[:restarted])
    processor.restart()
    processor.batch(log[restarted:])
    return processor


@EXAMPLES
@given(logs, policies, st.integers(0, LONGEST), steps_back, st.booleans())
def test_every_count_is_that_of_the_log_without_canaries(
    log: list[Written], policy: Policy, restarted: int, steps: dict[int, int], stepped: bool
) -> None:
    log = with_steps_back(log, steps) if stepped else log
    found = processed(with_canary(log, "bob"), policy, restarted)
    wanted = processed(without(log, "bob"), policy)
    assert counted(found) == counted(wanted)
    rows = {name: row for name, row in found.stored().items() if name != "bob"}
    assert rows == wanted.stored()


@EXAMPLES
@given(day_logs, day_policies)
def test_every_count_over_days_is_that_of_the_log_without_canaries(
    log: list[Written], policy: Policy
) -> None:
    found, wanted = (
        processed(with_canary(log, "ann"), policy),
        processed(without(log, "ann"), policy),
    )
    assert counted(found) == counted(wanted)


@EXAMPLES
@given(logs, policies)
def test_a_canary_is_shown_as_everybody_is(log: list[Written], policy: Policy) -> None:
    # Of one user, so that no outage depends on whom the log is made of.
    log = without(without(log, "ann"), "cem")
    policy = Policy(policy.offline_after_ms, policy.logout_fence_ms, policy.reconnect_grace_ms)
    found = processed(with_canary(log, "bob"), policy).stored()
    wanted = processed(log, policy).stored()
    of_counts = {"canary": None, "first_day": None, "active_day": None}
    assert {name: row | of_counts for name, row in found.items()} == {
        name: row | of_counts for name, row in wanted.items()
    }


@EXAMPLES
@given(logs, policies, canary_marks, privacy_events, st.integers(0, LONGEST))
def test_the_oracle_agrees_about_users_who_are_canaries_at_times(
    log: list[Written],
    policy: Policy,
    marks: list[bool],
    events: dict[int, PrivacyEvent],
    restarted: int,
) -> None:
    log = with_canaries(with_privacy(log, events), marks)
    agree(processed(log, policy, restarted), oracle_of(log, policy))


def test_who_is_online_moves_neither_into_a_count_nor_out_of_it() -> None:
    story = Story().beat("a", "home", canary=True).wait(10).beat("a", "cart")
    assert (story.user()["canary"], story.shown()) == (True, ("foreground", "cart"))
    assert story.processor.counts[-1] == (0, 0)
    assert story.processor.changes == []
    story = Story().beat("a", "home").wait(10).beat("a", "cart", canary=True)
    assert (story.user()["canary"], story.processor.counts[-1]) == (False, (1, 0))


def test_a_user_is_what_the_token_says_with_which_they_come_back() -> None:
    story = Story().beat("a", "home").wait(400).beat("a", "home", canary=True)
    assert (story.user()["canary"], story.processor.counts[-1]) == (True, (0, 0))
    assert [reason for _, reason in story.reasons()] == ["started", "timed_out"]
    story.wait(400).beat("a", "home")
    assert (story.user()["canary"], story.processor.counts[-1]) == (False, (1, 0))


def test_a_canary_goes_offline_by_silence_and_nobody_is_told() -> None:
    story = Story().connect("c1", canary=True).wait(10).hang_up("c1").wait(40)
    assert story.went() == ("disconnected", 40.0)
    assert story.processor.changes == []
    assert not story.processor.effects.spans


def test_canaries_do_not_hide_that_phones_cannot_reach_us() -> None:
    story = Story()
    phones = [heartbeat("a", user=f"u{n}") for n in range(30)]
    story.record(*phones)
    for _ in range(30):
        story.wait(10).beat("a", user="canary", canary=True)
    kinds = [kind for kind, _ in story.processor.outages]
    assert kinds == ["ticks_only"]
    # Nor do phones that are not there owe anything.
    story = Story()
    story.record(*[heartbeat("a", user=f"u{n}", canary=True) for n in range(300)])
    story.wait(290)
    assert not story.processor.outages


def test_a_canary_who_opts_out_or_is_erased_leaves_no_last_change() -> None:
    for event in (OptOut(user="ann", request="r"), Erase(user="ann", request="r")):
        story = Story().beat("a", "home", canary=True)
        story.record(event)
        assert "ann" not in story.processor.stored()
        assert story.processor.last_changes == []
        assert story.processor.flags


def test_a_canarys_row_tells_no_day() -> None:
    row = Story().beat("a", "home", canary=True).user()
    assert (row["canary"], row["first_day"], row["active_day"]) == (True, None, None)
    assert row["last_active_ms"] == START_MS
