"""Two phones of one user that say the same of themselves, and one phone whose token is refreshed
(``processor/core/twins.py``). G1 and G2 are rows of the table of inputs."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from processor.core.model import MAX_DEVICES, MAX_REPLACED, Device, Replaced
from processor.core.twins import gave_way_on
from processor.store.presence_row import presence_row, user_of_row
from tests.unit.processor.presence_logs import columns_written
from tests.unit.processor.presence_story import Story, heartbeat

APP = "Flutter App"
TWIN = "Flutter App (2)"
FOREGROUND, BACKGROUND, OFFLINE = "foreground", "background", "offline"


class Guide(Story):
    """Phones with the guide's app: each has a token, all are called alike."""

    def wait(self, seconds: float) -> Guide:
        super().wait(seconds)
        return self

    def says(self, token: str, *screens: str, seconds: float = 5) -> Guide:
        """One beat after another, each so many seconds after what was before."""
        for screen in screens:
            self.wait(seconds)
            self.beat(screen=screen, token=token, device_info=APP, app_version="1.0.0")
        return self

    def logs_out(self, token: str) -> Guide:
        self.wait(5)
        self.logout(token=token)
        return self

    def states(self) -> dict[str, tuple[str, str | None]]:
        return {name: self.device(name) for name in self.devices()}

    def online(self) -> int:
        return int(self.user()["device_count"])


def two_phones() -> Guide:
    """B is on Cart, A, which has a device of its own, on Home."""
    return Guide().says("A", "Unknown").says("B", "Unknown").says("A", "Home").says("B", "Cart")


# -- G1: two phones


def test_G1_two_phones_with_the_guides_app_are_two_devices_and_one_logs_out() -> None:
    story = two_phones()
    assert story.states() == {APP: (FOREGROUND, "Cart"), TWIN: (FOREGROUND, "Home")}
    assert (story.shown(), story.online()) == ((FOREGROUND, "Cart"), 2)
    story.logs_out("A")
    assert (story.shown(), story.online()) == ((FOREGROUND, "Cart"), 1)
    story.says("B", "Unknown", seconds=20)
    assert (story.shown(), story.online()) == ((FOREGROUND, "Cart"), 1)
    assert story.verdicts()[-1] == "applied"
    assert story.reasons() == [
        (APP, "started"),
        (TWIN, "started"),
        (APP, "navigated"),
        (TWIN, "logged_out"),
    ]


def test_the_other_phone_of_the_two_may_log_out() -> None:
    story = two_phones().logs_out("B")
    assert story.states() == {APP: (OFFLINE, None), TWIN: (FOREGROUND, "Home")}
    assert story.says("A", "Unknown", seconds=20).shown() == (FOREGROUND, "Home")


def test_both_phones_log_out() -> None:
    story = two_phones().logs_out("A").logs_out("B")
    assert (story.shown(), story.online()) == ((OFFLINE, None), 0)
    story.says("A", "background", "Unknown").says("B", "Unknown", seconds=40)
    assert story.shown() == (OFFLINE, None)


def test_late_beats_of_the_phone_that_logged_out_change_nothing() -> None:
    story = two_phones().logs_out("A").says("A", "background", "Unknown").wait(40)
    story.says("A", "background", "Unknown")
    assert story.states() == {APP: (FOREGROUND, "Cart"), TWIN: (OFFLINE, None)}


def test_the_timers_of_two_phones_tell_them_apart_and_change_no_screen() -> None:
    story = Guide().says("A", "Home").says("B", "Cart").says("A", "Unknown", seconds=60)
    assert story.states() == {APP: (FOREGROUND, "Cart"), TWIN: (FOREGROUND, "Home")}
    assert story.shown() == (FOREGROUND, "Cart")
    assert story.seconds(story.devices()[TWIN]["changed_ms"]) == 5
    assert story.seconds(story.user()["changed_ms"]) == 10
    story.says("B", "Unknown", seconds=60).says("A", "Unknown", seconds=60)
    assert story.shown() == (FOREGROUND, "Cart")
    assert len(story.reasons()) == 3


def test_a_phone_that_went_into_the_background_is_there_on_its_screen() -> None:
    story = Guide().says("A", "Home").says("B", "Cart").says("A", "background")
    assert story.states() == {APP: (FOREGROUND, "Cart"), TWIN: (BACKGROUND, "Home")}
    assert story.says("A", "Unknown").shown() == (FOREGROUND, "Home")


