"""A session that is in use only because a timer runs on in the background is marked, and stays in
the foreground (``processor/core/timers.py``). G3 is a row of the table of inputs."""

from __future__ import annotations

import json

import pytest

from tests.unit.processor.presence_story import Story

APP = "Flutter App"
FOREGROUND = "foreground"


class Guide(Story):
    """A phone with the guide's app."""

    def wait(self, seconds: float) -> Guide:
        super().wait(seconds)
        return self

    def says(self, *screens: str, seconds: float = 120) -> Guide:
        for screen in screens:
            self.wait(seconds)
            self.beat(screen=screen, device_info=APP, app_version="1.0.0")
        return self

    def runs_on(self) -> bool:
        row = self.user()
        timer = json.loads(row["timer"]) if row["timer"] else {}
        assert row["running_timers"] == bool(timer.get("runs_on"))
        return bool(timer.get("runs_on"))


def paused() -> Guide:
    return Guide().says("Unknown", "MovieDetails", "background", seconds=20)


def test_G3_a_timer_that_runs_on_is_the_foreground_and_marked() -> None:
    story = paused()
    for beat in range(30):
        story.says("Unknown")
        assert story.shown() == (FOREGROUND, "MovieDetails")
        assert story.runs_on() == (beat >= 2)
    assert story.reasons()[-1] == (APP, "resumed")


def test_a_timer_is_out_of_step_with_the_pause() -> None:
    story = paused().says("Unknown", seconds=80).says("Unknown", "Unknown")
    assert story.runs_on()


def test_one_lost_beat_of_a_timer_is_no_person() -> None:
    assert paused().says("Unknown", "Unknown").says("Unknown", "Unknown", seconds=240).runs_on()


@pytest.mark.parametrize("away_seconds", [30, 100, 250])
def test_a_person_who_comes_back_and_watches_is_not_marked(away_seconds: float) -> None:
    """The resume is out of step with the timer."""
    story = paused().says("Unknown", seconds=away_seconds).says("Unknown", seconds=37)
    story.says(*["Unknown"] * 20)
    assert (story.shown(), story.runs_on()) == ((FOREGROUND, "MovieDetails"), False)


def test_an_app_that_was_suspended_for_long_is_not_marked() -> None:
    story = paused().says("Unknown", seconds=290).says(*["Unknown"] * 20)
    assert not story.runs_on()


def test_a_timer_in_the_foreground_is_no_sign_of_one_in_the_background() -> None:
    assert not Guide().says("Unknown", "MovieDetails", *["Unknown"] * 20).runs_on()


@pytest.mark.parametrize(
    "news",
    [{"screen": "Cart"}, {"app_state": "resumed"}, {"screen": "Unknown", "token": "t2"}],
    ids=["a screen", "an app state", "another token"],
)
def test_what_a_timer_does_not_say_ends_the_mark(news: dict[str, str]) -> None:
    story = paused().says(*["Unknown"] * 3)
    assert story.runs_on()
    story.wait(120).beat(**{"device_info": APP, **news})
    assert not story.runs_on()
    assert not story.says("Unknown", "Unknown").runs_on()


def test_somebody_who_comes_back_between_two_beats_ends_the_mark() -> None:
    story = paused().says(*["Unknown"] * 3).says("Unknown", seconds=50)
    assert not story.runs_on()


def test_the_mark_goes_with_the_session() -> None:
    story = paused().says(*["Unknown"] * 3).wait(301)
    assert story.shown() == ("offline", None)
    assert not story.runs_on()
    assert not story.says("Unknown", "Unknown", "Unknown").runs_on()


def test_every_device_of_a_user_has_its_own_mark() -> None:
    story = paused()
    for _ in range(4):
        story.says("Unknown").beat("tablet", "Film", token="t2")
    assert story.user()["running_timers"] == 1
    assert story.devices()[APP]["timer"]["runs_on"]
    assert story.devices()["tablet"]["timer"] is None
