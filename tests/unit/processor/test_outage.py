"""The outage in which clients cannot reach us, one sentence each (promise 3)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from processor.core.model import Policy
from processor.core.outage import Grace, Outage, Passage, granted_until_ms, is_heard, passage
from schemas.log.events import BadEvent, Connect, Disconnect, Event, Logout, Renew, Tick
from tests.unit.processor.presence_logs import Written
from tests.unit.processor.presence_story import POLICY, START_MS, Story, heartbeat, logout

HOLD, RECONNECT_GRACE, OFFLINE_AFTER, DISCONNECT_GRACE = 900, 200, 300, 30
#: One device in the foreground owes two events a second: 30 are due as soon as the gap is over.
BUSY = replace(POLICY, client_interval_ms=500)


class Silent(Story):
    """Ticks every second: what ingest writes while nothing else comes."""

    def wait(self, seconds: float) -> Story:
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + 1, end)
            self.record(Tick())
        return self


def busy(policy: Policy = BUSY) -> Silent:
    """A partition in which much is due."""
    return Silent(policy)


def outages(story: Story) -> dict[tuple[str, float], float | None]:
    """Kind and beginning, end, in the story's seconds."""
    return {
        (kind, story.seconds(started)): None if ended is None else story.seconds(ended)
        for (kind, started), ended in story.processor.outages.items()
    }


# -- when it begins


def test_an_accepted_loss_is_an_outage_however_short_it_was() -> None:
    """What phones said in it is lost: who was online stays so until they can say it again."""
    story = Story(POLICY).beat("a", "home").wait(299)
    story.now = 305
    story.processor.batch([Written(START_MS + 305_000, (Tick(),), lost=3)])
    assert outages(story) == {("lost_range", 299): 305}
    assert story.processor.next_offset == 35
    assert story.shown() == ("foreground", "home")
    assert story.wait(RECONNECT_GRACE).went() == ("timed_out", 305 + RECONNECT_GRACE)


def test_an_accepted_loss_of_a_log_that_nobody_has_read_is_none() -> None:
    story = Story(POLICY)
    story.processor.batch([Written(START_MS, (Tick(),), lost=3)])
    assert outages(story) == {}
    assert story.wait(60).processor.log_time_ms == START_MS + 60_000


def test_a_partition_without_clients_is_silenced_once_thirty_events_were_due() -> None:
    story = busy().beat("a").wait(14)
    assert outages(story) == {}
    assert outages(story.wait(1)) == {("ticks_only", 15): None}


@pytest.mark.parametrize(
    ("devices", "interval", "begins"),
    [
        (360, 180, 15),
        (359, 180, 16),  # 15.04 s
        (100, 180, 54),
        (18, 180, 300),
        (10_000, 180, 15),
        (2, 10, 150),
    ],
)
def test_what_is_due_grows_with_the_foreground_devices_and_the_silence(
    devices: int, interval: int, begins: int
) -> None:
    story = busy(replace(POLICY, offline_after_ms=400_000, client_interval_ms=interval * 1000))
    story.record(*(heartbeat("phone", user=f"user-{n}") for n in range(devices)))
    story.wait(begins - 1)
    assert outages(story) == {}
    assert outages(story.wait(1)) == {("ticks_only", begins): None}


def test_all_foreground_devices_of_a_user_count() -> None:
    story = busy(replace(POLICY, client_interval_ms=1_000)).beat("a").beat("b").wait(15)
    assert outages(story) == {("ticks_only", 15): None}


@pytest.mark.parametrize(
    "quiet", [{"screen": "background"}, {"app_state": "hidden"}, {"app_state": "detached"}]
)
def test_devices_in_the_background_owe_nothing(quiet: dict[str, str]) -> None:
    assert outages(busy().beat("a", **quiet).wait(299)) == {}


def test_devices_that_are_offline_owe_nothing() -> None:
    assert outages(busy().beat("a").logout("a").wait(299)) == {}


def test_the_foreground_devices_are_those_of_when_the_silence_began() -> None:
    policy = replace(BUSY, offline_after_ms=10_000, client_interval_ms=330)
    story = busy(policy).beat("a").wait(15)
    assert story.shown() == ("offline", None)
    assert outages(story) == {("ticks_only", 15): None}


def test_a_fleet_too_small_for_the_test_is_not_covered() -> None:
    story = busy(POLICY)
    story.record(*(heartbeat("phone", user=f"user-{n}") for n in range(17)))
    assert outages(story.wait(OFFLINE_AFTER)) == {}
    assert story.processor.counts[-1] == (0, 0)


