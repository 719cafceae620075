"""The accuracy report's maths, by cases that are worked out by hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import msgspec
import pytest

from deploy.simulate.behaviour import State
from deploy.simulate.report.chart import Axis, Line, standing_alone
from deploy.simulate.report.counts import MOST_KEPT, Counted, Counts
from deploy.simulate.report.durations import Durations
from deploy.simulate.report.ledger import SLACK_SECONDS, Leaving, Ledger, Shown
from deploy.simulate.report.page import page
from deploy.simulate.report.recount import missing
from deploy.simulate.report.result import Acknowledged, Looks, Report, Run, made, schema
from deploy.simulate.report.words import duration, headline

WINDOW = 300.0
HOME, CART = Shown("foreground", "Home"), Shown("foreground", "Cart")
AWAY, BACKGROUND, FOREGROUND = State.AWAY, State.BACKGROUND, State.FOREGROUND


class Story:
    """One user with one phone, and a client that looks."""

    def __init__(self) -> None:
        self.ledger = Ledger(WINDOW)

    def does(
        self,
        at: float,
        state: State,
        screen: str = "Home",
        leaving: Leaving = "without a word",
        phone: str = "phone",
    ) -> Story:
        self.ledger.happened("ada", phone, at, state, screen, leaving)
        return self

    def shown(self, at: float, shown: Shown | None) -> Story:
        self.ledger.shows(at, {} if shown is None else {"ada": shown})
        return self

    def detected(self, what: str) -> float | None:
        found = {str(name): times for name, times in self.ledger.sums.detected.items()}
        return found[what].percentile(0.5) if what in found else None


def test_an_arrival_is_not_yet_seen_until_it_is_shown_and_that_is_its_detection() -> None:
    story = Story().does(100, FOREGROUND).shown(101, None).shown(102, HOME)
    sums = story.ledger.close(110)
    assert (sums.not_yet_seen, sums.dropped, sums.dropped_episodes) == (2, 0, 0)
    assert story.detected("arrival") == pytest.approx(2, rel=0.02)
    assert sums.true_dwell == {"Home": 10}
    assert sums.shown_dwell == {"Home": 8}


def test_who_was_shown_and_is_shown_no_more_was_dropped_once_however_long() -> None:
    story = Story().does(100, FOREGROUND).shown(101, HOME)
    story.shown(200, None).does(210, FOREGROUND, "Cart").shown(220, CART).shown(230, None)
    sums = story.ledger.close(235)
    assert (sums.not_yet_seen, sums.dropped, sums.dropped_episodes) == (1, 25, 2)


def test_a_silent_departure_is_within_the_rule_until_the_window_is_over() -> None:
    story = Story().does(0, FOREGROUND).shown(1, HOME).does(100, AWAY).shown(420, None)
    sums = story.ledger.close(1000)
    assert sums.within_rule == WINDOW + SLACK_SECONDS
    assert (sums.beyond_rule, sums.beyond_rule_episodes) == (320 - WINDOW - SLACK_SECONDS, 1)
    assert story.detected("departure, without a word") == pytest.approx(320, rel=0.02)


def test_after_a_logout_nothing_but_the_slack_is_within_the_rule() -> None:
    story = Story().does(0, FOREGROUND).shown(1, HOME)
    story.does(100, AWAY, leaving="logged out").shown(101, None).shown(140, HOME).shown(150, None)
    sums = story.ledger.close(200)
    assert (sums.within_rule, sums.beyond_rule, sums.beyond_rule_episodes) == (1, 10, 1)
    assert story.detected("departure, logged out") == pytest.approx(1, rel=0.02)


def test_who_comes_back_while_still_shown_is_neither_an_arrival_nor_a_departure_seen() -> None:
    story = Story().does(0, FOREGROUND).shown(1, HOME).does(100, AWAY).does(150, FOREGROUND)
    sums = story.ledger.close(200)
    assert dict(sums.unseen) == {"departure, without a word": 1}
    assert sums.detected["arrival"].count == 1
    assert sums.within_rule == 50
    assert sums.not_yet_seen + sums.dropped == 1


def test_a_screen_that_another_one_overtakes_was_unseen() -> None:
    story = Story().does(0, FOREGROUND).shown(1, HOME)
    story.does(10, FOREGROUND, "Search").does(11, FOREGROUND, "Cart").shown(13, CART)
    assert dict(story.ledger.sums.unseen) == {"screen change": 1}
    assert story.detected("screen change") == pytest.approx(2, rel=0.02)
    assert story.ledger.close(20).shown_dwell == {"Home": 12, "Cart": 7}


def test_background_and_back_are_changes_of_their_own() -> None:
    story = Story().does(0, FOREGROUND).shown(1, HOME)
    story.does(10, BACKGROUND).shown(13, Shown("background", "Home"))
    story.does(20, FOREGROUND).shown(24, HOME)
    assert story.detected("to the background") == pytest.approx(3, rel=0.02)
    assert story.detected("back to the foreground") == pytest.approx(4, rel=0.02)
    sums = story.ledger.close(30)
    assert sums.by_states[BACKGROUND, "foreground"] == 3
    assert sums.by_states[FOREGROUND, "background"] == 4


def test_a_user_has_the_best_state_of_their_phones_and_its_latest_screen() -> None:
    story = Story().does(0, FOREGROUND, phone="phone").does(5, FOREGROUND, "Cart", phone="tablet")
    story.does(9, FOREGROUND, "Home", phone="phone")
    assert story.ledger.online == 1
    story.does(10, AWAY, "Cart", phone="tablet", leaving="logged out")
    assert story.ledger.online == 1
    sums = story.ledger.close(20)
    assert sums.true_dwell == {"Home": 15, "Cart": 5}
    story.does(20, AWAY, phone="phone")
    assert story.ledger.online == 0


def test_nobody_is_judged_before_their_first_action() -> None:
    story = Story().shown(5, HOME)
    assert "ada" not in story.ledger
    assert not story.ledger.close(50).by_states


def test_percentiles_are_those_of_the_sorted_list_to_two_percent() -> None:
    durations = Durations()
    for number in range(1, 1001):
        durations.add(number / 100)
    for share, expected in ((0.5, 5.0), (0.95, 9.5), (0.99, 9.9), (1.0, 10.0)):
        assert durations.percentile(share) == pytest.approx(expected, rel=0.02)
    assert Durations().percentile(0.5) is None
    curve = durations.curve(10)
    assert 5 <= len(curve) <= 11
    assert curve[-1][1] == 1
    for seconds, share in curve:
        assert share == pytest.approx(min(1, seconds / 10), rel=0.02)


def test_every_look_at_the_count_is_in_the_sums_and_a_bounded_series_in_the_plot() -> None:
    counts = Counts()
    for number in range(5_000):
        counts.add(Counted(float(number), true=10, shown=10 + (1 if number % 2 else -3)))
    assert counts.looks == 5_000
    assert (counts.mean_error, counts.mean_absolute_error) == (-1, 2)
    assert (counts.absolute_percentile(0.5), counts.absolute_percentile(0.95)) == (1, 3)
    assert MOST_KEPT / 2 < len(counts.kept) <= MOST_KEPT
    assert counts.kept[0].at == 0
    assert counts.kept[-1].at > 4_900


# -- what is made of it

ROOT = Path(__file__).parents[3]


def report_of(story: Story, *, absent: int | None = 0, trouble: bool = False) -> Report:
    counts = Counts()
    counts.add(Counted(1.0, true=1, shown=1))
    counts.add(Counted(2.0, true=1, shown=0))
    run = Run(
        url="http://rollcall.example/<b>",
        began_at="2026-03-30T12:00:00Z",
        seconds=200.0,
        users=1,
        phones=1,
        phones_on_sockets=0,
        seed=1,
        window_seconds=WINDOW,
        trouble={"loss": 0.1} if trouble else {},
        other_users=3,
    )
    looks = Looks(2, 0, 0, 0.2, 0.4, 5, 4, 0.6, 0.9, 1)
    return made(run, story.ledger.close(3600), counts, Acknowledged(7, 1, absent), looks)


def dropped_for_a_minute() -> Story:
    return Story().does(0, FOREGROUND).shown(1, HOME).shown(600, None).shown(660, HOME)


def test_rates_are_of_the_time_in_the_foreground_and_of_the_time_away() -> None:
    story = dropped_for_a_minute().does(1800, AWAY, leaving="logged out")
    report = report_of(story.shown(1810, None))
    assert report.user_hours == {
        "foreground": {"foreground": round(1739 / 3600, 4), "offline": round(61 / 3600, 4)},
        "away": {"foreground": round(10 / 3600, 4), "offline": round(1790 / 3600, 4)},
    }
    assert report.false_offline.rate == round(60 / 1800, 6)
    assert report.false_offline.dropped_per_1000_hours == 2000
    assert report.false_online.rate == round(5 / 1800, 6)
    assert [(each.screen, each.error) for each in report.dwell] == [("Home", -0.0283)]
    assert (report.count.mean, report.count.p95_absolute) == (-0.5, 1)


def test_the_report_is_as_its_published_schema_says() -> None:
    report = json.loads(msgspec.json.encode(report_of(dropped_for_a_minute())))
    jsonschema.validate(report, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**report, "count": None}, schema())
    committed = ROOT / "deploy/simulate/report/report.schema.json"
    assert json.loads(committed.read_text()) == schema(), "make docs"


def test_what_should_be_none_is_marked_unless_the_network_was_bad() -> None:
    plain = {each.name: each.mood for each in headline(report_of(dropped_for_a_minute()))}
    assert plain["False offline"] == "bad"
    troubled = report_of(dropped_for_a_minute(), absent=2, trouble=True)
    moods = {each.name: each.mood for each in headline(troubled)}
    assert (moods["False offline"], moods["Acknowledged and missing"]) == ("plain", "bad")


def test_the_page_loads_nothing_and_escapes_what_it_is_told() -> None:
    text = page(report_of(dropped_for_a_minute()))
    assert "rollcall.example/&lt;b&gt;" in text
    for word in ("<script", "src=", "@import", "url(", "<link"):
        assert word not in text
    assert "Up to 3 users on the list are none of this simulation" in text


def test_too_many_of_one_user_hide_nothing_of_another() -> None:
    assert missing(Counter(ada=3, bob=2), Counter(ada=5, bob=1)) == 1


def test_a_picture_is_xml_and_a_logarithm_leaves_nothing_out_but_zeros() -> None:
    lines = [Line("one & two", [(1, 0.0), (2, 0.5), (3, 50)], 1, dots=True)]
    picture = standing_alone("<title>", [("a", lines, Axis("x"), Axis("y", 0.001, is_log=True))])
    root = ElementTree.fromstring(picture)  # noqa: S314 - our own
    circles = root.iter("{http://www.w3.org/2000/svg}circle")
    assert len(list(circles)) == 2 + 1  # and one in the legend


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(None, "–"), (0.25, "250 ms"), (2, "2.0 s"), (300, "5.0 min"), (7200, "2.0 h")],
)
def test_durations_are_told_in_their_unit(seconds: float | None, told: str) -> None:
    assert duration(seconds) == told
