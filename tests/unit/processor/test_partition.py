"""How time passes in a partition and what its records do, one sentence each (promises 3 and 4)."""

from __future__ import annotations

from typing import Any

import pytest

import processor.core.partition
from processor.core.effects import TIME_PASSED, Effects, Record
from processor.core.model import Policy
from processor.core.partition import Partition
from schemas.log.events import BadEvent, Logout, Tick, partition_of
from tests.unit.processor.presence_logs import Written
from tests.unit.processor.presence_story import POLICY, START_MS, Story, heartbeat, logout

HOLD_SECONDS, GRACE_SECONDS = 900, 200


def places(story: Story) -> list[tuple[int, int, int, str]]:
    return [
        (change.offset, change.index, change.ordinal, change.changed.device)
        for change in story.processor.changes
    ]


# -- log time


def test_log_time_never_goes_back() -> None:
    story = Story().beat("a").wait(60)
    story.record(heartbeat("a"), at=50)
    assert story.seconds(story.user()["last_active_ms"]) == 60
    assert story.processor.log_time_ms == START_MS + 60_000


def test_records_of_one_instant_are_applied_in_the_order_of_the_log() -> None:
    story = Story().beat("a", "home").beat("a", "cart").beat("a", "background")
    assert story.shown() == ("background", "cart")
    assert places(story) == [(0, 0, 0, "a"), (1, 0, 0, "a"), (2, 0, 0, "a")]


def test_a_late_processor_expires_nobody_whose_heartbeats_wait_in_the_log() -> None:
    log = [
        Written(START_MS + seconds * 1000, (heartbeat("a") if seconds % 90 == 0 else Tick(),))
        for seconds in range(0, 3600, 10)
    ]
    story = Story()
    story.processor.batch(log)
    assert story.reasons() == [("a", "started")]


def test_without_records_nobody_goes_offline() -> None:
    story = Story().beat("a")
    story.processor.restart()
    assert story.shown() == ("foreground", None)


# -- expiry


def test_expiries_come_before_the_events_of_the_record_that_brings_the_time() -> None:
    story = Story().beat("a").wait(290)
    story.now = 300
    story.record(heartbeat("b"), heartbeat("a"))
    offset = story.processor.next_offset - 1
    assert places(story)[1:] == [
        (offset, TIME_PASSED, 0, "a"),
        (offset, 0, 0, "b"),
        (offset, 1, 0, "a"),
    ]


def test_expiries_of_a_record_are_ordered_by_deadline_user_and_device() -> None:
    story = Story()
    story.record(heartbeat("z"), heartbeat("y", user="bob"), heartbeat("x"))
    story.now = 1
    story.record(heartbeat("w", user="aaron"))
    story.wait(298)
    story.now = 305
    story.record(Tick())
    expired = [c for c in story.processor.changes if c.index == TIME_PASSED]
    assert [(c.ordinal, c.changed.user_id, c.changed.device) for c in expired] == [
        (0, "ann", "x"),
        (1, "ann", "z"),
        (2, "bob", "y"),
        (3, "aaron", "w"),
    ]
    assert [story.seconds(c.changed.at_ms) for c in expired] == [300, 300, 300, 301]


def test_an_undecodable_record_is_rejected_whole_but_its_time_has_come() -> None:
    story = Story().beat("a").wait(295)
    story.processor.batch([Written(START_MS + 301_000, None)])
    assert story.shown() == ("offline", None)
    assert story.processor.rejected == [(story.processor.next_offset - 1, None)]


# -- outages


def test_fifteen_seconds_of_silence_are_no_outage_and_a_millisecond_more_is_one() -> None:
    assert Story().beat("a").outage(15).processor.outages == {}
    story = Story().beat("a").outage(15.001)
    assert story.processor.outages == {("jump", START_MS): START_MS + 15_001}


def test_the_first_record_ends_no_outage() -> None:
    assert Story().beat("a").processor.outages == {}


def test_nobody_goes_offline_during_an_outage() -> None:
    story = Story().beat("a", "home").wait(200).outage(600)
    assert story.shown() == ("foreground", "home")
    assert story.reasons() == [("a", "started")]


