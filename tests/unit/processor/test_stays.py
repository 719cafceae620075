"""What a story leaves in analytics: spans, sessions, windows, samples and active days."""

from __future__ import annotations

import random
from typing import Any

import pytest
from msgspec.structs import replace

from processor.core.analytics.spans_and_sessions import Session, Span
from processor.core.effects import Effects
from schemas.log.events import Connect, Disconnect
from tests.unit.processor.presence_story import POLICY, START_MS, Story, heartbeat

MINUTE = 60


def spans(story: Story) -> list[tuple[Any, ...]]:
    """State, screen, start, end as shown, end for engagement (seconds), what ended it, view."""
    found = [logged.finding for logged in effects(story).spans]
    return [
        (
            *(span.state, span.screen),
            *(story.seconds(ms) for ms in (span.started_ms, span.shown_until_ms, span.ended_ms)),
            *(span.ended_by, span.is_view),
        )
        for span in found
        if isinstance(span, Span)
    ]


def sessions(story: Story) -> list[Session]:
    return [logged.finding for logged in effects(story).sessions]


def effects(story: Story) -> Effects:
    return story.processor.effects


def minutes(story: Story) -> dict[tuple[float, str], tuple[int, ...]]:
    """Views, visits, dwell in seconds, exits and bounces by minute (seconds) and screen."""
    return {
        (story.seconds(minute), screen): (
            counts.views,
            counts.visits,
            counts.dwell_ms // 1000,
            counts.exits,
            counts.bounces,
        )
        for (minute, screen), counts in effects(story).windows.minutes.items()
    }


def test_each_screen_is_a_span_until_the_next() -> None:
    story = Story().beat("a", "home").wait(20).beat("a", "cart").wait(10).logout("a")
    assert spans(story) == [
        ("foreground", "home", 0, 20, 20, "navigated", True),
        ("foreground", "cart", 20, 30, 30, "logged_out", True),
    ]


def test_a_timer_ends_no_span() -> None:
    story = Story().beat("a", "home").wait(20).beat("a", "Unknown").wait(20).beat("a", "home")
    assert spans(story) == []


def test_a_resume_on_the_same_screen_is_a_visit_and_no_view() -> None:
    story = Story().beat("a", "home").wait(20).beat("a", "background").wait(10)
    story.beat("a", "Unknown").wait(10).beat("a", "cart")
    assert spans(story) == [
        ("foreground", "home", 0, 20, 20, "backgrounded", True),
        ("background", "home", 20, 30, 30, "resumed", False),
        ("foreground", "home", 30, 40, 40, "navigated", False),
    ]


def test_a_resume_on_another_screen_is_a_view() -> None:
    story = Story().beat("a", "home").wait(20).beat("a", "background").wait(10).beat("a", "cart")
    story.wait(5).logout("a")
    assert spans(story)[-1] == ("foreground", "cart", 30, 35, 35, "logged_out", True)


def test_silence_is_shown_but_is_no_engagement() -> None:
    story = Story().beat("a", "home").wait(60).beat("a").wait(400)
    assert spans(story) == [("foreground", "home", 0, 360, 60, "timed_out", True)]
    [session] = sessions(story)
    assert (session.ended_ms, session.shown_until_ms) == (START_MS + 60_000, START_MS + 360_000)
    assert session.foreground_ms == 60_000


def test_after_a_lost_socket_engagement_ends_with_what_was_last_heard() -> None:
    story = Story()
    story.record(Connect(user="ann", token="t1", device_id="a", screen="home", connection="c"))
    story.wait(100)
    story.record(Disconnect(user="ann", connection="c", silent_ms=40_000))
    story.wait(60)
    assert spans(story) == [("foreground", "home", 0, 130, 60, "disconnected", True)]


def test_a_lost_socket_takes_nothing_from_a_visit_that_was_heard_of_since() -> None:
    story = Story().connect("dead", screen="home").connect("new").wait(50).renew("new").wait(20)
    story.hang_up("new", by_server=True).hang_up("dead", silent_ms=60_000).wait(60)
    assert spans(story) == [("foreground", "home", 0, 100, 50, "disconnected", True)]


def test_a_session_counts_its_views_and_visits() -> None:
    story = Story().beat("a").wait(5).beat("a", "home").wait(10).beat("a", "background")
    story.wait(10).beat("a", "Unknown").wait(10).beat("a", "background").wait(5).logout("a")
    [session] = sessions(story)
    assert (session.views, session.visits, session.foreground_ms) == (2, 3, 25_000)
    assert (session.entry_screen, session.exit_screen) == (None, "home")
    assert (session.started_ms, session.ended_ms) == (START_MS, START_MS + 40_000)


def test_a_session_that_was_never_in_the_foreground_has_no_view() -> None:
    story = Story().beat("a", "background").wait(10).logout("a")
    [session] = sessions(story)
    assert (session.views, session.visits, session.exit_screen) == (0, 0, None)
    assert effects(story).windows.minutes == {}