def test_who_has_timed_out_owes_nothing_however_long_it_is_quiet() -> None:
    """One phone, then a quiet night: with 180 s between events 30 would be due after 5,400 s."""
    story = Story(POLICY).beat("a", "home").wait(6_000)
    assert story.shown() == ("offline", None)
    assert outages(story) == {}
    assert story.seconds(story.processor.effects.samples[-1].at_ms) >= 5_980


def test_before_the_first_client_event_nothing_is_due() -> None:
    assert outages(busy().wait(100)) == {}


def test_what_was_decided_before_it_fires_stands() -> None:
    policy = replace(BUSY, offline_after_ms=14_000, client_interval_ms=460)
    story = busy(policy).beat("a").wait(20)
    assert story.went() == ("timed_out", 14)
    assert outages(story) == {("ticks_only", 15): None}


def test_a_deadline_of_the_record_at_which_it_fires_is_held() -> None:
    policy = replace(BUSY, offline_after_ms=15_000)
    assert busy(policy).beat("a", "home").wait(100).shown() == ("foreground", "home")


def test_the_record_that_ends_a_silence_begins_no_outage() -> None:
    story = Story(replace(BUSY, offline_after_ms=19_000)).beat("a").wait(10)
    story.now = 20
    story.beat("b")
    assert outages(story) == {}
    assert story.went("a") == ("timed_out", 19)


@pytest.mark.parametrize(
    ("event", "heard"),
    [
        (heartbeat("a"), True),
        (Connect(user="ann", token="t", connection="c"), True),
        (Renew(user="ann", token="t", connection="c"), True),
        (Logout(user="ann", token="t"), True),
        (Disconnect(user="ann", connection="c"), False),
        (Tick(), False),
        (BadEvent("unknown kind", b"?"), False),
    ],
)
def test_what_shows_that_clients_reach_us(event: Event | BadEvent, heard: bool) -> None:
    assert is_heard([Tick(), event]) is heard


def test_an_event_that_comes_to_nothing_ends_a_silence_all_the_same() -> None:
    story = busy().beat("a").beat("b", user="bob").logout("b", user="bob")
    for _ in range(20):
        story.wait(10).beat("b", user="bob")
    assert set(story.verdicts()[3:]) <= {"fenced", "signed_out"}
    assert outages(story) == {}


def test_disconnects_and_what_cannot_be_read_end_no_silence() -> None:
    story = busy().connect("c1").connect("c2").wait(10).hang_up("c2")
    story.record(BadEvent("unknown kind", b"?"))
    assert outages(story.wait(5)) == {("ticks_only", 15): None}


# -- while it lasts


def test_nobody_goes_offline_by_silence() -> None:
    story = busy().beat("a", "home").wait(800)
    assert story.shown() == ("foreground", "home")
    assert story.reasons() == [("a", "started")]


def test_a_grace_that_ran_before_is_held() -> None:
    story = busy().connect("c1").wait(5).hang_up("c1").wait(500)
    assert story.shown() == ("foreground", None)


def test_a_grace_that_was_over_before_stands() -> None:
    policy = replace(BUSY, disconnect_grace_ms=5_000)
    story = busy(policy).connect("c1").wait(1).hang_up("c1").wait(30)
    assert story.went() == ("disconnected", 6)


def test_a_disconnect_within_it_puts_nobody_offline() -> None:
    story = busy().connect("c1").wait(60).hang_up("c1").wait(500)
    assert story.shown() == ("foreground", None)


def test_after_the_hold_everyone_goes_whose_deadline_has_come() -> None:
    story = busy().beat("b").beat("a").beat("z", user="ada").wait(15 + HOLD - 1)
    assert story.processor.counts[-1] == (2, 0)
    story.wait(1)
    gone = [(c.changed.user_id, c.changed.device) for c in story.processor.changes[3:]]
    assert gone == [("ada", "z"), ("ann", "a"), ("ann", "b")]
    assert story.went("a") == ("timed_out", 15 + HOLD)


def test_after_the_hold_a_later_deadline_comes_at_its_own_time() -> None:
    policy = replace(BUSY, offline_after_ms=1_000_000)
    story = busy(policy).beat("a").wait(999)
    assert story.shown() == ("foreground", None)
    assert story.wait(1).went() == ("timed_out", 1_000)


def test_a_lost_socket_whose_grace_was_held_is_disconnected_at_the_end_of_the_hold() -> None:
    story = busy().connect("c1").wait(60).hang_up("c1").wait(HOLD)
    assert story.went() == ("disconnected", 15 + HOLD)


def test_it_lasts_beyond_the_hold_until_a_client_is_heard_of() -> None:
    story = busy().beat("a").wait(15 + HOLD + 100)
    assert outages(story) == {("ticks_only", 15): None}
    assert outages(story.beat("a")) == {("ticks_only", 15): 15 + HOLD + 100}


