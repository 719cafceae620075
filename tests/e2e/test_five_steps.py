"""The five steps of an integration through `rollcall up`'s real processes, with short windows.

A test has users of its own. What it waits for is a condition of the answers; time that must pass is
log time. Kafka's outage comes last: its grace keeps everybody online for longer.
"""

from __future__ import annotations

import signal
import time
from datetime import timedelta

import pytest

from tests.e2e.driver import (
    BACKGROUND,
    BARE_UNKNOWN,
    FRONT,
    KAFKA,
    PROCESSOR,
    UNKNOWN,
    Phone,
    Stack,
    at,
)
from tests.e2e.stacks import SHORT_FENCE_SECONDS as FENCE_SECONDS
from tests.e2e.stacks import SHORT_OFFLINE_AFTER_SECONDS as OFFLINE_AFTER_SECONDS
from tests.rigs.rig import wait_for


@pytest.fixture(scope="module")
def stack(short_stack: Stack) -> Stack:
    return short_stack


def assert_silent_for_offline_after(user: dict[str, str]) -> None:
    """Offline since the deadline, not since somebody noticed."""
    silence = at(user["offline_since"]) - at(user["last_active"])
    assert silence == timedelta(seconds=OFFLINE_AFTER_SECONDS)


def test_the_five_steps_with_the_processor_killed_in_the_middle(stack: Stack) -> None:
    phone = Phone(stack)
    assert phone.show("Home") == 200
    started = stack.shows(phone, "foreground", "Home")
    wait_for(
        "the count agrees with the list",
        lambda: phone.user in (online := stack.online()) and stack.count()["count"] == len(online),
    )

    assert phone.show("Cart") == 200
    killed = stack.process(PROCESSOR)
    killed.kill()
    # Longer than offline_after, perhaps: Kafka waits for the dead one's session to time out.
    stack.settle(meanwhile=lambda: phone.beat(UNKNOWN))
    assert stack.process(PROCESSOR).pid != killed.pid
    navigated = stack.shows(phone, "foreground", "Cart")
    assert navigated["last_active"] > started["last_active"]
    assert navigated["online_since"] == started["online_since"]

    assert phone.beat(BACKGROUND) == 200
    stack.shows(phone, "background", "Cart")
    timed_out = stack.shows(phone, "offline")
    assert timed_out["reason"] == "timed_out"
    assert_silent_for_offline_after(timed_out)
    assert phone.user not in stack.online()

    assert phone.show("Home") == 200
    stack.shows(phone, "foreground", "Home")
    assert phone.log_out() == 200
    logged_out = stack.shows(phone, "offline")
    assert logged_out["reason"] == "logged_out"
    # The old token is still accepted, but it is no login.
    send_late_beats(phone)

    phone.take_new_token()
    assert phone.show("Home") == 200
    back = stack.shows(phone, "foreground", "Home")
    assert back["reason"] == "started"
    assert back["online_since"] > logged_out["offline_since"]
    assert stack.history(phone) == [
        ("started", "Home"),
        ("navigated", "Cart"),
        ("backgrounded", "Cart"),
        ("timed_out", None),
        ("started", "Home"),
        ("logged_out", None),
        ("started", "Home"),
    ]


def test_unknown_in_the_background_is_the_foreground_on_the_old_screen(stack: Stack) -> None:
    phone = Phone(stack)
    phone.show("Film")
    phone.beat(BACKGROUND)
    stack.shows(phone, "background", "Film")
    phone.beat(UNKNOWN)
    assert stack.shows(phone, "foreground", "Film")["reason"] == "resumed"


def test_two_phones_of_one_user_are_two_devices_and_one_logs_out(stack: Stack) -> None:
    first = Phone(stack)
    second = Phone(stack, first.user)
    for phone in (first, second):
        assert phone.beat(UNKNOWN) == 200
    assert first.show("Home") == 200
    assert second.show("Cart") == 200
    assert stack.shows(first, "foreground", "Cart")["device_count"] == 2
    assert first.log_out() == 200
    assert second.beat(UNKNOWN) == 200
    stack.settle(meanwhile=lambda: second.beat(UNKNOWN))
    seen = stack.user(first)
    assert (seen["state"], seen["screen"], seen["device_count"]) == ("foreground", "Cart", 1)


def test_late_beats_of_a_logged_out_token_do_not_undo_the_logout(stack: Stack) -> None:
    phone = Phone(stack)
    phone.show("Home")
    stack.shows(phone, "foreground", "Home")
    phone.log_out()
    assert_late_beats_stay_offline(stack, phone)
    # They were heard, and the fence was over: what names a screen is a login.
    assert phone.show("Home") == 200
    stack.shows(phone, "foreground", "Home")