def test_a_span_of_a_day_is_continued() -> None:
    story = Story(replace(POLICY, offline_after_ms=100_000_000)).beat("a", "film")
    story.record(heartbeat("a", "film"), at=86_399)
    story.record(heartbeat("a", "film"), at=86_500)
    assert spans(story) == [("foreground", "film", 0, 86_500, 86_500, "continued", True)]
    story.now = 86_600
    story.logout("a")
    assert spans(story)[1] == ("foreground", "film", 86_500, 86_600, 86_600, "logged_out", False)
    [span] = [each.finding for each in effects(story).spans[1:]]
    assert span.changed_ms == START_MS
    assert sum(counts[0] for counts in minutes(story).values()) == 1


def test_a_continued_span_says_what_was_known_before_the_event_that_ended_it() -> None:
    story = Story(replace(POLICY, offline_after_ms=100_000_000))
    story.beat("a", "film", name="Ann", app_version="1.0")
    story.record(heartbeat("a", "film", name="Anna", app_version="1.1"), at=86_400)
    [span] = [each.finding for each in effects(story).spans]
    assert (span.name, span.app_version, span.ended_by) == ("Ann", "1.0", "continued")


def test_a_span_keeps_what_phone_and_user_told_earlier_in_it() -> None:
    story = Story().beat("a", "home", name="Ann", app_version="1.0").beat("b", "cart").wait(10)
    story.beat("a", app_version="1.1").wait(5).beat("b", name="Anna", platform="ios").wait(5)
    story.beat("a", "film", app_version="1.2").logout("a").logout("b")
    told = {
        (span.device, span.screen): [
            (story.seconds(past.until_ms), past.name, past.app_version, past.platform)
            for past in span.told_before
        ]
        for span in (logged.finding for logged in effects(story).spans)
    }
    assert told == {
        ("a", "home"): [(10, "Ann", "1.0", None), (15, "Ann", "1.1", None)],
        ("a", "film"): [],
        ("b", "cart"): [(15, "Ann", None, None)],
    }


def test_of_what_was_told_in_a_span_the_last_is_kept() -> None:
    story = Story().beat("a", "home", app_version="0")
    for version in range(1, 31):
        story.wait(1).beat("a", app_version=str(version))
    story.logout("a")
    [span] = [logged.finding for logged in effects(story).spans]
    assert [past.app_version for past in span.told_before] == [str(n) for n in range(14, 30)]
    assert span.app_version == "30"


def test_windows_count_views_at_their_start_and_dwell_at_their_end() -> None:
    story = Story().beat("a", "home").wait(70).beat("a", "cart").wait(20).logout("a")
    first, second = START_MS - START_MS % 60_000, START_MS + 70_000
    second -= second % 60_000
    last = START_MS + 90_000 - (START_MS + 90_000) % 60_000
    at = {name: story.seconds(ms) for name, ms in (("1", first), ("2", second), ("3", last))}
    found = minutes(story)
    assert found[at["1"], "home"] == (1, 0, 0, 0, 0)
    assert found[at["2"], "home"] == (0, 1, 70, 0, 0)
    assert sum(found[minute, "cart"][0] for minute in {at["2"], at["3"]}) == 1
    assert found[at["3"], "cart"][1:] == (1, 20, 1, 0)


def test_transitions_lead_from_start_to_end() -> None:
    story = Story().beat("a").wait(1).beat("a", "home").wait(1).beat("a", "cart").wait(1)
    story.beat("a", "background").wait(1).logout("a")
    found = {(f, t): n for (_, f, t), n in effects(story).windows.transitions.items()}
    assert found == {
        ("(start)", "(none)"): 1,
        ("(none)", "home"): 1,
        ("home", "cart"): 1,
        ("cart", "(end)"): 1,
    }


def test_beyond_the_cap_screens_are_other_in_windows_and_themselves_in_spans() -> None:
    story = Story(replace(POLICY, max_screens=2))
    for screen in ("one", "two", "three", "one"):
        story.beat("a", screen).wait(1)
    assert {screen for _, screen in minutes(story)} == {"one", "two", "(other)"}
    assert [span[1] for span in spans(story)] == ["one", "two", "three"]
    assert story.user()["screen"] == "one"
    story.wait(70).beat("a", "three").wait(1).beat("a", "four")  # another minute, other names
    assert "three" in {screen for _, screen in minutes(story)}


