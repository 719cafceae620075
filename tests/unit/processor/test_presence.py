"""The rules of presence, one sentence each (design, sections 1 to 3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.processor.presence_story import START_MS, Story, beats, heartbeat

# -- one device: the state table


def of_device(before: str) -> Story:
    """Device a in this state; before it was offline or in the background it showed home."""
    story = Story()
    if before == "never seen":
        return story.beat(user="somebody else")
    story.beat("a", "home").wait(20)
    if before == "offline":
        return story.wait(300)
    if before == "background":
        return story.beat("a", "background").wait(20)
    return story


FOREGROUND, BACKGROUND = "foreground", "background"
NO_NEWS: list[dict[str, Any]] = [{}, {"screen": "Unknown"}, {"screen": " "}, {"screen": ""}]


@pytest.mark.parametrize(
    ("before", "beat", "state", "screen", "reason"),
    [
        ("never seen", {"screen": "cart"}, FOREGROUND, "cart", "started"),
        *(("never seen", beat, FOREGROUND, None, "started") for beat in NO_NEWS),
        ("never seen", {"screen": "background"}, BACKGROUND, None, "started"),
        ("offline", {"screen": "home"}, FOREGROUND, "home", "started"),
        *(("offline", beat, FOREGROUND, None, "started") for beat in NO_NEWS),
        ("offline", {"screen": "background"}, BACKGROUND, None, "started"),
        ("offline", {"screen": "cart", "app_state": "paused"}, BACKGROUND, None, "started"),
        ("foreground", {"screen": "home"}, FOREGROUND, "home", None),
        ("foreground", {"screen": "cart"}, FOREGROUND, "cart", "navigated"),
        *(("foreground", beat, FOREGROUND, "home", None) for beat in NO_NEWS),
        ("foreground", {"screen": "background"}, BACKGROUND, "home", "backgrounded"),
        (
            "foreground",
            {"screen": "cart", "app_state": "hidden"},
            BACKGROUND,
            "home",
            "backgrounded",
        ),
        ("background", {"screen": "home"}, FOREGROUND, "home", "resumed"),
        ("background", {"screen": "cart"}, FOREGROUND, "cart", "resumed"),
        *(("background", beat, FOREGROUND, "home", "resumed") for beat in NO_NEWS),
        ("background", {"screen": "background"}, BACKGROUND, "home", None),
        ("background", {"app_state": "detached"}, BACKGROUND, "home", None),
    ],
)
def test_what_a_heartbeat_makes_of_a_device(
    before: str, beat: dict[str, Any], state: str, screen: str | None, reason: str | None
) -> None:
    story = of_device(before)
    earlier = len(story.reasons())
    story.beat("a", **beat)
    assert story.device("a") == (state, screen)
    assert story.shown() == (state, screen)
    assert [changed for _, changed in story.reasons()[earlier:]] == ([reason] if reason else [])


@pytest.mark.parametrize("app_state", ["background", "hidden", "paused", "detached", "PAUSED"])
def test_these_app_states_are_the_background(app_state: str) -> None:
    assert Story().beat("a", app_state=app_state).device() == (BACKGROUND, None)


@pytest.mark.parametrize("app_state", ["foreground", "resumed", "inactive", "Resumed", None])
def test_these_app_states_are_the_foreground(app_state: str | None) -> None:
    assert Story().beat("a", app_state=app_state).device() == (FOREGROUND, None)


@pytest.mark.parametrize("screen", ["background", "BACKGROUND", "Background"])
def test_background_is_never_a_screen(screen: str) -> None:
    story = Story().beat("a", screen, app_state="resumed")
    assert story.device() == (BACKGROUND, None)


def test_unknown_in_the_background_is_a_resume_on_the_old_screen() -> None:
    story = Story().beat("a", "film").wait(90).beat("a", "background").wait(90).beat("a", "Unknown")
    assert story.shown() == (FOREGROUND, "film")
    assert story.user()["reason"] == "resumed"


@pytest.mark.parametrize("unknown", ["Unknown", "unknown", " UNKNOWN "])
def test_unknown_on_a_screen_is_no_navigation(unknown: str) -> None:
    story = Story().beat("a", "film").wait(90).beat("a", unknown)
    assert story.reasons() == [("a", "started")]
    assert story.seconds(story.user()["changed_ms"]) == 0


def test_a_screen_is_not_remembered_across_offline() -> None:
    story = Story().beat("a", "film").wait(301).beat("a", "Unknown")
    assert story.shown() == (FOREGROUND, None)


def test_a_screen_is_not_remembered_across_a_logout() -> None:
    story = Story().beat("a", "film").logout("a").wait(31).beat("a", app_state="resumed")
    assert story.shown() == (FOREGROUND, None)


def test_a_heartbeat_moves_last_active_and_nothing_else_that_is_shown() -> None:
    story = Story().beat("a", "film")
    before = story.user()
    after = story.wait(90).beat("a", "Unknown").user()
    assert {name for name in after if after[name] != before[name]} == {
        "last_active_ms",
        "expires_ms",
        "log_offset",
    }


def test_what_a_phone_does_not_say_again_is_kept() -> None:
    story = Story().beat("a", app_version="1.0", platform="ios", device_info="Phone", name="Ann")
    row = story.wait(90).beat("a", app_version="1.1").user()
    assert (row["app_version"], row["platform"], row["device_info"]) == ("1.1", "ios", "Phone")
    assert row["name"] == "Ann"


def test_the_name_is_that_of_the_latest_token() -> None:
    assert Story().beat("a", name="Ann").beat("b", name="Anna").user()["name"] == "Anna"


def test_a_name_that_is_dropped_at_the_door_is_forgotten() -> None:
    story = Story().beat("a", name="Ann").beat("a")
    assert story.user()["name"] == "Ann"
    assert story.beat("a", name="").user()["name"] is None


# -- going offline


def test_silence_for_offline_after_is_a_time_out_at_the_deadline() -> None:
    story = Story().beat("a", "home").wait(299.999)
    assert story.shown() == (FOREGROUND, "home")
    story.wait(5)
    assert story.shown() == ("offline", None)
    assert story.user()["reason"] == "timed_out"
    assert story.seconds(story.user()["changed_ms"]) == 300
    assert story.seconds(story.user()["last_active_ms"]) == 0


def test_a_heartbeat_at_the_deadline_comes_too_late() -> None:
    story = Story().beat("a", "home").wait(290)
    story.now = 300
    story.beat("a", "home")
    assert story.reasons() == [("a", "started"), ("a", "timed_out"), ("a", "started")]
    assert story.seconds(story.user()["online_since_ms"]) == 300


def test_two_lost_heartbeats_show_nobody_offline() -> None:
    story = Story().beat("a", "home")
    for _ in range(4):
        story.wait(3 * 90).beat("a")
    assert story.reasons() == [("a", "started")]


def test_a_backgrounded_device_times_out_too() -> None:
    story = Story().beat("a", "background").wait(301)
    assert story.shown() == ("offline", None)


def test_online_since_survives_background_and_navigation_but_not_offline() -> None:
    story = Story().beat("a", "home").wait(60).beat("a", "background").wait(60).beat("a", "cart")
    assert story.seconds(story.user()["online_since_ms"]) == 0
    assert story.wait(301).user()["online_since_ms"] is None
    assert story.seconds(story.beat("a").user()["online_since_ms"]) == 421


# -- which device


@pytest.mark.parametrize(
    ("naming", "device"),
    [
        ({"device": "id", "claimed_device": "claim", "device_info": "Pixel"}, "id"),
        ({"device": None, "claimed_device": "claim", "device_info": "Pixel"}, "claim"),
        ({"device": None, "claimed_device": None, "device_info": "Pixel"}, "Pixel"),
        ({"device": None, "claimed_device": None, "device_info": None}, "default"),
    ],
)
def test_a_device_is_named_by_body_then_claim_then_device_info(
    naming: dict[str, str | None], device: str
) -> None:
    story = Story()
    story.record(heartbeat(**naming))
    assert story.user()["device"] == device


def test_a_nameless_heartbeat_belongs_to_the_device_last_seen_with_its_token() -> None:
    story = Story().beat("a", token="t1").beat("b", token="t2").wait(60).beat(token="t1")
    assert {key: story.seconds(d["last_active_ms"]) for key, d in story.devices().items()} == {
        "a": 60,
        "b": 0,
    }


def test_of_two_devices_with_its_token_a_nameless_heartbeat_is_of_the_later_one() -> None:
    story = Story().beat("b").wait(10).beat("a").wait(10).beat("b").wait(10).beat(screen="cart")
    assert story.device("b") == (FOREGROUND, "cart")
    assert story.device("a") == (FOREGROUND, None)


def test_a_nameless_heartbeat_with_a_new_token_is_of_the_default_device() -> None:
    story = Story().beat("a", token="t1").beat(token="t2")
    assert set(story.devices()) == {"a", "default"}


def test_a_users_devices_are_not_anothers() -> None:
    story = Story().beat("a", "home").beat("a", "cart", user="bob").logout("a")
    assert story.shown("ann") == ("offline", None)
    assert story.shown("bob") == (FOREGROUND, "cart")


# -- several devices of a user


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("foreground", "foreground", "foreground"),
        ("foreground", "background", "foreground"),
        ("foreground", "offline", "foreground"),
        ("background", "foreground", "foreground"),
        ("background", "background", "background"),
        ("background", "offline", "background"),
        ("offline", "foreground", "foreground"),
        ("offline", "background", "background"),
        ("offline", "offline", "offline"),
    ],
)
def test_a_user_has_the_best_state_of_their_devices(one: str, other: str, shown: str) -> None:
    story = Story()
    for device, state in (("a", one), ("b", other)):
        story.beat(device, "home", token=f"token of {device}")
        if state == "background":
            story.beat(device, "background", token=f"token of {device}")
        if state == "offline":
            story.logout(device, token=f"token of {device}")
    assert (story.device("a")[0], story.device("b")[0]) == (one, other)
    assert story.user()["state"] == shown
    assert story.user()["device_count"] == [one, other].count("foreground") + [one, other].count(
        "background"
    )


def test_the_users_screen_is_that_of_the_device_that_changed_last() -> None:
    story = Story().beat("a", "home").wait(10).beat("b", "cart").wait(10)
    assert story.shown() == (FOREGROUND, "cart")
    assert story.beat("a", "film").shown() == (FOREGROUND, "film")


def test_heartbeats_alone_never_change_the_users_screen() -> None:
    story = Story().beat("a", "home").wait(10).beat("b", "cart")
    for _ in range(10):
        story.wait(60).beat("a", "home").wait(30).beat("b", "Unknown")
        assert story.shown() == (FOREGROUND, "cart")
    assert story.seconds(story.user()["changed_ms"]) == 10


def test_of_two_devices_that_changed_at_once_the_smaller_name_gives_the_screen() -> None:
    story = Story()
    story.record(heartbeat("b", "cart"), heartbeat("a", "home"))
    assert story.shown() == (FOREGROUND, "home")


def test_a_change_tells_what_the_user_showed_before() -> None:
    story = Story().beat("a", "home").wait(10).beat("b", "cart").wait(10).beat("a", "background")
    story.wait(10).logout("b")
    told = [
        (c.previous_user_state, c.previous_user_screen, c.user_state, c.user_screen)
        for c in (logged.changed for logged in story.processor.changes)
    ]
    assert told == [
        ("offline", None, FOREGROUND, "home"),
        (FOREGROUND, "home", FOREGROUND, "cart"),
        (FOREGROUND, "cart", FOREGROUND, "cart"),
        (FOREGROUND, "cart", BACKGROUND, "home"),
    ]


def test_a_device_in_the_background_gives_no_screen_to_a_user_in_the_foreground() -> None:
    story = Story().beat("a", "home").wait(10).beat("b", "cart").wait(10).beat("b", "background")
    assert story.shown() == (FOREGROUND, "home")


def test_in_the_background_the_screen_is_the_last_foreground_one() -> None:
    story = Story().beat("a", "home").beat("a", "background")
    assert story.shown() == (BACKGROUND, "home")


def test_version_and_platform_are_those_of_the_device_that_gives_the_screen() -> None:
    story = Story().beat("a", "home", app_version="1", platform="ios").wait(10)
    story.beat("b", "cart", app_version="2", platform="web").wait(10)
    assert (story.user()["app_version"], story.user()["platform"]) == ("2", "web")
    story.logout("b")
    assert (story.user()["app_version"], story.user()["platform"]) == ("1", "ios")


def test_a_change_that_nobody_sees_is_no_change_of_the_user() -> None:
    story = Story().beat("a", "home").wait(10).beat("b", "background")
    assert story.reasons() == [("a", "started"), ("b", "started")]
    assert story.seconds(story.user()["changed_ms"]) == 0


def test_online_since_is_when_the_user_came_online_on_any_device() -> None:
    story = Story().beat("a").wait(200).beat("b").wait(200)
    assert story.device("a") == ("offline", None)
    assert story.seconds(story.user()["online_since_ms"]) == 0
    assert story.seconds(story.devices()["b"]["online_since_ms"]) == 200


def test_the_reason_is_that_of_what_changed_the_user() -> None:
    story = Story().beat("a", "home").wait(10).beat("b", "background").wait(10).logout("a")
    assert story.shown() == (BACKGROUND, None)
    assert story.user()["reason"] == "logged_out"


def test_the_reason_of_a_user_in_the_foreground_may_be_another_devices() -> None:
    story = Story().beat("a", "home").wait(10).beat("b", "cart").wait(10).logout("b")
    assert story.shown() == (FOREGROUND, "home")
    assert story.user()["reason"] == "logged_out"
    assert story.seconds(story.user()["changed_ms"]) == 20
    assert story.devices()["a"]["reason"] == "started"


# -- at most 16 devices


def test_a_seventeenth_device_evicts_the_least_recently_active() -> None:
    story = Story()
    story.record(*beats(16))
    story.wait(10)
    story.record(*[beat for beat in beats(16) if beat.device_id != "d07"])
    story.beat("new")
    assert "d07" not in story.devices()
    assert len(story.devices()) == 16
    assert story.reasons()[-2:] == [("d07", "evicted"), ("new", "started")]


def test_an_offline_device_is_evicted_first_and_unnoticed() -> None:
    story = Story()
    story.record(*beats(16))
    story.wait(10).beat("d07").logout("d07").beat("new", token="t2")
    assert "d07" not in story.devices()
    assert [reason for _, reason in story.reasons()[16:]] == ["logged_out", "started"]


def test_of_devices_active_at_once_the_smaller_name_is_evicted() -> None:
    story = Story()
    story.record(*reversed(beats(16)))
    assert "d00" not in story.beat("new").devices()


def test_an_evicted_device_begins_anew() -> None:
    story = Story()
    story.record(*beats(16))
    story.beat("d00", "home", app_version="1").wait(10)
    story.record(*beats(17)[1:])
    assert "d00" not in story.devices()
    story.beat("d00")
    assert story.device("d00") == (FOREGROUND, None)
    assert story.devices()["d00"]["app_version"] is None


# -- logout: which devices


def test_a_logout_puts_the_user_offline_at_once() -> None:
    story = Story().beat("a", "home").wait(10).logout("a")
    assert story.shown() == ("offline", None)
    assert story.user()["reason"] == "logged_out"
    assert story.seconds(story.user()["changed_ms"]) == 10
    assert story.user()["online_since_ms"] is None


def test_a_logout_is_no_sign_of_life() -> None:
    story = Story().beat("a").wait(10).logout("a")
    assert story.seconds(story.user()["last_active_ms"]) == 0


def test_a_user_with_another_device_online_stays_online() -> None:
    story = Story().beat("a", "home", token="ta").beat("b", "cart", token="tb").logout("b")
    assert story.shown() == (FOREGROUND, "home")
    assert story.seconds(story.user()["online_since_ms"]) == 0


@pytest.mark.parametrize(
    ("naming", "token", "signed_out"),
    [
        ({"device": "b"}, "ta", {"b"}),
        ({"device": None, "claimed_device": "b"}, "ta", {"b"}),
        ({"device": "a", "claimed_device": "b"}, "ta", {"a"}),
        ({"device": "never seen", "claimed_device": "b"}, "ta", {"b"}),
        ({"device": "never seen"}, "ta", {"a"}),
        ({"device": None}, "ta", {"a"}),
        ({"device": None}, "shared", {"c", "d"}),
        ({"device": None}, "never seen", {"a", "b", "c", "d"}),
        ({"device": "never seen"}, "never seen", {"a", "b", "c", "d"}),
    ],
)
def test_a_logout_signs_out_whom_it_names_else_its_tokens_devices_else_all(
    naming: dict[str, Any], token: str, signed_out: set[str]
) -> None:
    story = Story()
    for device, device_token in (("a", "ta"), ("b", "tb"), ("c", "shared"), ("d", "shared")):
        story.beat(device, token=device_token)
    story.logout(token=token, **naming)
    offline = {key for key, device in story.devices().items() if device["state"] == "offline"}
    assert offline == signed_out
    assert {key for key, device in story.devices().items() if device["signed_out"]} == signed_out


def test_a_logout_signs_out_a_device_that_is_offline_already() -> None:
    story = Story().beat("a").wait(301).logout("a").wait(31).beat("a", "Unknown")
    assert story.shown() == ("offline", None)
    assert story.reasons() == [("a", "started"), ("a", "timed_out")]
    assert story.verdicts()[-1] == "signed_out"


# -- logout: the fence


@pytest.mark.parametrize(
    "late",
    [
        heartbeat("a", "home"),
        heartbeat("a", "Unknown"),
        heartbeat("a", "background"),
        heartbeat("a", "home", app_state="resumed"),
        heartbeat(None, "home"),
        heartbeat("another device", "home"),
    ],
)
def test_a_late_heartbeat_does_not_undo_a_logout(late: Any) -> None:
    story = Story().beat("a", "home").wait(10).logout("a").wait(29.999)
    before = story.user()
    story.record(late)
    assert story.user() == before
    assert story.verdicts()[-1] == "fenced"


def test_a_heartbeat_that_a_logout_has_overtaken_opens_nothing() -> None:
    story = Story().logout(None).wait(5).beat("a", "home")
    assert story.shown() == ("offline", None)
    assert story.devices() == {}


def test_the_last_token_of_a_device_that_was_signed_out_is_fenced_too() -> None:
    story = Story().beat("a", token="old").logout("a", token="refreshed").wait(5)
    assert story.beat("a", "home", token="old").shown() == ("offline", None)
    assert story.beat("a", "home", token="refreshed").shown() == ("offline", None)


def test_another_token_counts_at_once() -> None:
    story = Story().beat("a", "home").logout("a").beat("a", "Unknown", token="t2")
    assert story.shown() == (FOREGROUND, None)


def test_a_device_that_the_logout_left_online_is_not_fenced() -> None:
    story = Story().beat("a").beat("b").logout("a").wait(5).beat("b", "cart")
    assert story.shown() == (FOREGROUND, "cart")
    assert story.device("a") == ("offline", None)


def test_the_fence_ends_on_time() -> None:
    story = Story().beat("a", "home").logout("a").wait(30).beat("a", "home")
    assert story.shown() == (FOREGROUND, "home")


def test_a_repeated_logout_does_not_prolong_the_fence() -> None:
    story = Story().beat("a").logout("a").wait(25).logout("a").wait(5).beat("a", "home")
    assert story.shown() == (FOREGROUND, "home")
    assert story.reasons() == [("a", "started"), ("a", "logged_out"), ("a", "started")]


def test_a_repeated_logout_does_not_sign_out_who_has_come_back() -> None:
    story = Story().beat("a").logout("a").wait(5).beat("a", "home", token="t2").logout("a")
    assert story.shown() == (FOREGROUND, "home")


def test_within_a_fence_a_logout_may_name_a_device_that_was_left_online() -> None:
    story = Story().beat("a").beat("b").logout("a").wait(5).logout("b")
    assert story.shown() == ("offline", None)


# -- logout: after the fence


def opened_by(**beat: Any) -> bool:
    story = Story().beat("a", "home").logout("a").wait(31).beat("a", **beat)
    return story.shown()[0] != "offline"


@pytest.mark.parametrize(
    "beat",
    [
        {},
        {"screen": "Unknown"},
        {"screen": " "},
        {"screen": "background"},
        {"app_state": "paused"},
        {"screen": "home", "app_state": "hidden"},
        {"screen": "background", "app_state": "resumed"},
        {"screen": "Unknown", "app_version": "1.0"},
    ],
)
def test_after_the_fence_a_timer_opens_no_session(beat: dict[str, Any]) -> None:
    assert not opened_by(**beat)


@pytest.mark.parametrize(
    "beat",
    [
        {"screen": "home"},
        {"app_state": "resumed"},
        {"app_state": "foreground", "screen": "Unknown"},
        {"app_state": "Inactive"},
    ],
)
def test_after_the_fence_somebody_who_uses_the_app_opens_one(beat: dict[str, Any]) -> None:
    assert opened_by(**beat)


def test_a_logged_out_token_needs_evidence_as_long_as_it_lives() -> None:
    story = Story().beat("a").logout("a")
    for _ in range(20):
        story.wait(600).beat("a", "Unknown")
    assert story.shown() == ("offline", None)


def test_after_its_expiry_a_logged_out_token_means_nothing() -> None:
    story = Story().beat("a").logout("a", token_expires_ms=START_MS + 60_000)
    story.wait(59.999).beat("a", "Unknown")
    assert story.shown() == ("offline", None)
    assert story.wait(1).beat("a", "Unknown").shown() == (FOREGROUND, None)


def test_a_token_that_had_expired_before_its_logout_is_fenced_all_the_same() -> None:
    story = Story().beat("a")
    story.logout("a", token_expires_ms=0).wait(10).beat("a", "home")
    assert story.shown() == ("offline", None)


def test_a_nameless_timer_of_a_logged_out_token_opens_nothing() -> None:
    story = Story().beat("a", token="old").logout(None, token="refreshed").wait(31)
    assert story.beat(token="refreshed").shown() == ("offline", None)
    assert set(story.devices()) == {"a"}


@pytest.mark.parametrize("naming", ["device", "claimed_device"])
def test_a_phone_by_name_that_was_never_here_needs_no_evidence(naming: str) -> None:
    """Its token has signed out another one; it is itself no timer of that."""
    story = Story().beat("a").logout("a").wait(31)
    story.record(heartbeat(**{naming: "b"}))
    assert story.device("b")[0] == FOREGROUND


def test_a_nameless_timer_of_a_token_known_by_its_logout_alone_opens_nothing() -> None:
    story = Story().logout(None).wait(31).beat(screen="Unknown")
    assert story.shown() == ("offline", None)
    assert story.beat(screen="home").shown() == (FOREGROUND, "home")


def test_an_expired_token_signs_out_its_own_devices_only() -> None:
    story = Story().beat("a", token="now").beat("b", token="old")
    story.logout("a", token="old", token_expires_ms=0)
    assert (story.device("a")[0], story.device("b")[0]) == ("foreground", "offline")
    assert story.reasons()[-1] == ("b", "logged_out")


def test_an_expired_token_that_was_seen_with_no_device_signs_out_none() -> None:
    story = Story().beat("a", token="now")
    story.logout(token="old", token_expires_ms=0).logout("a", token="older", token_expires_ms=0)
    assert story.device("a")[0] == "foreground"


def test_an_expired_token_signs_out_a_named_device_only_if_it_was_that_devices() -> None:
    pixel = {"device_info": "Pixel 8"}
    story = Story().beat(**pixel, token="before").wait(10).beat(**pixel, token="now")
    story.logout("Pixel 8", token="of nobody", token_expires_ms=0)
    assert story.device("Pixel 8")[0] == "foreground"
    story.logout("Pixel 8", token="before", token_expires_ms=0)
    assert story.device("Pixel 8")[0] == "offline"


def test_an_expired_token_signs_out_the_device_that_it_claims() -> None:
    story = Story().beat("a", token="now")
    story.logout("b", token="old", claimed_device="a", token_expires_ms=0)
    assert story.device("a")[0] == "offline"


def test_an_expired_token_signs_out_the_device_that_its_body_and_its_claim_name() -> None:
    story = Story().beat("a", token="now").beat("b", token="now")
    story.logout("a", token="old", claimed_device="a", token_expires_ms=0)
    assert (story.device("a")[0], story.device("b")[0]) == ("offline", "foreground")


def test_a_beat_is_of_the_device_that_its_body_names_where_its_token_names_another() -> None:
    story = Story().beat("a", "home", claimed_device="a").beat("b", "cart", claimed_device="a")
    assert (story.device("a"), story.device("b")) == ((FOREGROUND, "home"), (FOREGROUND, "cart"))


def test_a_token_that_has_not_expired_signs_out_the_device_that_its_body_names() -> None:
    story = Story().beat("a", token="now").beat("b", token="old")
    story.logout("a", token="old", token_expires_ms=START_MS + 60_000)
    assert (story.device("a")[0], story.device("b")[0]) == ("offline", "foreground")


def test_an_expired_logout_directs_no_nameless_heartbeat() -> None:
    story = Story().beat("a", token="old").logout(None, token="new", token_expires_ms=0)
    assert story.wait(31).beat(token="new").devices()["default"]["state"] == FOREGROUND


def test_the_other_phone_of_a_signed_out_user_is_back_after_the_fence() -> None:
    story = Story().beat("a", token="ta").beat("b", "film", token="tb").logout(token="unheard of")
    assert story.shown() == ("offline", None)
    assert story.wait(29).beat("b", "Unknown", token="tb").shown() == ("offline", None)
    assert story.wait(1).beat("b", "Unknown", token="tb").shown() == (FOREGROUND, None)
    assert story.device("a") == ("offline", None)


def test_who_has_come_back_may_time_out_and_return_without_evidence() -> None:
    story = Story().beat("a").logout("a").wait(31).beat("a", "home").wait(301)
    assert story.user()["reason"] == "timed_out"
    assert story.beat("a", "Unknown").shown() == (FOREGROUND, None)


def test_the_latest_sixteen_logged_out_tokens_are_remembered() -> None:
    story = Story()
    for number in range(17):
        story.beat("a", token=f"t{number}").logout("a", token=f"t{number}")
    story.wait(31)
    for number in range(1, 17):
        assert story.beat("a", "Unknown", token=f"t{number}").shown() == ("offline", None)
    assert story.beat("a", "Unknown", token="t0").shown() == (FOREGROUND, None)


def test_one_token_that_logs_out_again_and_again_takes_one_place_of_sixteen() -> None:
    story = Story().beat("a", token="other").logout("a", token="other")
    for _ in range(17):
        story.wait(31).beat("a", "home").logout("a")
    assert story.wait(31).beat("a", "Unknown", token="other").shown() == ("offline", None)


def test_a3_the_same_screen_again_and_again_is_one_view() -> None:
    """How names are cleaned is ingest's: here they are equal or they are not."""
    story = Story()
    for _ in range(3):
        story.wait(0.3).beat("a", "Home")
    assert story.reasons() == [("a", "started")]
    assert json.loads(story.user()["stay"])["views"] == 1