def test_after_an_outage_everyone_has_the_grace_to_reconnect() -> None:
    story = Story().beat("a").wait(200).outage(600).wait(GRACE_SECONDS - 1)
    assert story.shown() == ("foreground", None)
    story.wait(1)
    assert story.user()["reason"] == "timed_out"
    assert story.seconds(story.user()["changed_ms"]) == 200 + 600 + GRACE_SECONDS


def test_who_reconnects_within_the_grace_has_never_been_offline() -> None:
    story = Story().beat("a", "film").wait(200).outage(600).wait(190).beat("a", "Unknown")
    assert story.wait(299).shown() == ("foreground", "film")
    assert story.reasons() == [("a", "started")]


def test_grace_never_shortens_a_deadline() -> None:
    story = Story().beat("a").outage(20).wait(279)
    assert story.shown() == ("foreground", None)
    story.wait(1)
    assert story.seconds(story.user()["changed_ms"]) == 300


def test_grace_is_for_those_who_were_online_before_the_end_alone() -> None:
    short = Policy(60_000, 30_000, 200_000)
    story = Story(short).beat("a").outage(50)
    story.beat("b").wait(60)
    assert story.device("a") == ("foreground", None)
    assert story.device("b") == ("offline", None)


def test_after_the_hold_an_outage_no_longer_protects() -> None:
    story = Story().beat("a").wait(100).outage(HOLD_SECONDS + 60)
    assert story.shown() == ("offline", None)
    assert story.seconds(story.user()["changed_ms"]) == 100 + HOLD_SECONDS


def test_an_outage_as_long_as_the_hold_protects_to_its_last_instant() -> None:
    assert Story().beat("a").outage(HOLD_SECONDS - 0.001).shown() == ("foreground", None)
    assert Story().beat("a").outage(HOLD_SECONDS).shown() == ("offline", None)


def test_a_deadline_after_the_hold_is_not_brought_forward() -> None:
    patient = Policy(1_000_000, 30_000, 200_000)
    story = Story(patient).beat("a").outage(1_100)
    assert story.seconds(story.user()["changed_ms"]) == 1_000


def test_a_second_outage_within_the_grace_gives_another() -> None:
    story = Story().beat("a").wait(200).outage(600).wait(100).outage(60).wait(GRACE_SECONDS - 1)
    assert story.shown() == ("foreground", None)
    assert story.wait(1).seconds(story.user()["changed_ms"]) == 960 + GRACE_SECONDS


def test_the_grace_reaches_those_who_are_loaded_after_the_outage() -> None:
    story = Story().beat("a").wait(200).outage(600)
    story.processor.restart()
    assert story.wait(GRACE_SECONDS - 1).shown() == ("foreground", None)
    story.processor.restart()
    assert story.wait(1).shown() == ("offline", None)
    assert story.seconds(story.user()["changed_ms"]) == 800 + GRACE_SECONDS


def test_grace_is_forgotten_once_it_is_over() -> None:
    story = Story().beat("a").outage(20)
    assert story.wait(GRACE_SECONDS - 1).processor.graces != b"[]"
    assert story.wait(1).processor.graces == b"[]"


# -- another policy


def test_another_policy_holds_for_what_comes_after_it() -> None:
    story = Story().beat("a").beat("b")
    story.processor.restart(Policy(60_000, 30_000, 200_000))
    story.wait(10).beat("b").wait(60)
    assert story.device("b") == ("offline", None)
    assert story.device("a") == ("foreground", None)


# -- rejects


def test_a_bad_event_is_rejected_alone() -> None:
    story = Story()
    story.record(heartbeat("a"), BadEvent("unknown kind", b"?"), heartbeat("b"))
    assert set(story.devices()) == {"a", "b"}
    assert story.processor.rejected == [(0, 1)]


def test_an_event_that_the_database_refuses_is_not_tried() -> None:
    story = Story()
    story.processor.batch(
        [Written(START_MS, (heartbeat("a"), heartbeat("b")), refused=frozenset({1}))]
    )
    assert set(story.devices()) == {"a"}
    assert story.processor.rejected == [(0, 1)]