def test_a_phone_that_was_away_for_long_is_another_one_when_it_is_back() -> None:
    story = Guide().says("A", "Home", "background")
    story.says("B", "Cart").says("B", *["Unknown"] * 5, seconds=120).says("A", "Unknown")
    assert story.states() == {APP: (FOREGROUND, "Cart"), TWIN: (FOREGROUND, "Home")}


def test_three_phones_are_three_devices() -> None:
    story = Guide().says("A", "Home").says("B", "Cart").says("C", "Film")
    assert story.online() == 1
    story.says("A", "Unknown").says("B", "Unknown")
    assert story.states() == {
        APP: (FOREGROUND, "Film"),
        TWIN: (FOREGROUND, "Home"),
        "Flutter App (3)": (FOREGROUND, "Cart"),
    }
    story.logs_out("B")
    assert story.shown() == (FOREGROUND, "Film")
    assert story.online() == 2


def test_a_third_phone_beside_two_is_seen_at_once() -> None:
    assert two_phones().says("C", "Unknown").online() == 3


def test_one_of_two_phones_falls_silent_and_comes_back_to_its_device() -> None:
    story = two_phones().says("B", *["Unknown"] * 3, seconds=120)
    assert story.states() == {APP: (FOREGROUND, "Cart"), TWIN: (OFFLINE, None)}
    assert story.went(TWIN) == ("timed_out", 315)
    story.says("A", "Film")
    assert story.states() == {APP: (FOREGROUND, "Cart"), TWIN: (FOREGROUND, "Film")}


def test_a_phone_that_logged_out_logs_in_again_as_its_device() -> None:
    story = two_phones().logs_out("A").says("A2", "Unknown", "Film")
    assert story.states() == {APP: (FOREGROUND, "Cart"), TWIN: (FOREGROUND, "Film")}
    story.says("A", "background", "Unknown", seconds=40)
    assert story.states() == {APP: (FOREGROUND, "Cart"), TWIN: (FOREGROUND, "Film")}


def test_phones_that_share_a_name_with_a_device_id_keep_apart() -> None:
    story = Guide()
    story.beat(TWIN, "Offers", token="T")
    story.says("A", "Home").says("B", "Cart").says("A", "Unknown")
    assert story.states() == {
        TWIN: (FOREGROUND, "Offers"),
        APP: (FOREGROUND, "Cart"),
        "Flutter App (3)": (FOREGROUND, "Home"),
    }


def test_a_phone_with_an_id_is_no_phone_of_the_text() -> None:
    story = Guide()
    for token in ("A", "B", "A", "B"):
        story.beat("a", "Home", token=token, device_info=APP)
    assert story.states() == {"a": (FOREGROUND, "Home")}
    assert story.devices()["a"].get("replaced", []) == []


# -- G2: one phone, a refreshed token


def refreshed() -> Guide:
    return Guide().says("A", "Unknown", "Home").says("B", "Unknown", "Cart")


def test_G2_a_refreshed_token_is_one_device() -> None:
    story = refreshed()
    assert story.states() == {APP: (FOREGROUND, "Cart")}


@pytest.mark.parametrize("token", ["A", "B"])
def test_G2_a_phone_logs_out_with_either_token(token: str) -> None:
    story = refreshed().logs_out(token)
    assert story.shown() == (OFFLINE, None)
    story.says("B", "background", "Unknown")
    assert story.shown() == (OFFLINE, None)


def test_G2_a_phone_logs_out_with_a_token_that_has_not_beaten() -> None:
    story = Guide().says("A", "Unknown", "Home").logs_out("B")
    assert story.shown() == (OFFLINE, None)
    story.says("A", "background", "Unknown").says("B", "Unknown")
    assert story.shown() == (OFFLINE, None)


def test_a_logout_with_the_token_before_leaves_another_device_alone() -> None:
    story = refreshed()
    story.beat("tablet", "Film", token="T")
    story.logs_out("A")
    assert story.shown() == (FOREGROUND, "Film")


def test_many_refreshes_are_one_device_that_remembers_few_tokens() -> None:
    story = Guide()
    for number in range(20):
        story.says(f"token {number}", "Unknown")
    assert list(story.devices()) == [APP]
    [device] = story.devices().values()
    assert [r[0] for r in device["replaced"]] == [
        f"token {number}" for number in range(19 - MAX_REPLACED, 19)
    ]
    assert story.wait(301).user()["devices"] is None


def test_after_two_phones_the_one_that_stayed_may_refresh_its_token() -> None:
    story = two_phones().says("B", *["Unknown"] * 3, seconds=120).says("B2", "Unknown", "Film")
    assert story.states() == {APP: (FOREGROUND, "Film"), TWIN: (OFFLINE, None)}
    assert story.logs_out("B2").shown() == (OFFLINE, None)


