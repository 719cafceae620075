"""What a person should see of somebody with the guide's app: state, screen and Last Active after
each thing that the app does. Its events are those that ingest makes of its bytes
(tests/contract/test_dart_client.py)."""

from __future__ import annotations

from msgspec.structs import replace

from tests.guide_app import BACKGROUND, MOVIE_DETAILS, TIMER_SECONDS, UNKNOWN, event_of, logout_of
from tests.unit.processor.presence_story import POLICY, Story

TOKEN = "sha256:guide"


class GuideApp(Story):
    """One phone; a tick comes every 10 s."""

    def __init__(self, timer_seconds: float = 120) -> None:
        super().__init__(replace(POLICY, background_timer_ms=round(1000 * timer_seconds)))

    def sends(self, body: bytes, after: float = 0) -> GuideApp:
        self.wait(after)
        self.record(event_of(body, user="ann", token=TOKEN))
        return self

    def logs_out(self, after: float = 0) -> GuideApp:
        self.wait(after)
        self.record(logout_of(user="ann", token=TOKEN))
        return self

    def seen(self) -> tuple[str, str | None, float]:
        """State, screen and the second of Last Active."""
        row = self.user()
        return row["state"], row["screen"], self.seconds(row["last_active_ms"])


def started(timer_seconds: float = 120) -> GuideApp:
    return GuideApp(timer_seconds).sends(UNKNOWN)


def watching(timer_seconds: float = 120) -> GuideApp:
    """On MovieDetails since second 30."""
    return started(timer_seconds).sends(MOVIE_DETAILS, after=30)


def test_start_is_online_on_no_screen_yet() -> None:
    story = started()
    assert story.seen() == ("foreground", None, 0)
    assert story.user()["app_version"] == "1.0.0"
    assert story.user()["device_info"] == "Flutter App"


def test_the_timer_is_a_sign_of_life_and_no_news() -> None:
    story = watching().sends(UNKNOWN, after=90)
    assert story.seen() == ("foreground", "MovieDetails", 120)
    for beat in range(2, 12):
        story.sends(UNKNOWN, after=TIMER_SECONDS)
        assert story.seen() == ("foreground", "MovieDetails", 120 * beat)
    assert [reason for _, reason in story.reasons()] == ["started", "navigated"]


def test_navigation_names_the_screen() -> None:
    assert watching().seen() == ("foreground", "MovieDetails", 30)


def test_pause_is_the_background_on_the_screen_that_it_had_and_then_offline() -> None:
    story = watching().sends(BACKGROUND, after=20)
    assert story.seen() == ("background", "MovieDetails", 50)
    story.wait(299)
    assert story.seen() == ("background", "MovieDetails", 50)
    story.wait(1)
    assert story.seen() == ("offline", None, 50)
    assert story.went("Flutter App") == ("timed_out", 350)


def test_resume_is_the_foreground_on_the_screen_known_before() -> None:
    story = watching().sends(BACKGROUND, after=20).sends(UNKNOWN, after=33)
    assert story.seen() == ("foreground", "MovieDetails", 83)
    assert story.user()["reason"] == "resumed"


def test_the_timer_after_a_pause_changes_nothing_and_the_app_goes_offline() -> None:
    """The guide's fourth step, on a system that lets timers run."""
    story = watching().sends(BACKGROUND, after=20)
    for after in (70, TIMER_SECONDS):
        assert story.sends(UNKNOWN, after=after).seen() == ("background", "MovieDetails", 50)
    for after in (TIMER_SECONDS, TIMER_SECONDS, 20 * TIMER_SECONDS):
        assert story.sends(UNKNOWN, after=after).seen() == ("offline", None, 50)
    assert story.went("Flutter App") == ("timed_out", 350)


def test_without_a_period_the_timer_after_a_pause_looks_like_a_resume_and_is_marked() -> None:
    """The session is shown, and says that its timer runs on."""
    story = watching(timer_seconds=0).sends(BACKGROUND, after=20).sends(UNKNOWN, after=70)
    assert story.seen() == ("foreground", "MovieDetails", 120)
    for beat in range(2, 31):
        story.sends(UNKNOWN, after=TIMER_SECONDS)
        assert story.seen() == ("foreground", "MovieDetails", 120 * beat)
        assert story.user()["running_timers"] == (beat >= 3)


def test_logout_is_offline_at_once_and_late_beats_change_nothing() -> None:
    story = watching().logs_out(after=20)
    assert story.seen() == ("offline", None, 30)
    assert story.went("Flutter App") == ("logged_out", 50)
    for after in (1, 20, 40, 200):
        story.sends(BACKGROUND, after=after).sends(UNKNOWN, after=1)
        assert story.seen() == ("offline", None, 30)
