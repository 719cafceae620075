"""The rules of sockets, one sentence each (design, section 4; promises 3 and 5)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from processor.core.model import MAX_CONNECTIONS
from tests.unit.processor.presence_story import START_MS, Story, beats

FOREGROUND, BACKGROUND, OFFLINE = "foreground", "background", "offline"
OFFLINE_AFTER, GRACE, RECONNECT_GRACE = 300, 30, 200


# -- connections of a device


@pytest.mark.parametrize(
    "open_one",
    [
        lambda story: story.connect("c1"),
        lambda story: story.beat("a", "home", connection="c1"),
        lambda story: story.beat("a", "home").renew("c1"),
    ],
)
def test_any_event_of_a_socket_that_counts_opens_its_connection(open_one: Any) -> None:
    assert open_one(Story()).connections("a") == ["c1"]


def test_an_event_of_a_remembered_connection_is_of_its_device_whatever_it_names() -> None:
    story = Story().connect("c1", "a", screen="home").beat("b", "cart", connection="c1")
    story.connect("c1", None, token="t2", screen="film").renew("c1", "b", token="t3")
    assert set(story.devices()) == {"a"}
    assert story.device("a") == (FOREGROUND, "film")


@pytest.mark.parametrize(
    ("naming", "device"),
    [
        ({"device_id": "id", "claimed_device": "claim", "device_info": "Pixel"}, "id"),
        ({"claimed_device": "claim", "device_info": "Pixel"}, "claim"),
        ({"device_info": "Pixel"}, "Pixel"),
        ({}, "seen"),
        ({"token": "never seen"}, "default"),
    ],
)
def test_an_event_of_an_unknown_connection_goes_by_what_it_names(
    naming: dict[str, str], device: str
) -> None:
    naming = {**naming}
    story = Story().beat("seen")
    story.connect("c1", naming.pop("device_id", None), **naming)
    assert story.connections(device) == ["c1"]


def test_a_connection_of_one_user_means_nothing_to_another() -> None:
    story = Story().connect("c1", "a").connect("c1", "b", user="bob").hang_up("c1")
    assert story.connections("a") == []
    assert story.connections("b", "bob") == ["c1"]


def test_of_nine_connections_the_least_recently_seen_goes() -> None:
    story = Story()
    for number in range(MAX_CONNECTIONS):
        story.connect(f"c{number}").wait(1)
    story.renew("c0").connect("new")
    assert story.connections() == [*(f"c{n}" for n in range(2, MAX_CONNECTIONS)), "c0", "new"]


def test_a_connection_not_seen_for_offline_after_is_forgotten() -> None:
    story = Story().connect("c1").wait(200).beat("a").wait(99)
    assert story.connections() == ["c1"]
    story.wait(1).hang_up("c1")
    assert story.connections() == []
    assert story.verdicts()[-1] == "ignored"
    assert story.beat("b", connection="c1").connections("b") == ["c1"]


@pytest.mark.parametrize(
    "refresh",
    [
        lambda story: story.connect("c1"),
        lambda story: story.beat("a", connection="c1"),
        lambda story: story.renew("c1"),
    ],
)
def test_every_event_of_a_connection_refreshes_it(refresh: Any) -> None:
    story = refresh(Story().connect("c1").wait(200)).beat("a").wait(299)
    assert story.connections() == ["c1"]


def test_all_connections_are_forgotten_when_the_session_ends() -> None:
    story = Story().connect("c1").renew("c2").wait(OFFLINE_AFTER).beat("a", "home")
    assert story.connections() == []
    assert story.beat("b", connection="c1").connections("b") == ["c1"]


def test_connections_outlive_the_memory_of_a_processor() -> None:
    story = Story().connect("c1", "a").connect("c2", "a").connect("c3", "b")
    story.processor.restart()
    assert (story.connections("a"), story.connections("b")) == (["c1", "c2"], ["c3"])
    assert story.beat(None, "cart", connection="c3").device("b") == (FOREGROUND, "cart")


# -- connect


def test_a_connect_is_a_heartbeat_in_the_foreground() -> None:
    story = Story().connect("c1", screen="home", app_version="1.0", name="Ann")
    assert story.shown() == (FOREGROUND, "home")
    row = story.user()
    assert (row["app_version"], row["name"], row["reason"]) == ("1.0", "Ann", "started")
    assert story.seconds(row["expires_ms"]) == OFFLINE_AFTER


@pytest.mark.parametrize("said", [{"screen": "background"}, {"app_state": "paused"}])
def test_a_connect_that_says_background_is_in_the_background(said: dict[str, str]) -> None:
    assert Story().connect("c1", **said).shown() == (BACKGROUND, None)


def test_a_connect_brings_a_backgrounded_device_to_the_foreground() -> None:
    story = Story().beat("a", "film").beat("a", "background").connect("c1")
    assert story.shown() == (FOREGROUND, "film")


@pytest.mark.parametrize("said", [{}, {"screen": "Unknown"}, {"screen": "background"}])
def test_after_the_fence_a_connect_opens_a_session_whatever_it_says(said: dict[str, str]) -> None:
    story = Story().beat("a", "home").logout("a").wait(30)
    assert story.beat("a", **said).shown() == (OFFLINE, None)
    assert story.connect("c1", **said).shown()[0] != OFFLINE


def test_within_the_fence_a_connect_is_ignored() -> None:
    story = Story().beat("a", "home").logout("a").wait(29.999).connect("c1", screen="home")
    assert story.shown() == (OFFLINE, None)
    assert story.verdicts()[-1] == "fenced"


# -- renewal


def test_a_renewal_extends_a_device_in_the_foreground() -> None:
    story = Story().connect("c1", screen="home")
    for _ in range(10):
        story.wait(90).renew("c1")
    assert story.shown() == (FOREGROUND, "home")
    assert story.reasons() == [("a", "started")]
    assert story.wait(OFFLINE_AFTER).went() == ("timed_out", 900 + OFFLINE_AFTER)


def test_a_renewal_does_not_extend_a_device_in_the_background() -> None:
    story = Story().connect("c1").wait(10).beat("a", "background", connection="c1")
    for _ in range(3):
        story.wait(90).renew("c1")
    assert story.seconds(story.user()["last_active_ms"]) == 280
    assert story.wait(90).went() == ("timed_out", 10 + OFFLINE_AFTER)


def test_the_background_frames_of_an_app_do_extend_it() -> None:
    story = Story().connect("c1", screen="background")
    for _ in range(5):
        story.wait(200).beat("a", "background", connection="c1")
    assert story.shown() == (BACKGROUND, None)


def test_a_renewal_changes_nothing_that_is_shown() -> None:
    story = Story().connect("c1", screen="home", app_version="1", platform="ios", name="Ann")
    before = story.user()
    after = story.wait(90).renew("c1").user()
    assert {name for name in after if after[name] != before[name]} == {
        "last_active_ms",
        "expires_ms",
        "sockets",
        "log_offset",
    }


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda story: story.wait(OFFLINE_AFTER), "timed_out"),
        (lambda story: story.hang_up("c1").wait(GRACE), "disconnected"),
    ],
)
def test_a_renewal_takes_up_a_session_that_was_cut_off_in_the_foreground(
    end: Any, reason: str
) -> None:
    story = end(Story().connect("c1", screen="home"))
    assert story.went()[0] == reason
    story.processor.restart()
    story.renew("c2")
    assert story.shown() == (FOREGROUND, None)
    assert story.user()["reason"] == "started"
    assert story.user()["online_since_ms"] == story.user()["changed_ms"]
    assert story.connections() == ["c2"]


@pytest.mark.parametrize(
    "end",
    [
        lambda story: story.beat("a", "background").wait(OFFLINE_AFTER),
        lambda story: story.connect("c1", screen="background").hang_up("c1").wait(OFFLINE_AFTER),
        lambda story: story.logout("a").wait(30),
        lambda story: story.wait(OFFLINE_AFTER).logout("a").wait(30),
    ],
)
def test_a_renewal_opens_no_other_session(end: Any) -> None:
    story = end(Story().beat("a", "home"))
    before = story.user()
    story.renew("c1", token="t2")
    assert story.user() == before
    assert story.verdicts()[-1] == "ignored"


def test_a_renewal_of_an_unknown_device_or_user_does_nothing() -> None:
    story = Story().beat("a").renew("c1", "b").renew("c2", user="bob")
    assert set(story.devices()) == {"a"}
    assert set(story.processor.stored()) == {"ann"}
    assert story.verdicts()[-2:] == ["ignored", "ignored"]


def test_a_renewal_of_an_evicted_device_does_nothing() -> None:
    story = Story().connect("c1", "a").wait(1)
    story.record(*beats(16))
    assert "a" not in story.renew("c1").devices()


def test_a_new_session_forgets_how_the_last_one_ended() -> None:
    story = Story().beat("a").wait(OFFLINE_AFTER).beat("a", "background").wait(OFFLINE_AFTER)
    assert story.renew("c1").shown() == (OFFLINE, None)


def test_a_renewal_brings_the_devices_token() -> None:
    story = Story().connect("c1", token="old").connect("c2", "b", token="other")
    story.renew("c1", token="new")
    assert story.devices()["a"]["token"] == "new"
    assert story.beat(None, "cart", token="new").device("a") == (FOREGROUND, "cart")
    story.logout(None, token="new")
    assert story.device("a") == (OFFLINE, None)
    assert story.device("b") == (FOREGROUND, None)


def test_a_renewal_obeys_the_fence() -> None:
    story = Story().beat("b").wait(OFFLINE_AFTER).connect("c1", "a").logout("a").wait(29)
    story.renew("c2", "b")
    assert story.verdicts()[-1] == "fenced"
    assert story.wait(1).renew("c2", "b").device("b") == (FOREGROUND, None)


def test_a_renewal_of_a_device_that_the_logout_left_online_counts() -> None:
    story = Story().connect("c1", "a").connect("c2", "b").logout("a").wait(20).renew("c2")
    assert story.seconds(story.devices()["b"]["last_active_ms"]) == 20


# -- disconnect


def test_a_disconnect_of_an_unknown_connection_is_ignored() -> None:
    story = Story().connect("c1").hang_up("c2").hang_up("c1", user="bob")
    assert story.verdicts()[-2:] == ["ignored", "ignored"]
    assert story.wait(GRACE).shown() == (FOREGROUND, None)


@pytest.mark.parametrize("state", [FOREGROUND, BACKGROUND])
def test_when_the_last_connection_is_lost_the_device_is_offline_after_the_grace(state: str) -> None:
    story = Story().connect("c1", app_state=state).wait(100).hang_up("c1").wait(GRACE - 0.001)
    assert story.shown() == (state, None)
    assert story.wait(1).went() == ("disconnected", 100 + GRACE)


def test_a_disconnect_is_no_sign_of_life() -> None:
    story = Story().connect("c1").wait(100).hang_up("c1")
    assert story.seconds(story.user()["last_active_ms"]) == 0


def test_a_device_with_another_open_connection_has_lost_nothing() -> None:
    story = Story().connect("c1").connect("c2").wait(100).hang_up("c1").wait(199)
    assert story.shown() == (FOREGROUND, None)
    assert story.wait(1).went() == ("timed_out", OFFLINE_AFTER)


def test_connections_that_were_not_seen_for_offline_after_do_not_count() -> None:
    story = Story().connect("dead")
    for _ in range(4):
        story.wait(90).connect("c1")
    assert story.hang_up("c1").wait(GRACE).went() == ("disconnected", 360 + GRACE)


def test_a_disconnect_by_the_server_removes_the_connection_and_starts_no_grace() -> None:
    story = Story().connect("c1").wait(100).hang_up("c1", by_server=True)
    assert story.connections() == []
    assert story.wait(200).went() == ("timed_out", OFFLINE_AFTER)


def test_a_device_is_never_offline_before_its_last_http_heartbeat_is_too_old() -> None:
    story = Story().beat("a").wait(90).connect("c1").wait(90).renew("c1").hang_up("c1")
    assert story.wait(119).shown() == (FOREGROUND, None)
    assert story.wait(1).went() == ("disconnected", OFFLINE_AFTER)


def test_an_http_heartbeat_beside_the_socket_keeps_the_device_as_ever() -> None:
    story = Story().connect("c1").wait(90).beat("a").wait(10).hang_up("c1").wait(289)
    assert story.shown() == (FOREGROUND, None)
    assert story.wait(1).went() == ("timed_out", 90 + OFFLINE_AFTER)


def test_the_http_heartbeats_of_an_earlier_session_do_not_count() -> None:
    story = Story().beat("a", token="t0").logout("a", token="t0").connect("c1")
    assert story.wait(10).hang_up("c1").wait(GRACE).went() == ("disconnected", 10 + GRACE)


def test_a_disconnect_never_extends_a_deadline() -> None:
    story = Story().connect("c1").wait(280).hang_up("c1").wait(20)
    assert story.went() == ("timed_out", OFFLINE_AFTER)


def test_a_grace_that_would_end_at_the_deadline_is_none() -> None:
    story = Story().connect("c1").wait(OFFLINE_AFTER - GRACE).hang_up("c1").wait(GRACE)
    assert story.went() == ("timed_out", OFFLINE_AFTER)


def test_what_analytics_need_of_a_lost_socket_is_remembered() -> None:
    story = Story().connect("c1").wait(100).hang_up("c1", silent_ms=45_000)
    assert story.devices()["a"]["sockets"] == {
        "connections": [],
        "http_expires_ms": None,
        "lost": {
            "at_ms": START_MS + 100_000,
            "silent_ms": 45_000,
            "silence_expires_ms": START_MS + 300_000,
        },
    }


# -- the grace is cancelled


@pytest.mark.parametrize(
    "come_back",
    [
        lambda story: story.connect("c2"),
        lambda story: story.beat("a"),
        lambda story: story.beat("a", connection="c2"),
        lambda story: story.renew("c2"),
        lambda story: story.renew("c1"),
    ],
)
def test_any_later_sign_of_life_cancels_the_grace(come_back: Any) -> None:
    story = come_back(Story().connect("c1", screen="home").wait(100).hang_up("c1").wait(29))
    assert story.wait(299).shown() == (FOREGROUND, "home")
    assert story.wait(1).went() == ("timed_out", 129 + OFFLINE_AFTER)


def test_a_renewal_in_the_background_cancels_the_grace_and_extends_nothing() -> None:
    story = Story().connect("c1", screen="background").wait(100).hang_up("c1").wait(20)
    story.renew("c2").wait(179)
    assert story.shown() == (BACKGROUND, None)
    assert story.wait(1).went() == ("timed_out", OFFLINE_AFTER)


def test_a_sign_of_life_of_another_device_cancels_no_grace() -> None:
    story = Story().connect("c1", "a").connect("c2", "b").wait(10).hang_up("c1").renew("c2")
    assert story.beat("b").wait(GRACE).went("a") == ("disconnected", 10 + GRACE)
    assert story.shown() == (FOREGROUND, None)


def test_a_phone_that_moves_from_wifi_to_lte_is_never_offline() -> None:
    story = Story().connect("wifi", screen="film").wait(60).connect("lte", screen="film").wait(20)
    story.hang_up("wifi", silent_ms=20_000)
    for _ in range(5):
        story.wait(90).renew("lte")
    assert story.shown() == (FOREGROUND, "film")
    assert story.reasons() == [("a", "started")]


def test_a_second_loss_begins_the_grace_anew() -> None:
    story = Story().connect("c1").wait(10).hang_up("c1").wait(10).connect("c2").wait(10)
    assert story.hang_up("c2").wait(GRACE).went() == ("disconnected", 30 + GRACE)


# -- outages


@pytest.mark.parametrize("restarted", [False, True])
def test_an_outage_moves_a_running_grace(restarted: bool) -> None:
    story = Story().connect("c1").wait(60).hang_up("c1").outage(60)
    if restarted:
        story.processor.restart()
    assert story.wait(RECONNECT_GRACE - 1).shown() == (FOREGROUND, None)
    assert story.wait(1).went() == ("disconnected", 120 + RECONNECT_GRACE)


@pytest.mark.parametrize("restarted", [False, True])
def test_who_loses_the_last_socket_after_an_outage_keeps_the_rest_of_its_grace(
    restarted: bool,
) -> None:
    story = Story().connect("c1").wait(60).outage(60).wait(8).renew("c1")
    if restarted:
        story.processor.restart()
    story.hang_up("c1").wait(RECONNECT_GRACE - 9)
    assert story.shown() == (FOREGROUND, None)
    assert story.wait(1).went() == ("disconnected", 120 + RECONNECT_GRACE)


def test_who_loses_it_when_that_is_nearly_over_has_the_disconnect_grace() -> None:
    story = Story().connect("c1").wait(60).outage(60).wait(RECONNECT_GRACE - 1).renew("c1")
    went = story.hang_up("c1").wait(GRACE).went()
    assert went == ("disconnected", 120 + RECONNECT_GRACE - 1 + GRACE)


def test_a_logout_after_an_outage_waits_for_no_grace() -> None:
    story = Story().connect("c1").wait(60).outage(60).logout("a")
    assert story.went() == ("logged_out", 120)


@pytest.mark.parametrize("restarted", [False, True])
def test_an_outage_moves_the_deadline_of_the_last_http_heartbeat(restarted: bool) -> None:
    story = Story().beat("a").connect("c1").wait(60).outage(60)
    if restarted:
        story.processor.restart()
    story.hang_up("c1").wait(RECONNECT_GRACE - 1)
    assert story.shown() == (FOREGROUND, None)
    story.wait(1)
    # Its deadline was that of the outage's end already: a disconnect never extends.
    assert story.went() == ("timed_out", 120 + RECONNECT_GRACE)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_renewal_in_the_background_after_an_outage_leaves_what_the_outage_gave(
    restarted: bool,
) -> None:
    story = Story().connect("c1", screen="background").wait(200).hang_up("c1").outage(60)
    if restarted:
        story.processor.restart()
    story.renew("c2").wait(RECONNECT_GRACE - 1)
    assert story.shown() == (BACKGROUND, None)
    assert story.wait(1).went() == ("timed_out", 260 + RECONNECT_GRACE)


# -- logout


def test_a_logout_of_a_socket_signs_out_its_device() -> None:
    story = Story().connect("c1", "a").connect("c2", "b").logout(None, connection="c1")
    assert story.device("a") == (OFFLINE, None)
    assert story.device("b") == (FOREGROUND, None)


def test_a_logout_names_its_device_before_its_connection_does() -> None:
    story = Story().connect("c1", "a").connect("c2", "b").logout("b", connection="c1")
    assert story.device("a") == (FOREGROUND, None)
    assert story.device("b") == (OFFLINE, None)


def test_a_connection_tells_more_of_a_logout_than_its_token() -> None:
    story = Story().connect("c1", "a", token="ta").connect("c2", "b", token="tb")
    story.logout(None, connection="c1", token="tb", claimed_device="b")
    assert story.device("a") == (OFFLINE, None)
    assert story.device("b") == (FOREGROUND, None)


def test_a_logout_of_an_unknown_connection_goes_by_promise_five() -> None:
    story = Story().connect("c1", "a", token="ta").connect("c2", "b", token="tb")
    story.logout(None, connection="never seen", token="tb")
    assert story.device("a") == (FOREGROUND, None)
    assert story.device("b") == (OFFLINE, None)


def test_a_logout_names_the_open_connections_of_the_devices_that_it_signs_out() -> None:
    story = Story().connect("c1", "a").connect("c2", "a").connect("c3", "b", token="t2")
    story.logout(None)
    assert story.signed_out() == [("a", ("c1", "c2"))]
    assert story.connections("a") == []
    assert story.connections("b") == ["c3"]


def test_a_logout_names_no_connection_that_is_gone() -> None:
    story = Story().connect("forgotten")
    for _ in range(4):
        story.wait(90).renew("c1")
    story.connect("gone").hang_up("gone").logout("a")
    assert story.signed_out() == [("a", ("c1",))]


def test_no_other_end_of_a_session_names_connections() -> None:
    story = Story().connect("c1").wait(OFFLINE_AFTER).connect("c2").hang_up("c2").wait(GRACE)
    story.connect("c3", "z").wait(1)
    story.record(*beats(16))
    assert {reason for _, reason in story.reasons()} == {
        "started",
        "timed_out",
        "disconnected",
        "evicted",
    }
    assert story.signed_out() == []


def test_a_connect_after_a_logout_with_a_new_token_stays() -> None:
    story = Story().connect("c1").logout("a").connect("c2", token="t2", screen="home")
    assert story.shown() == (FOREGROUND, "home")
    assert story.signed_out() == [("a", ("c1",))]


def test_late_frames_of_a_socket_do_not_undo_its_logout() -> None:
    story = Story().connect("c1", screen="home").logout(None, connection="c1")
    story.wait(5).beat("a", "cart", connection="c1").renew("c1").hang_up("c1")
    assert story.shown() == (OFFLINE, None)
    assert story.verdicts()[-3:] == ["fenced", "fenced", "ignored"]


def test_the_row_of_a_user_without_a_socket_says_nothing_of_sockets() -> None:
    story = Story().beat("a", "home").connect("c1", user="bob").beat("b", user="bob")
    assert story.user()["sockets"] is None
    devices = json.loads(story.user("bob")["devices"])
    assert [bool(device["sockets"]) for device in devices] == [True, False]
    assert story.hang_up("c1", user="bob").beat("a", user="bob").device("a", "bob") == (
        FOREGROUND,
        None,
    )
    assert story.devices("bob")["a"]["sockets"] is None
