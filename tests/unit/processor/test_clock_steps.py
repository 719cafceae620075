"""The broker's clock was ahead and is put right, one sentence each (design, section 2)."""

from __future__ import annotations

from msgspec.structs import replace

from processor.core.effects import Effects
from processor.core.log.clock_steps import MAX_STEPS, ClockStep, moved_back, silence_moved_back
from processor.core.model import Device, Timer, User
from processor.core.outage import Silence
from schemas.log.events import Tick
from tests.unit.processor.presence_story import POLICY, START_MS, Story
from tests.unit.processor.test_outage import BUSY, busy, outages

HOUR = 3_600


def put_right(story: Story, seconds: float) -> Story:
    """The next record has a time that is as much earlier."""
    story.now -= seconds
    story.record(Tick())
    return story


def ahead() -> Story:
    """Half a minute of a clock that is an hour ahead; nobody was online before."""
    story = Story().wait(10)
    story.now += HOUR
    story.record(Tick())
    return story


def test_a_time_that_is_earlier_by_no_more_than_the_outage_gap_lets_log_time_stand() -> None:
    story = put_right(Story().beat("a").wait(60), 15)
    assert story.processor.log_time_ms == START_MS + 60_000
    assert story.processor.steps == []


def test_a_time_that_is_earlier_by_more_takes_log_time_back() -> None:
    story = put_right(Story().beat("a").wait(60), 15.001)
    assert story.processor.log_time_ms == START_MS + 44_999
    [step] = story.processor.steps
    assert (step.offset, step.back_ms) == (7, 15_001)


def test_silence_counts_from_when_a_phone_was_heard_of() -> None:
    """It was an hour of silence that nobody noticed while log time stood still."""
    story = put_right(ahead().beat("a").wait(30), HOUR)
    assert story.shown() == ("foreground", None)
    assert story.wait(260).shown() == ("foreground", None)
    assert story.wait(20).went() == ("timed_out", 10 + 300)


def test_nobody_goes_offline_by_the_step_itself() -> None:
    story = ahead().beat("a").wait(299)
    assert put_right(story, HOUR).shown() == ("foreground", None)


def test_a_fence_ends_when_it_would_have() -> None:
    story = put_right(ahead().beat("a", token="t1").logout("a", token="t1").wait(10), HOUR)
    story.beat("a", "home", token="t1")
    assert story.shown() == ("offline", None)
    assert story.wait(20).beat("a", "home", token="t1").shown() == ("foreground", "home")


def test_a_grace_ends_when_it_would_have() -> None:
    story = ahead().beat("a").outage(290)
    story = put_right(story.wait(20), HOUR)
    assert story.wait(170).shown() == ("foreground", None)
    assert story.wait(20).went() == ("timed_out", 10 + 290 + 200)


def test_the_device_that_changed_last_gives_the_users_screen_whatever_the_times_say() -> None:
    story = ahead().beat("a", "home").wait(1).beat("b", "cart").wait(10)
    assert put_right(story, HOUR).shown() == ("foreground", "cart")
    assert story.beat("a", "film").shown() == ("foreground", "film")


def test_what_has_happened_is_not_in_the_future() -> None:
    story = put_right(ahead().beat("b", "home").beat("a", "cart").wait(10), HOUR)
    row = story.user()
    now = story.processor.log_time_ms or 0
    assert row["changed_ms"] == row["online_since_ms"] == now - 1
    # Both changed at one instant: then the smaller name counts, as ever.
    assert row["device"] == "a"


def test_an_outage_that_lasts_does_not_end_before_it_began() -> None:
    story = busy(replace(BUSY, offline_after_ms=600_000)).beat("a").wait(20)
    assert outages(story) == {("ticks_only", 15): None}
    put_right(story, 16)
    assert outages(story) == {("ticks_only", 15): 20, ("ticks_only", 4): None}
    story.now += 1
    assert outages(story.beat("a"))["ticks_only", 4] == 5


def test_a_clock_that_steps_back_time_and_again_costs_no_memory() -> None:
    story = Story(POLICY)
    for _ in range(MAX_STEPS + 5):
        story.outage(20)
        put_right(story, 16)
    assert len(story.processor.steps) == MAX_STEPS


def test_what_is_counted_before_log_time_is_where_it_was_is_late() -> None:
    """Rollups of these quarter-hours may have been made already."""
    story = put_right(ahead().beat("a", "home").wait(30), HOUR)
    now = story.wait(20).processor.log_time_ms or 0
    quarters = {quarter for quarter, _ in story.processor.effects.windows.late_quarters}
    assert quarters == {now - now % 900_000}


STEP = ClockStep(offset=7, from_ms=120_000, to_ms=90_000)


def test_a_silence_and_its_hold_move_back_and_an_outage_begins_anew() -> None:
    moved = silence_moved_back(Silence(100_000, 3, outage_ms=110_000, held_ms=200_000), STEP)
    assert moved == Silence(70_000, 3, outage_ms=90_000, held_ms=170_000)
    assert silence_moved_back(Silence(100_000, 3), STEP) == Silence(70_000, 3, held_ms=-30_000)


def test_a_timer_beat_before_the_new_log_time() -> None:
    def beat_ms(at_ms: int) -> int:
        timer = Timer(beats=2, period_ms=30_000, runs_on=True, beat_ms=at_ms)
        phone = Device("a", "background", "started", 50_000, 50_000, 150_000, timer=timer)
        [device] = moved_back(
            User("ann", "background", "started", 50_000, devices=(phone,)), STEP
        ).devices
        assert device.timer is not None
        assert replace(device.timer, beat_ms=at_ms) == timer
        return device.timer.beat_ms

    assert (beat_ms(80_000), beat_ms(110_000)) == (80_000, 89_999)


def test_devices_keep_the_order_of_their_changes_and_of_their_signs_of_life() -> None:
    devices = tuple(
        Device(name, "foreground", "started", changed_ms, heard_ms, 300_000)
        for name, changed_ms, heard_ms in (
            ("a", 110_000, 100_000),
            ("b", 100_000, 119_000),
            ("c", 110_000, 110_000),
            ("d", 50_000, 60_000),
        )
    )
    moved = moved_back(User("ann", "foreground", "started", 110_000, devices=devices), STEP)
    assert [(device.changed_ms, device.last_active_ms) for device in moved.devices] == [
        (89_999, 89_997),
        (89_998, 89_999),
        (89_999, 89_998),
        (50_000, 60_000),
    ]


def test_of_two_steps_in_a_batch_the_rows_of_before_either_are_to_be_written() -> None:
    user = User("ann", "offline", "timed_out", 50_000)
    effects = Effects(touched={"ann": 3})
    effects.step_back(STEP, {"ann": user})
    effects.touched["bob"] = 8
    effects.step_back(replace(STEP, offset=9), {"ann": user, "bob": replace(user, user_id="bob")})
    assert {name: offset for name, (_, offset) in effects.settled.items()} == {"ann": 3, "bob": 8}