# -- bounds, sockets, storage


def test_more_phones_of_a_text_than_a_user_may_have_devices() -> None:
    story = Guide()
    for _ in range(2):
        for number in range(MAX_DEVICES + 4):
            story.says(f"token {number}", "Unknown", "Unknown", seconds=1)
    assert len(story.devices()) <= MAX_DEVICES
    assert story.shown()[0] == FOREGROUND


def test_as_many_phones_as_take_turns_are_told_apart() -> None:
    tokens = [f"token {number}" for number in range(MAX_REPLACED + 1)]
    story = Guide()
    for token in tokens * 2:
        story.says(token, "Unknown", seconds=1)
    assert story.online() == len(tokens)


def test_a_twin_takes_the_place_of_the_device_least_recently_active() -> None:
    story = Guide()
    for number in range(MAX_DEVICES - 1):
        story.beat(f"d{number:02}", "Home", token=f"t{number}").wait(1)
    story.says("A", "Home").says("B", "Cart").says("A", "Unknown")
    assert len(story.devices()) == MAX_DEVICES
    assert ("d00", "evicted") in story.reasons()


def test_a_socket_keeps_its_device_and_the_other_phone_gets_a_new_one() -> None:
    story = Guide()
    story.connect("c1", None, token="A", device_info=APP, screen="Home")
    story.says("B", "Cart")
    story.renew("c1", None, token="A", device_info=APP)
    story.says("B", "Unknown")
    assert story.connections(APP) == ["c1"]
    assert story.devices()[APP]["token"] == "A"
    assert story.devices()[TWIN]["token"] == "B"
    story.logs_out("A")
    assert story.device(TWIN)[0] == FOREGROUND
    assert story.signed_out() == [(APP, ("c1",))]


@pytest.mark.parametrize("story", [two_phones(), refreshed()], ids=["two phones", "refreshed"])
def test_what_is_remembered_of_tokens_is_stored_and_read(story: Guide) -> None:
    row = story.user()
    values = tuple(row[name] for name in columns_written())
    user, log_offset = user_of_row(values)
    again = dict(zip(columns_written(), presence_row(user, 0, log_offset), strict=True))
    assert again == row
    assert any(device.replaced or device.twin_of for device in user.devices)


def test_the_release_before_reads_what_this_one_wrote_and_the_other_way_round() -> None:
    """It knows no ``twin_of`` and no ``replaced``, and reads and writes the rest."""
    before = msgspec.defstruct(
        "Before",
        [(name, Any) for name in Device.__struct_fields__ if name not in ("twin_of", "replaced")],
    )
    stored = two_phones().user()["devices"]
    read_before = msgspec.json.decode(stored, type=list[before])  # type: ignore[valid-type]
    written_before = msgspec.json.encode(read_before)
    devices = msgspec.json.decode(written_before, type=tuple[Device, ...])
    assert [(d.twin_of, d.replaced) for d in devices] == [(None, ()), (None, ())]
    assert [d["device"] for d in json.loads(stored)] == [d.device for d in devices]


def test_a_user_stored_before_is_told_apart_from_now_on() -> None:
    """As of the release before: one device that has seen both tokens and remembers the last."""
    story = Guide().says("A", "Home")
    row = story.processor.rows["ann"]
    assert row["devices"] is None
    story.processor.restart()
    story.says("B", "Cart").says("A", "Unknown")
    assert story.online() == 2


def test_a_beat_that_is_refused_parts_nobody() -> None:
    story = Guide().says("A", "Home").says("B", "Cart").logs_out("A")
    story.record(heartbeat(screen="Unknown", token="A", device_info=APP))
    assert story.states() == {APP: (OFFLINE, None)}
    assert story.verdicts()[-1] == "fenced"


def test_a_frame_comes_from_another_phone_of_the_name_if_its_mark_has_given_way() -> None:
    replaced = (Replaced("t1", "foreground", "Home", 0),)
    phone = Device(APP, "foreground", "started", 0, 0, 300_000, token="t2", replaced=replaced)
    assert gave_way_on(phone, heartbeat(device_info=APP, token="t1"))
    assert not gave_way_on(phone, heartbeat(device_info=APP, token="t2"))
    assert not gave_way_on(phone, heartbeat(device_info="Another app", token="t1"))
    assert not gave_way_on(phone, heartbeat(token="t1"))