def test_A1_screens_that_were_steady_the_day_before_count_among_a_thousand_ids() -> None:
    """Ids in names came first on the day before, too."""
    story = Story()
    for number in range(1_000):
        story.beat("a", f"/product/{number}", user=f"early-{number}")
        story.now += 0.5
    for number in range(5):
        for screen in ("Checkout", "Payment"):
            story.now += 60
            story.beat("a", screen, user=f"{screen}-{number}").logout(
                "a", user=f"{screen}-{number}"
            )
    views = [(f"/product/{number}", f"user-{number}") for number in range(1_000)]
    views += [(screen, f"{screen}-{n}") for screen in ("Checkout", "Payment") for n in range(5)]
    random.Random(14).shuffle(views)  # 300 ids come first
    begin = 86_400 - (START_MS // 1000) % MINUTE
    for place, (screen, user) in enumerate(views):
        story.now = begin + place * MINUTE / len(views)
        story.beat("b", screen, user=user)
    counted = {screen: counts[0] for (at, screen), counts in minutes(story).items() if at == begin}
    assert (counted["Checkout"], counted["Payment"]) == (5, 5)
    assert sum(counted.values()) == len(views)


def test_a_screen_with_a_name_of_ours_is_other_and_no_end_of_a_session() -> None:
    story = Story().beat("a", "home").wait(1)
    for screen in ("(end)", "(start)", "(none)", "(other)"):
        story.beat("a", screen).wait(1)
    assert {screen for _, screen in minutes(story)} == {"home", "(other)"}
    found = {(f, t): n for (_, f, t), n in effects(story).windows.transitions.items()}
    assert found == {("(start)", "home"): 1, ("home", "(other)"): 1, ("(other)", "(other)"): 3}
    assert [name[:2] for name in effects(story).windows.names] == [
        (START_MS - START_MS % 60_000, "home")
    ]


def test_samples_by_screen_name_those_with_most_users_and_all_that_have_none() -> None:
    story = Story(replace(POLICY, max_screens=1))
    for user, screen in enumerate([None, "home", "home", "cart", "film", "film", "(other)"]):
        story.beat("a", screen, user=f"user-{user}")
    story.wait(120)
    first = next(sample for sample in effects(story).samples if sample.screens)
    assert first.screens == (("(none)", 1), ("(other)", 4), ("film", 2))


def test_samples_say_how_it_was_at_whole_ten_seconds() -> None:
    story = Story()
    story.record(heartbeat("a", "home"), at=0)
    for second in range(1, 31):
        story.record(at=second)
    story.now = 31
    story.beat("a", "background").wait(20)
    found = {story.seconds(s.at_ms): (s.foreground, s.background) for s in effects(story).samples}
    assert found == {0: (1, 0), 10: (1, 0), 20: (1, 0), 30: (1, 0), 40: (0, 1), 50: (0, 1)}


def test_an_outage_leaves_a_gap_in_the_samples() -> None:
    story = Story().beat("a", "home").wait(10).outage(100).wait(20)
    seconds = [story.seconds(sample.at_ms) for sample in effects(story).samples]
    assert seconds == [0, 10, 110, 120]


def test_what_is_noticed_late_is_noted_as_late() -> None:
    story = Story().beat("a", "home").wait(10).outage(4000).wait(3000)
    [quarter] = {quarter for quarter, _ in effects(story).windows.late_quarters}
    assert quarter == START_MS - START_MS % 900_000 + (
        0 if START_MS % 900_000 < 890_000 else 900_000
    )


@pytest.mark.parametrize(("noticed_after", "late"), [(1_799, False), (1_800, True)])
@pytest.mark.parametrize("into", [0, 200])
def test_a_quarter_hour_is_late_once_it_has_been_over_for_as_long(
    into: int, noticed_after: int, late: bool
) -> None:
    quarter = 900 - START_MS // 1000 % 900
    story = Story(replace(POLICY, outage_gap_ms=10**9))
    story.record(heartbeat("a", "home"), at=quarter + into)
    story.record(at=quarter + noticed_after)
    assert {story.seconds(q) for q, _ in effects(story).windows.late_quarters} == (
        {quarter} if late else set()
    )


def test_a_user_is_active_on_a_day_once_and_new_once() -> None:
    story = Story(replace(POLICY, reporting_time_zone="Asia/Kolkata", offline_after_ms=10**9))
    story.beat("a", "home").wait(10).beat("b", "home")
    story.now = 86_400
    story.beat("a")
    found = [(each.is_new, each.used.device) for each in effects(story).user_days]
    assert found == [(True, "a"), (False, "a")]
    first, second = (each.day for each in effects(story).user_days)
    assert second == first + 1


def test_the_background_is_no_activity() -> None:
    story = Story().beat("a", "background").wait(100).beat("a", "background")
    assert effects(story).user_days == []


def test_whoever_is_evicted_has_been_active_until_then() -> None:
    story = Story(replace(POLICY, offline_after_ms=10**9)).beat("a", "home", app_version="1.0")
    for n in range(15):
        story.beat(f"d{n:02}", "background")
    story.now = 86_400
    story.beat("late", "background")
    assert spans(story) == [("foreground", "home", 0, 86_400, 86_400, "evicted", True)]
    found = [(each.is_new, each.used.app_version) for each in effects(story).user_days]
    assert found == [(True, "1.0"), (False, "1.0")]