def test_another_policy_does_not_move_the_hold_of_an_outage_that_runs() -> None:
    story = busy().beat("a").wait(20)
    story.processor.restart(replace(BUSY, outage_hold_ms=0))
    assert story.wait(15 + HOLD - 21).shown() == ("foreground", None)
    assert story.wait(1).went() == ("timed_out", 15 + HOLD)


def sampled(story: Story) -> list[float]:
    return [story.seconds(sample.at_ms) for sample in story.processor.effects.samples]


@pytest.mark.parametrize(("gap", "last"), [(15, 10), (20, 20), (21, 20)])
def test_the_series_of_concurrency_shows_a_gap_from_its_beginning_to_its_end(
    gap: int, last: int
) -> None:
    story = busy(replace(BUSY, outage_gap_ms=gap * 1000)).beat("a").wait(60).beat("a").wait(11)
    assert sampled(story) == [*range(0, last + 1, 10), 60, 70]


def test_the_gap_is_one_where_a_jump_lies_within_it() -> None:
    story = busy().beat("a").wait(30).outage(25).wait(20).beat("a").wait(10)
    assert sampled(story) == [0, 10, 80]


# -- when it ends


@pytest.mark.parametrize(
    "end",
    [
        lambda story: story.beat("x", user="bob"),
        lambda story: story.connect("c9", "x", user="bob"),
        lambda story: story.renew("c9", "x", user="bob"),
        lambda story: story.logout("x", user="bob"),
    ],
)
def test_any_client_event_ends_it(end: Any) -> None:
    story = busy().beat("a").wait(600)
    assert outages(end(story)) == {("ticks_only", 15): 600}


@pytest.mark.parametrize(
    "event", [Tick(), Disconnect(user="ann", connection="c"), BadEvent("unknown kind", b"?")]
)
def test_nothing_else_ends_it(event: Event | BadEvent) -> None:
    story = busy().beat("a").wait(600)
    story.record(event)
    assert outages(story) == {("ticks_only", 15): None}


@pytest.mark.parametrize("restarted", [False, True])
def test_after_it_everyone_still_online_has_the_grace_to_reconnect(restarted: bool) -> None:
    story = busy(replace(BUSY, client_interval_ms=100_000))
    story.record(*(heartbeat("phone", user=f"user-{n}") for n in range(200)))
    story.beat("a").wait(600)
    if restarted:
        story.processor.restart()
    story.beat("x", user="bob")
    for _ in range(20):
        story.wait(RECONNECT_GRACE / 20 - 0.001).beat("x", user="bob")
    assert story.shown() == ("foreground", None)
    if restarted:
        story.processor.restart()
    assert story.wait(1).went() == ("timed_out", 600 + RECONNECT_GRACE)


def settle(story: Story, seconds: float) -> Story:
    """So many seconds in which clients are heard of."""
    end = story.now + seconds
    while story.now < end:
        story.now = min(story.now + 5, end)
        story.beat("x", user="bob")
    return story


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("lost_at", [5, 60, 269])
def test_a_grace_of_before_its_end_is_moved_by_it(lost_at: int, restarted: bool) -> None:
    story = busy().beat("x", user="bob").connect("c1")
    story.wait(lost_at).hang_up("c1").wait(600 - lost_at)
    if restarted:
        story.processor.restart()
    story.beat("x", user="bob")
    if restarted:
        story.processor.restart()
    assert settle(story, RECONNECT_GRACE - 1).shown() == ("foreground", None)
    assert settle(story, 1).went() == ("disconnected", 600 + RECONNECT_GRACE)


def test_who_was_silent_for_too_long_before_the_disconnect_goes_by_silence() -> None:
    story = busy().connect("c1").wait(OFFLINE_AFTER + 50).hang_up("c1").beat("x", user="bob")
    assert settle(story, RECONNECT_GRACE).went() == ("timed_out", 350 + RECONNECT_GRACE)


@pytest.mark.parametrize("restarted", [False, True])
def test_who_loses_the_last_socket_in_the_record_that_ends_it_is_kept_too(restarted: bool) -> None:
    story = busy().connect("c1").renew("c1").wait(100)
    story.record(Disconnect(user="ann", connection="c1"), heartbeat("x", user="bob"))
    if restarted:
        story.processor.restart()
    assert settle(story, RECONNECT_GRACE - 1).shown() == ("foreground", None)
    assert settle(story, 1).went() == ("timed_out", 100 + RECONNECT_GRACE)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_disconnect_of_the_same_instant_but_an_earlier_record_is_moved(restarted: bool) -> None:
    story = busy().connect("c1").wait(100).hang_up("c1").beat("x", user="bob")
    if restarted:
        story.processor.restart()
    assert settle(story, RECONNECT_GRACE - 1).shown() == ("foreground", None)
    assert settle(story, 1).went() == ("disconnected", 100 + RECONNECT_GRACE)