@pytest.mark.parametrize("reducer", ["apply_heartbeat", "apply_logout"])
def test_an_event_that_fails_leaves_no_trace(reducer: str, monkeypatch: Any) -> None:
    story = Story().beat("a", "home").beat("b")
    before = story.user()

    def fail(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    with monkeypatch.context() as broken:
        broken.setattr(processor.core.partition, reducer, fail)
        story.record(heartbeat("a") if reducer == "apply_heartbeat" else logout("a"))
    assert story.user() == before
    assert story.processor.rejected == [(2, 0)]
    assert story.beat("a", "cart").device("a") == ("foreground", "cart")


def test_an_event_of_another_partitions_user_is_rejected() -> None:
    partition = Partition(0, 2, POLICY, next_offset=7)
    effects = Effects()
    ours, theirs = sorted(("ann", "bob"), key=lambda user: partition_of(user, 2))
    assert partition_of(theirs, 2) == 1
    events = (heartbeat("a", user=theirs), Logout(user=theirs, token="t"), heartbeat(user=ours))
    partition.apply(Record(7, START_MS, events), effects)
    assert set(partition.users) == {ours}
    assert effects.touched == {ours: 7}
    assert [(reject.offset, reject.index) for reject in effects.rejects] == [(7, 0), (7, 1)]
    assert partition.next_offset == 8


# -- memory


def test_counts_are_of_users_in_their_best_state() -> None:
    story = Story().beat("a").beat("b").beat("a", user="bob", app_state="paused")
    story.beat("a", user="cem").logout("a", user="cem")
    assert story.processor.counts[-1] == (1, 1)
    assert story.wait(301).processor.counts[-1] == (0, 0)


def test_memory_holds_nobody_who_is_offline() -> None:
    story = Story().beat("a").beat("a", user="bob").logout("a")
    memory = story.processor.memory
    assert memory is not None
    assert set(memory.users) == {"bob"}
    story.wait(301)
    assert memory.users == {}


def test_what_does_not_count_is_rejected_with_its_place_its_bytes_and_its_cause() -> None:
    of_another = next(f"u{n}" for n in range(99) if partition_of(f"u{n}", 2) == 1)
    ours = next(f"u{n}" for n in range(99) if partition_of(f"u{n}", 2) == 0)
    lost, refused = heartbeat("a", user=of_another), heartbeat("a", user=ours)
    partition, effects = Partition(0, 2, POLICY, next_offset=0), Effects()
    events = (BadEvent("no such kind", b"??"), lost, refused, heartbeat("b", user=ours))
    partition.apply(Record(0, START_MS, events, refused={2: "no such text"}), effects)
    partition.skip(1, "no msgpack", b"!", START_MS, effects)
    assert [(r.offset, r.index, r.raw, r.cause) for r in effects.rejects] == [
        (0, 0, b"??", "bad_event"),
        (0, 1, repr(lost).encode(), "wrong_partition"),
        (0, 2, repr(refused).encode(), "refused"),
        (1, None, b"!", "undecodable"),
    ]
    assert [device.device for device in partition.users[ours].devices] == ["b"]


def test_whom_the_database_refuses_to_let_go_is_tried_again_offline_after_later() -> None:
    partition, effects = Partition(0, 1, POLICY, next_offset=0), Effects()

    def tick(seconds: int) -> int:
        """How many have gone offline by then."""
        at_ms = START_MS + 1_000 * seconds
        partition.apply(Record(partition.next_offset, at_ms, (Tick(),)), effects)
        return sum(change.changed.state == "offline" for change in effects.changes)

    partition.apply(Record(0, START_MS, (heartbeat("a"),)), effects)
    tick(290)
    partition.put_off("ann", START_MS + 300_000)
    partition.put_off("nobody", START_MS + 300_000)
    assert [tick(seconds) for seconds in (*range(300, 600, 10), 600)] == [0] * 30 + [1]
    partition.put_off("ann", START_MS + 600_000)
    assert partition.users["ann"].state == "offline"