def test_a_logout_with_a_token_refreshed_since_the_last_heartbeat_is_offline(stack: Stack) -> None:
    phone = Phone(stack)
    phone.show("Home")
    stack.shows(phone, "foreground", "Home")
    beaten_with = phone.token
    phone.take_new_token()
    phone.log_out()
    assert phone.beat(BACKGROUND, token=beaten_with) == 200
    assert phone.beat(UNKNOWN, token=beaten_with) == 200
    assert stack.shows(phone, "offline")["reason"] == "logged_out"
    assert_late_beats_stay_offline(stack, phone)


def assert_late_beats_stay_offline(stack: Stack, phone: Phone) -> None:
    """The beats of the sample's life-cycle observer, with the token that logged out."""
    send_late_beats(phone)
    stack.settle(seconds=FENCE_SECONDS)
    send_late_beats(phone)
    stack.settle()
    assert stack.user(phone)["state"] == "offline"
    assert stack.history(phone) == [("started", "Home"), ("logged_out", None)]


def send_late_beats(phone: Phone) -> None:
    for body in (BACKGROUND, UNKNOWN, BARE_UNKNOWN):
        assert phone.beat(body) == 200


def test_a_frozen_processor_makes_the_count_stale_and_nobody_falsely_offline(stack: Stack) -> None:
    beating, silent = Phone(stack), Phone(stack)
    for phone in (beating, silent):
        phone.show("Home")
        stack.shows(phone, "foreground", "Home")
    wait_for("the count is fresh", lambda: not stack.count()["stale"])
    processor = stack.process(PROCESSOR)
    processor.send_signal(signal.SIGSTOP)
    try:
        wait_for(
            "the count is stale",
            lambda: beating.beat(UNKNOWN) == 200 and stack.count()["stale"],
        )
    finally:
        processor.send_signal(signal.SIGCONT)
    stack.settle(meanwhile=lambda: beating.beat(UNKNOWN))
    wait_for(
        "the count is fresh again",
        lambda: beating.beat(UNKNOWN) == 200 and not stack.count()["stale"],
    )
    # Longer than offline_after went by, but its heartbeats were waiting in the log.
    assert stack.history(beating) == [("started", "Home")]
    assert stack.user(beating)["state"] == "foreground"
    assert stack.history(silent) == [("started", "Home"), ("timed_out", None)]
    assert_silent_for_offline_after(stack.user(silent))


def test_a_killed_kafka_loses_nothing_that_was_accepted(stack: Stack) -> None:
    phone = Phone(stack)
    screens = [f"Page {number}" for number in range(10)]
    for screen in screens:
        assert phone.show(screen) == 200
    front, killed = stack.process(FRONT), stack.process(KAFKA)
    killed.kill()
    wait_for("Kafka is started again", lambda: stack.process(KAFKA).pid != killed.pid)
    wait_for("ingest answers 200 again", lambda: phone.show("Back") == 200)
    stack.shows(phone, "foreground", "Back", meanwhile=lambda: phone.beat(UNKNOWN))
    changes = stack.history(phone)
    named = [screen for reason, screen in changes if reason in ("started", "navigated")]
    assert named == [*screens, "Back"]
    assert stack.process(FRONT).pid == front.pid


def test_a_hanging_kafka_is_a_503_and_puts_nobody_offline(stack: Stack) -> None:
    phone, waiting = Phone(stack), Phone(stack)
    for each in (phone, waiting):
        assert each.show("Home") == 200
        stack.shows(each, "foreground", "Home")
    front, kafka = stack.process(FRONT), stack.process(KAFKA)
    kafka.send_signal(signal.SIGSTOP)
    hangs_until = time.monotonic() + OFFLINE_AFTER_SECONDS + 1
    try:
        wait_for("ingest answers 503", lambda: phone.beat(UNKNOWN) == 503)
        wait_for("offline_after has passed", lambda: time.monotonic() >= hangs_until)
        assert phone.beat(UNKNOWN) == 503
    finally:
        kafka.send_signal(signal.SIGCONT)
    wait_for("ingest answers 200 again", lambda: phone.beat(UNKNOWN) == 200)
    stack.settle()
    for each in (phone, waiting):
        assert stack.user(each)["state"] == "foreground"
        assert stack.history(each) == [("started", "Home")]
    # It was the outage that kept the one who could not be heard.
    assert stack.select(
        'SELECT 1 FROM outages JOIN presence USING ("partition")'
        " WHERE user_id = %s AND ended_at - started_at > make_interval(secs => %s)",
        waiting.user,
        OFFLINE_AFTER_SECONDS,
    )
    assert stack.process(FRONT).pid == front.pid