def test_who_was_heard_of_at_its_end_has_no_need_of_the_grace() -> None:
    story = busy().beat("a", "film").wait(100).beat("a", "Unknown")
    assert story.seconds(story.user()["expires_ms"]) == 100 + OFFLINE_AFTER
    assert story.reasons() == [("a", "started")]


def test_a_second_silence_is_another_outage() -> None:
    story = busy().beat("a").wait(60).beat("a").wait(60).beat("a")
    assert outages(story) == {("ticks_only", 15): 60, ("ticks_only", 75): 120}


def test_a_logout_at_its_end_signs_out_as_ever() -> None:
    story = busy().beat("a").wait(100)
    story.record(logout("a"))
    assert story.went() == ("logged_out", 100)


# -- with a jump


def test_a_jump_within_it_is_another_outage_and_ends_nothing() -> None:
    story = busy().beat("a").wait(20).outage(100).wait(5)
    assert outages(story) == {("ticks_only", 15): None, ("jump", 20): 120}
    assert outages(story.beat("a"))["ticks_only", 15] == 125


def test_a_jump_may_begin_at_the_record_at_which_it_begins() -> None:
    story = busy().beat("a").wait(15).outage(100)
    assert outages(story) == {("ticks_only", 15): None, ("jump", 15): 115}


def test_where_both_overlap_the_longer_hold_counts() -> None:
    story = busy().beat("a").wait(400).outage(HOLD - 300)
    # The hold from 15 s on was over at 915 s, that from 400 s on lasts to 1300 s.
    assert story.shown() == ("foreground", None)
    story = busy().beat("a").wait(400).outage(HOLD + 100)
    assert story.went() == ("timed_out", 400 + HOLD)


def test_a_jump_within_it_gives_its_grace_beyond_the_hold() -> None:
    story = busy().beat("a").wait(15 + HOLD - 50).outage(40).wait(RECONNECT_GRACE - 1)
    assert story.shown() == ("foreground", None)
    assert story.wait(1).went() == ("timed_out", 15 + HOLD - 10 + RECONNECT_GRACE)


def test_a_jump_begins_the_silence_anew() -> None:
    story = busy().beat("a").wait(10).outage(100).wait(14)
    assert outages(story) == {("jump", 10): 110}
    assert outages(story.wait(1)) == {("jump", 10): 110, ("ticks_only", 125): None}


def test_a_jump_that_a_client_event_ends_ends_both() -> None:
    story = busy().beat("a").wait(20)
    story.now = 100
    story.beat("x", user="bob")
    assert outages(story) == {("ticks_only", 15): 100, ("jump", 20): 100}
    assert settle(story, RECONNECT_GRACE).went() == ("timed_out", 100 + RECONNECT_GRACE)


# -- whoever goes on


def test_a_processor_that_starts_within_a_silence_goes_on_with_it() -> None:
    story = busy().beat("a").wait(10)
    story.processor.restart()
    assert outages(story.wait(5)) == {("ticks_only", 15): None}
    story.processor.restart()
    assert story.wait(500).shown() == ("foreground", None)
    story.processor.restart()
    assert outages(story.beat("a")) == {("ticks_only", 15): 515}


def test_it_is_seen_from_where_it_began() -> None:
    story = busy().beat("a").wait(100)
    assert story.processor.outages == {("ticks_only", START_MS + 15_000): None}


# -- at the bounds, by itself


def test_time_that_passes_as_long_as_it_may_is_no_outage() -> None:
    gap_ms = POLICY.outage_gap_ms
    assert passage(None, 0, gap_ms, POLICY, heard=True) == Passage()
    jump = passage(None, 0, gap_ms + 1, POLICY, heard=True)
    assert jump.outages == (Outage("jump", 0, gap_ms + 1),)
    assert jump.held_ms == POLICY.outage_hold_ms
    # Before the first record there was no time.
    assert passage(None, None, gap_ms, POLICY, heard=False, after_loss=True) == Passage()


def test_whoever_the_record_that_ends_an_outage_has_touched_has_no_grace_by_it() -> None:
    graces = [Grace(end_offset=7, until_ms=900), Grace(end_offset=9, until_ms=800)]
    assert granted_until_ms(6, graces) == 900
    assert granted_until_ms(7, graces) == 800
    assert granted_until_ms(9, graces) is None
