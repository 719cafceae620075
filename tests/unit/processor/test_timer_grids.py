"""What comes on the grid of the timer that the guide's app leaves running in the background counts
for nothing, and what comes off it is a person (``processor/core/timers.py``, decision 14)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from processor.settings import ProcessorSettings
from tests.unit.processor.presence_story import POLICY, Story

APP = "Flutter App"
SHOWN = ("foreground", "MovieDetails")
BACKGROUND = ("background", "MovieDetails")


class Guide(Story):
    """A phone with the guide's app, which started at second 0."""

    def __init__(self, period_seconds: int = 120) -> None:
        super().__init__(replace(POLICY, background_timer_ms=1000 * period_seconds))
        self.says("Unknown")

    def says(self, screen: str, at: float = 0, **fields: str) -> Guide:
        """Something at that second."""
        self.wait(at - self.now)
        self.beat(screen=screen, device_info=APP, app_version="1.0.0", **fields)
        return self


def paused() -> Guide:
    """At second 50."""
    return Guide().says("MovieDetails", 30).says("background", 50)


def test_the_default_is_the_grid_of_the_guides_timer() -> None:
    assert ProcessorSettings().policy.background_timer_ms == 120_000


def test_a_period_in_which_most_instants_are_on_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="use 30 or more, or 0"):
        ProcessorSettings(background_timer_seconds=3)


def test_a_timer_in_the_background_is_no_resume_and_no_sign_of_life() -> None:
    story = paused()
    for at in (120, 240):
        assert story.says("Unknown", at).shown() == BACKGROUND
    story.wait(109)
    assert (story.shown(), story.seconds(story.user()["last_active_ms"])) == (BACKGROUND, 50)
    assert story.wait(1).shown() == ("offline", None)
    assert story.went(APP) == ("timed_out", 350)


def test_a_timer_that_runs_on_for_a_day_opens_no_session() -> None:
    story = paused()
    story.wait(300)
    for beat in (4, 5, 30, 720):
        assert story.says("Unknown", 120 * beat + 0.4).shown() == ("offline", None)


@pytest.mark.parametrize("at", [100, 117.9, 122.1, 200])
def test_off_the_grid_it_is_a_person_who_came_back(at: float) -> None:
    assert paused().says("Unknown", at).shown() == SHOWN


@pytest.mark.parametrize("at", [118, 121.9, 241.9])
def test_a_beat_is_on_the_grid_where_it_is_two_seconds_off(at: float) -> None:
    assert paused().says("Unknown", at).shown() == BACKGROUND


def test_the_timer_cannot_beat_before_its_first_period() -> None:
    assert Guide().says("background", 1).says("Unknown", 1.5).shown() == ("foreground", None)


@pytest.mark.parametrize(
    "said",
    [{"screen": "Cart"}, {"screen": "Unknown", "app_state": "resumed"}],
    ids=["a screen", "an app state"],
)
def test_what_no_timer_says_is_a_person_on_the_grid_too(said: dict[str, str]) -> None:
    assert paused().says(**said, at=120).shown()[0] == "foreground"


def test_another_token_is_a_person() -> None:
    assert paused().says("Unknown", 120, token="t2").shown() == SHOWN


def test_a_background_with_an_app_state_leaves_no_timer() -> None:
    """Who says so stops it, or tells of a resume as well."""
    story = Guide().says("MovieDetails", 30).says("MovieDetails", 50, app_state="paused")
    assert story.says("Unknown", 120).shown() == SHOWN


def test_after_an_offline_pause_somebody_off_the_grid_begins_a_session() -> None:
    story = paused()
    story.wait(400)
    assert story.says("Unknown", 500).shown() == ("foreground", None)


def test_an_app_that_went_on_brings_its_grid_into_the_next_session() -> None:
    """It comes back at second 500, and its timer goes on beating at 600, 720, …"""
    story = paused()
    story.wait(400)
    story.says("Unknown", 500).says("Film", 505).says("Unknown", 600).says("background", 650)
    assert story.says("Unknown", 720).shown() == ("background", "Film")


def test_a_phone_that_slept_has_another_grid_once_its_timer_beats_in_the_foreground() -> None:
    story = paused().says("Unknown", 290)
    assert story.says("Unknown", 330).says("background", 340).shown() == BACKGROUND
    assert story.says("Unknown", 450).shown() == BACKGROUND
    assert story.says("Unknown", 480).shown() == SHOWN


def test_a_logout_after_the_pause_ends_what_is_known_of_the_timer() -> None:
    story = paused()
    story.wait(350)
    story.logout()
    assert story.says("MovieDetails", 460).says("background", 465).shown() == BACKGROUND
    assert story.says("Unknown", 480).shown() == SHOWN


def test_a_timer_off_the_grid_is_marked_as_ever() -> None:
    story = paused().says("Unknown", 150).says("Unknown", 270).says("Unknown", 390)
    assert story.user()["running_timers"] == 1


def test_the_grid_is_stored_with_the_row() -> None:
    """Every record of a story goes through the row's form; a device beside others has its own."""
    story = paused()
    story.beat("tablet", "Film", token="t2")
    story.says("Unknown", 120)
    assert story.devices()[APP]["state"] == "background"
    assert story.devices()["tablet"]["state"] == "foreground"


def test_without_a_period_whatever_comes_is_a_person() -> None:
    story = Guide(period_seconds=0).says("MovieDetails", 30).says("background", 50)
    assert story.says("Unknown", 120).shown() == SHOWN


def test_an_app_with_another_period_is_told_by_the_setting() -> None:
    story = Guide(180).says("MovieDetails", 30).says("background", 50)
    assert story.says("Unknown", 120).shown() == SHOWN
    story = Guide(180).says("MovieDetails", 30).says("background", 50)
    assert story.says("Unknown", 180).shown() == BACKGROUND
