"""Screens, and one screen: numbers of a fleet that is counted here too, whatever its names are."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from schemas.measures.dwell import RELATIVE_ERROR
from tests.e2e.browser import HOSTILE, Api, look, sign_in, wait_until, watched_page
from tests.e2e.pages.weeks import PSEUDO, by_screen, folded, transitions
from tests.integration.processor.rollup_oracle import DAY, HOUR, MINUTE, QUARTER, floor
from tests.integration.processor.small_fleet import Fleet
from tests.rigs.api_harness import Table

SHOWN_IN_FLOWS = 12


def week(fleet: Fleet) -> tuple[datetime, datetime]:
    """What `7 d` is: six days of the zone and today."""
    today = fleet.day(fleet.as_of)
    edges = (today - 6 * DAY, today + DAY)
    start, end = (datetime(d.year, d.month, d.day, tzinfo=fleet.zone) for d in edges)
    return start.astimezone(UTC), end.astimezone(UTC)


def settle(page: Page) -> None:
    """Wait until every card has what it asked for."""
    expect(page.locator("[aria-busy=true]")).to_have_count(0)


def show(page: Page, api: Api, path: str) -> None:
    page.goto(api.origin + path)
    settle(page)


def read(page: Page, path: str) -> Any:
    """What the API tells this reader."""
    answer = page.request.get(urlsplit(page.url)._replace(path="", query="").geturl() + path)
    assert answer.ok, answer.text()
    return answer.json()


def rows_of(page: Page) -> dict[str, list[str]]:
    """Cells by screen: views, trend, users, dwell, p50, p95, exits, bounces, silence."""
    rows: list[tuple[str, list[str]]] = page.locator("#top-rows").evaluate(
        """body => [...body.rows].map(row => [
            row.querySelector(".screen-name").textContent,
            [...row.querySelectorAll("td")].map(cell => cell.innerText)])"""
    )
    return dict(rows)


def ms_of(text: str) -> float:
    """Of a length of time in words."""
    units = {"s": 1_000, "min": 60_000, "h": 3_600_000}
    parts = re.findall(r"([\d.,]+) (s|min|h)\b", text)
    return sum(float(number.replace(",", "")) * units[unit] for number, unit in parts)


def numbers_in(users: str) -> list[int]:
    """One number of users, or at least and at most so many."""
    return [int(number.replace(",", "")) for number in users.split(" – ")]


def numbers_of(card: Locator) -> list[list[str]]:
    """The table below a chart."""
    card.locator("summary").click()
    expect(card.locator("details tbody tr")).not_to_have_count(0)  # filled once it is open
    rows: list[list[str]] = card.locator("details table").evaluate(
        "table => [...table.rows].map(row => [...row.cells].map(cell => cell.textContent))"
    )
    card.locator("summary").click()
    return rows


#: What the page asks about its range.
TRENDS = re.compile("/api/v1/trends")


def asked_by(page: Page, act: Callable[[], object]) -> dict[str, str]:
    """The range that the page asks the API about then."""
    with page.expect_request(TRENDS) as asked:
        act()
    settle(page)
    return range_of(asked.value.url)


def range_of(url: str) -> dict[str, str]:
    query = parse_qs(urlsplit(url).query)
    return {name: query[name][0] for name in ("from", "to", "tz")}


@dataclass(frozen=True)
class Opened:
    """The page of the last seven days, what its console said, and the range that it asked about."""

    page: Page
    complaints: list[str]
    asked: dict[str, str]


@pytest.fixture(scope="module")
def opened(browser: Browser, weeks_api: Api) -> Iterator[Opened]:
    """Once, for tests that only read it."""
    with watched_page(browser) as (page, complaints):
        sign_in(page, weeks_api.origin)
        asked = asked_by(page, lambda: show(page, weeks_api, "/screens?range=7d"))
        yield Opened(page, complaints, asked)


@pytest.fixture
def seven_days(opened: Opened) -> Iterator[Page]:
    yield opened.page
    assert not opened.complaints, "\n".join(opened.complaints)


def test_the_top_screens_are_those_of_the_api_and_of_a_recount(
    seven_days: Page, opened: Opened, weeks: Fleet
) -> None:
    counted = by_screen(weeks, *week(weeks))
    told = read(seven_days, f"/api/v1/screens/engagement?{query_of(opened.asked)}")["items"]
    shown = rows_of(seven_days)
    assert list(shown) == [item["screen"] for item in told]
    assert set(shown) == set(counted)
    for item in told:
        views, _, _, dwell, p50, p95, exits, bounces, silence = shown[item["screen"]]
        mine = counted[item["screen"]]
        assert int(views.replace(",", "")) == item["views"] == mine.views
        assert int(exits.split()[0]) == item["exits"] == mine.exits
        assert int(bounces) == item["bounces"] == mine.bounces
        assert ms_of(dwell) == pytest.approx(sum(mine.dwells), rel=0.03)
        assert dwell.startswith("≥") is (mine.silent_ms > 0)
        share = 100 * mine.silent_ms / sum(mine.dwells)
        assert float(silence.removesuffix(" %")) == pytest.approx(share, abs=0.06)
        error = RELATIVE_ERROR + 0.03
        assert ms_of(p50) == pytest.approx(mine.percentile(0.5), rel=error)
        assert ms_of(p95) == pytest.approx(mine.percentile(0.95), rel=error)


def query_of(parameters: dict[str, str]) -> str:
    return "&".join(f"{name}={quote(value)}" for name, value in parameters.items())


def test_unique_users_are_told_up_to_where_they_are_known(seven_days: Page, weeks: Fleet) -> None:
    note = seven_days.locator("#users-note")
    expect(note).to_contain_text("Unique users are counted up to")
    until = read(seven_days, "/api/v1/screens/engagement?limit=1")["unique_users_to"]
    counted = by_screen(weeks, week(weeks)[0], datetime.fromisoformat(until))
    # Of two months (UTC) only bounds can be told.
    months = {week(weeks)[0].astimezone(weeks.zone).month, datetime.fromisoformat(until).month}
    for screen, cells in rows_of(seven_days).items():
        if screen not in counted:
            assert cells[2] == "–"
            continue
        numbers = numbers_in(cells[2])
        assert numbers[0] <= len(counted[screen].users) <= numbers[-1]
        assert len(numbers) <= len(months)


def test_unique_users_of_the_last_hour_are_counted(
    analyst: Page, weeks_api: Api, weeks: Fleet
) -> None:
    path = "/screens?range=1h&sort=unique_users"
    told = asked_by(analyst, lambda: show(analyst, weeks_api, path))
    expect(analyst.locator("#users-note")).to_be_empty()
    rows = rows_of(analyst)
    counted = by_screen(weeks, *(datetime.fromisoformat(told[edge]) for edge in ("from", "to")))
    expected = {screen: len(count.users) for screen, count in counted.items() if count.users}
    assert {screen: numbers_in(cells[2]) for screen, cells in rows.items()} == {
        screen: [users] for screen, users in expected.items()
    }
    assert list(rows) == sorted(rows, key=lambda screen: (-expected[screen], screen))


def test_bounds_small_groups_and_much_that_is_other_are_told(analyst: Page, weeks_api: Api) -> None:
    """In answers that this fleet does not give."""
    bounds = {"unique_users": None, "users_at_least": 1940, "users_at_most": 3105}
    other = {"share": 0.071}

    def answer(route: Route) -> None:
        told = route.fetch()
        items = [{**item, **bounds} for item in told.json()["items"]]
        items[0]["screen"] = "(suppressed)"
        answered = {**told.json(), "items": items, "other_share": other["share"]}
        route.fulfill(response=told, json=answered)

    called: list[str] = []
    analyst.on("request", lambda request: called.append(request.url))
    analyst.route("**/api/v1/screens/engagement?**sort=views", answer)
    show(analyst, weeks_api, "/screens?range=7d")
    # Users of two months.
    assert {cells[2] for cells in rows_of(analyst).values()} == {"1,940 – 3,105"}
    cell = analyst.locator("#top-rows td[title*='19 times in 20']").first
    expect(cell).to_have_attribute("title", "1,876 to 3,207, 19 times in 20")
    expect(analyst.locator("#users-note")).to_contain_text("each month (UTC) is counted apart")
    # Small groups are a row that leads nowhere.
    name = analyst.locator("#top-rows .screen-name").first
    expect(name).to_have_text("Small groups")
    assert name.evaluate("(element) => element.tagName") == "SPAN"
    expect(analyst.locator("#top-rows .swatch").first).to_be_hidden()
    assert any("screen=Home" in url or "screen=Cart" in url for url in called)
    assert not any("suppressed" in url for url in called)
    # More than a hundredth is said.
    expect(analyst.locator("#other-note")).to_contain_text("7.1 % of the views count as (other)")
    other["share"] = 0.01
    analyst.check("input[value='24h']", force=True)
    expect(analyst.locator("#other-note")).to_be_hidden()
    analyst.unroute("**/api/v1/screens/engagement?**sort=views")


def test_a_trend_is_beside_the_range_before(seven_days: Page, weeks: Fleet) -> None:
    start, _ = week(weeks)
    today = week(weeks)[1] - DAY
    now, before = (
        by_screen(weeks, start, today),
        by_screen(weeks, start - 7 * DAY, start - DAY),
    )
    for screen in ("Home", HOSTILE, PSEUDO):
        cell = rows_of(seven_days)[screen][1].strip()
        change = 100 * (now[screen].views / before[screen].views - 1)
        sign = {"+": 1, "−": -1, "±": 0}[cell[0]]
        assert sign * float(cell[1:].removesuffix(" %")) == pytest.approx(change, abs=0.51)
    assert seven_days.locator("#top-rows tr").first.locator("polyline").count() == 3


def test_the_chart_shows_what_its_table_and_the_api_say(
    analyst: Page, weeks_api: Api, weeks: Fleet
) -> None:
    show(analyst, weeks_api, "/screens?range=30d&show=Home")
    card = analyst.locator("#series")
    expect(card.locator(".plot canvas")).to_be_visible()
    heads, *rows = numbers_of(card)
    assert heads == ["Day", "Home", "Outages"]
    # Today counts although nobody may have come yet: it may have begun a moment ago.
    days = {weeks.day(v.started) for _, v in weeks.visits()} | {weeks.day(weeks.as_of)}
    per_day = {
        day: sum(
            v.is_view and v.screen == "Home" and weeks.day(v.started) == day
            for _, v in weeks.visits()
        )
        for day in days
    }
    shown = [int(views) for _, views, _ in rows]
    assert len(shown) == 30
    assert shown[-len(days) :] == [per_day[day] for day in sorted(days)]
    # The day with an outage is hatched and labelled, and says so to who does not see it.
    [told] = [outages for _, _, outages in rows if outages]
    assert rows[-3][2] == told
    assert told.startswith("12:00 to 12:40 CET (40 min): ")
    expect(card.locator("figcaption")).to_contain_text("Hatched: outages of ours")
    expect(card.locator(".plot-label")).to_contain_text("Outage: ")
    analyst.click("#series >> text=Dwell p95")
    settle(analyst)
    expect(card.locator("figcaption")).to_contain_text("Dwell p95 by day")
    assert "metric=dwell_p95_ms" in analyst.url


def test_transitions_are_those_of_a_recount_and_say_how_many_screens_are_folded(
    seven_days: Page, weeks: Fleet
) -> None:
    card = seven_days.locator("#flows")
    pairs, rest = folded(transitions(weeks, *week(weeks)), SHOWN_IN_FLOWS)
    assert rest > 1
    expect(card.locator("figcaption")).to_contain_text(f"{rest} more screens")
    _, *rows = numbers_of(card)
    assert {(row[0], row[1]): int(row[2].replace(",", "")) for row in rows} == dict(pairs)
    nodes = card.locator(".stream-node")
    sources, targets = ({pair[side] for pair in pairs} for side in (0, 1))
    expect(nodes).to_have_count(len(sources) + len(targets))
    expect(card.locator(".stream-link")).to_have_count(len(pairs))


def test_hostile_names_are_text_wherever_they_are_shown(
    analyst: Page, weeks_api: Api, weeks: Fleet
) -> None:
    show(analyst, weeks_api, f"/screens?range=7d&show={quote(HOSTILE)}&show={quote(PSEUDO)}")
    assert {HOSTILE, PSEUDO} <= set(rows_of(analyst))
    for summary in analyst.locator("summary").all():
        summary.click()
    for part in ("#series-legend", "#series details", "#flows details"):
        expect(analyst.locator(part)).to_contain_text(HOSTILE)
        expect(analyst.locator(part)).to_contain_text(PSEUDO)
    for card in ("#series", "#flows"):
        plot = analyst.locator(f"{card} .plot")
        assert plot.locator("a, img, script, b").count() == 0
    labels = analyst.locator("#flows .stream-node text").all_text_contents()
    for name in (HOSTILE, PSEUDO):
        assert labels.count(f"{name[:23]}…") == 2, labels
    # What hovers is made of the same names.
    node = analyst.locator("#flows .stream-node", has_text=PSEUDO[:12]).first
    node.locator("rect").hover()
    tip = analyst.locator("#flows .tip")
    expect(tip).to_contain_text("<b>Sale</b> <a href=")
    assert tip.locator("a, b").count() == 0
    analyst.locator("#series .u-over").hover()
    expect(analyst.locator("#series .tip")).to_contain_text("<b>Sale</b> <a href=")
    assert analyst.locator("#series .tip").locator("a, b").count() == 0
    analyst.locator(".screen-name", has_text="<img").last.click()
    settle(analyst)
    address = f"{weeks_api.origin}/screens/{quote(HOSTILE, safe='')}?range=7d"
    assert unquote(analyst.url) == unquote(address)
    expect(analyst.locator("h1")).to_have_text(HOSTILE)
    assert analyst.locator("main img, main script, main b").count() == 0
    assert analyst.evaluate("window.owned") is None


def test_the_range_is_in_the_address_and_the_way_back_leads_through_it(
    analyst: Page, weeks_api: Api, weeks: Fleet
) -> None:
    asked = asked_by(analyst, lambda: show(analyst, weeks_api, "/screens"))
    words = analyst.locator("#period-words")
    assert asked["tz"] == "Europe/Berlin"
    expect(words).to_contain_text("Europe/Berlin, the reporting zone; counted up to")
    asked = asked_by(analyst, lambda: analyst.check("input[value='7d']", force=True))
    expect(analyst).to_have_url(f"{weeks_api.origin}/screens?range=7d")
    start, end = week(weeks)
    assert (asked["from"], asked["to"]) == tuple(
        str(at.astimezone(weeks.zone).date()) for at in (start, end)
    )
    analyst.go_back()
    expect(analyst.locator("input[value='24h']")).to_be_checked()
    analyst.go_forward()
    expect(analyst.locator("input[value='7d']")).to_be_checked()
    # A link opens the same numbers for everybody: a zone has its name in it.
    analyst.select_option("select[name=tz]", "UTC")
    expect(analyst).to_have_url(f"{weeks_api.origin}/screens?range=7d&tz=UTC")
    expect(words).to_contain_text("00:00 in UTC")
    analyst.goto(f"{weeks_api.origin}/screens?range=nonsense&tz=Mars%2FOlympus&sort=constructor")
    settle(analyst)
    expect(analyst.locator("input[value='24h']")).to_be_checked()
    expect(words).to_contain_text("no range that can be used")
    expect(words).to_contain_text("the reporting zone")
    # A custom range is read in the zone that is shown.
    analyst.check("input[value=custom]", force=True)
    day = weeks.day(weeks.as_of) - 3 * DAY
    analyst.fill("input[name=from]", f"{day}T10:00")
    analyst.fill("input[name=to]", f"{day}T09:00")
    analyst.click("#custom button")
    expect(analyst.locator("#period-problem")).to_have_text("From must be before To.")
    analyst.fill("input[name=to]", f"{day}T12:07")
    analyst.click("#custom button")
    expect(analyst.locator("#period-problem")).to_contain_text("quarter-hour")
    analyst.fill("input[name=to]", f"{day}T20:30")
    asked = asked_by(analyst, lambda: analyst.click("#custom button"))
    expect(analyst.locator("#period-problem")).to_be_empty()
    expect(analyst.locator("#period-words")).to_contain_text("20:30 in Europe/Berlin")
    start, end = (
        datetime(day.year, day.month, day.day, *clock, tzinfo=weeks.zone).astimezone(UTC)
        for clock in ((10, 0), (20, 30))
    )
    counted = by_screen(weeks, start, end)
    assert {name: int(cells[0]) for name, cells in rows_of(analyst).items()} == {
        name: each.views for name, each in counted.items()
    }
    assert asked["from"] == start.isoformat().replace("+00:00", ".000Z")


def test_clocks_and_instants_agree_in_every_zone(seven_days: Page) -> None:
    # Clocks go forward and back, by an hour or half of one, at midnight too.
    wrong = seven_days.evaluate(
        """async () => {
            const page = document.querySelector("script[type=module]").src;
            const { wallTime, instantOf } = await import(new URL("../lib/zones.js", page));
            const wrong = [];
            for (const zone of ["Europe/Berlin", "Asia/Kathmandu", "America/Havana",
                                "Australia/Lord_Howe", "UTC"]) {
                const ahead = (at) => Date.parse(`${wallTime(at, zone)}Z`) - at;
                const [day, end] = [86_400_000, Date.UTC(2027, 0, 1)];
                for (let start = Date.UTC(2026, 0, 1); start < end; start += day) {
                    // Every quarter-hour of a day whose clocks change.
                    const step = ahead(start) === ahead(start + day) ? day : 900_000;
                    for (let at = start; at < start + day; at += step) {
                        const wall = wallTime(at, zone);
                        // Twice a year an hour has two instants.
                        if (wallTime(instantOf(wall, zone), zone) !== wall)
                            wrong.push([zone, wall]);
                    }
                }
            }
            return wrong;
        }"""
    )
    assert wrong == []


def test_any_two_ranges_are_side_by_side(analyst: Page, weeks_api: Api, weeks: Fleet) -> None:
    day = weeks.day(weeks.as_of)
    mine, other = (
        (f"{day - first * DAY}T00:00:00Z", f"{day - last * DAY}T00:00:00Z")
        for first, last in ((3, 1), (9, 4))
    )
    show(analyst, weeks_api, f"/screens?from={mine[0]}&to={mine[1]}&tz=UTC")
    first = read(analyst, f"/api/v1/screens/engagement?from={mine[0]}&to={mine[1]}")["items"]
    second = read(analyst, f"/api/v1/screens/engagement?from={other[0]}&to={other[1]}")["items"]
    views = {item["screen"]: item["views"] for item in second}
    # Of a range that is rolled up as a whole there is nothing to be said.
    expect(analyst.locator("#users-note")).to_be_empty()
    analyst.get_by_label("Beside another range").check()
    begins = analyst.locator("[name=beside_from]")
    # Offered is the equal range before.
    expect(begins).to_have_value(f"{day - 5 * DAY}T00:00")
    begins.fill(other[0][:16])
    analyst.locator("[name=beside_to]").fill(other[1][:16])
    analyst.get_by_role("button", name="Show beside").click()
    expect(analyst.locator("#top-rows .beside")).not_to_have_count(0)
    settle(analyst)
    shown = {screen: cells[0].split("\n") for screen, cells in rows_of(analyst).items()}
    assert {screen: [int(n.replace(",", "")) for n in told] for screen, told in shown.items()} == {
        item["screen"]: [item["views"], views.get(item["screen"], 0)] for item in first
    }
    expect(analyst.locator("#users-note")).to_contain_text("the second line is the range beside it")
    look(analyst, "two-ranges", part="#top")
    # The address holds both: a screen's page goes on with them.
    analyst.locator("#top-rows a", has_text="Home").first.click()
    analyst.wait_for_url(re.compile("/screens/Home"))
    settle(analyst)
    expect(analyst.get_by_label("Beside another range")).to_be_checked()
    expect(begins).to_have_value(other[0][:16])
    expect(analyst.locator("#figures .beside").first).to_contain_text(
        f"{views['Home']:,} beside it, "
    )
    expect(analyst.locator("#series figcaption")).to_contain_text("from its own beginning")
    look(analyst, "two-ranges-of-a-screen", part="#figures")
    analyst.get_by_label("Beside another range").uncheck()
    expect(analyst.locator("#figures .beside")).to_have_count(0)
    assert "beside" not in analyst.url


def test_what_the_api_refuses_is_told_in_its_words(
    analyst: Page, weeks_api: Api, complaints: list[str]
) -> None:
    show(analyst, weeks_api, "/screens?from=0001-01-01T00:00:00Z&to=2026-03-28T12:00:00Z")
    expect(analyst.locator("#top .trouble")).to_contain_text("must be between the years")
    expect(analyst.locator("#flows .trouble button")).to_have_text("Try again")
    complaints.clear()  # Chromium reports every 400


def test_a_csv_is_the_apis(seven_days: Page, opened: Opened, weeks_api: Api) -> None:
    analyst, asked = seven_days, query_of(opened.asked)

    def saved(card: str) -> list[dict[str, str]]:
        with analyst.expect_download() as download:
            analyst.click(f"#{card} .download")
        path = download.value.path()
        return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))

    def rows(path: str) -> list[dict[str, str]]:
        origin = weeks_api.origin
        answer = analyst.request.get(origin + path, headers={"Accept": "text/csv"})
        return list(csv.DictReader(io.StringIO(answer.text())))

    assert saved("top") == rows(f"/api/v1/screens/engagement?{asked}&sort=views")
    assert saved("flows") == rows(f"/api/v1/flows?{asked}&top={SHOWN_IN_FLOWS}")
    series = saved("series")
    assert len({row["screen"] for row in series}) == 5
    assert [row for row in series if row["screen"] == "Home"] == rows(
        f"/api/v1/screens/engagement?{asked}&bucket=1h&screen=Home"
    )


def test_what_a_word_means_is_one_hover_or_key_away(seven_days: Page) -> None:
    note = seven_days.locator("#definition")
    views, users = (
        seven_days.locator(f"#top-heads [data-term={name}]") for name in ("views", "unique_users")
    )
    views.hover()
    expect(note).to_contain_text("Coming back to the same screen")
    seven_days.mouse.move(0, 0)
    expect(note).to_be_hidden()
    users.focus()
    seven_days.keyboard.press("Enter")
    expect(note).to_be_visible()
    expect(note).to_contain_text("Not additive")
    expect(note).to_be_focused()
    seven_days.keyboard.press("Escape")
    expect(note).to_be_hidden()
    expect(users).to_be_focused()


def test_a_screen_has_figures_paths_and_who_is_on_it(
    analyst: Page, weeks_api: Api, weeks: Fleet
) -> None:
    show(analyst, weeks_api, "/screens/Home?range=7d")
    mine = by_screen(weeks, *week(weeks))["Home"]
    figures = dict(
        zip(
            ("views", "users", "dwell", "p50", "p95", "exits", "bounces"),
            analyst.locator("#figures .value").all_text_contents(),
            strict=True,
        )
    )
    assert int(figures["views"].replace(",", "")) == mine.views
    assert int(figures["exits"]) == mine.exits
    assert int(figures["bounces"]) == mine.bounces
    assert ms_of(figures["dwell"]) == pytest.approx(sum(mine.dwells), rel=0.03)
    assert ms_of(figures["p50"]) == pytest.approx(mine.percentile(0.5), rel=RELATIVE_ERROR + 0.03)
    expect(analyst.locator("#now-words")).to_have_text("3 people are on it now.")
    expect(analyst.locator("#now-link")).to_have_attribute(
        "href", "/users?screen=Home&state=foreground"
    )
    _, *rows = numbers_of(analyst.locator("#paths"))
    pairs = transitions(weeks, *week(weeks))
    around = {pair: count for pair, count in pairs.items() if "Home" in pair}
    assert sum(int(row[2].replace(",", "")) for row in rows) == sum(around.values())
    assert {row[0] for row in rows if row[1] == "Home"} - {"(other)"} <= {a for a, _ in around}
    for side, end in (("next", 0), ("before", 1)):
        counts = sorted((n for pair, n in pairs.items() if pair[end] == "Home"), reverse=True)
        lines = analyst.locator(f"#{side} li")
        first = lines.first.inner_text().split("\n")
        assert first[1:] == [
            f"{counts[0]:,}",
            f"{100 * counts[0] / sum(counts):.1f} %".replace(".0", ""),
        ]
    _, *bars = numbers_of(analyst.locator("#dwell"))
    assert sum(int(row[1]) for row in bars) == len(mine.dwells)
    expect(analyst.locator("#dwell figcaption")).to_contain_text(f"{len(mine.dwells)} visits")
    look(analyst, "screen")
    analyst.click("#back")
    expect(analyst).to_have_url(f"{weeks_api.origin}/screens?range=7d")


@pytest.mark.parametrize(
    "screens",
    [
        (PSEUDO, "a/b %25?#é 😀"),
        pytest.param((HOSTILE, "engagement", "constructor"), marks=pytest.mark.long),
    ],
    ids=["daily", "long"],
)
def test_a_screen_is_found_whatever_its_name(
    analyst: Page, weeks_api: Api, weeks: Fleet, screens: tuple[str, ...]
) -> None:
    counted = by_screen(weeks, *week(weeks))
    for screen in screens:
        show(analyst, weeks_api, f"/screens/{quote(screen, safe='')}?range=7d")
        expect(analyst.locator("h1")).to_have_text(screen)
        if screen in counted:
            views = str(counted[screen].views)
            expect(analyst.locator("#figures .value").first).to_have_text(views)
        else:
            expect(analyst.locator("#totals .trouble")).to_contain_text("Nobody was on this screen")
            expect(analyst.locator("#now-words")).to_have_text("0 people are on it now.")


def test_an_app_that_names_no_screens_is_told_how_and_that_it_is_stale(
    signed_in: Page, api: Api, table: Table
) -> None:
    page = signed_in
    table.clear()
    page.goto(f"{api.origin}/screens")
    how = page.locator("#how-to")
    expect(how).to_contain_text("Nothing has arrived yet")
    expect(page.locator("#top .trouble")).to_contain_text("Nobody was on a screen")
    table.deployment(1)
    table.offsets(0, age_seconds=3600)
    minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=2)
    table.run(
        'INSERT INTO screen_minutes (minute, "partition", screen, views, visits,'
        " dwell_ms, silent_dwell_ms, dwell_histogram, exits, bounces)"
        " VALUES (%s, 0, '(none)', 3, 3, 900, 0, '{0,3}', 1, 1)",
        minute,
    )
    page.reload()
    expect(how).to_contain_text("none of them said where the user was")
    expect(how).to_contain_text("jsonEncode({'screen': 'Checkout'")
    expect(how).to_contain_text("ScreenObserver(presence.show)")
    settle(page)
    expect(page.locator("#top-rows .screen-name")).to_have_text(["No screen"])
    expect(page.locator("#top .as-of")).to_contain_text("Stale: complete only up to")
    expect(page.locator("#connection")).to_have_attribute("data-state", "late")
    look(page, "screens-unnamed", part="#how-to")


def test_the_page_fits_phones_and_desks_by_day_and_night(seven_days: Page) -> None:
    wait_until(lambda: seven_days.locator("#flows .stream-node").count() > 0, "the transitions")
    look(seven_days, "screens")


def test_an_address_with_a_range_that_cannot_be_used_is_met_and_said(
    analyst: Page, weeks_api: Api
) -> None:
    for query, says in (
        ("?from=2026-03-28T10:07:00Z&to=2026-03-28T11:01:00Z", "between quarter-hours"),
        ("?from=tomorrow&to=2026-03-28T11:00:00Z", "no range that can be used"),
    ):
        analyst.goto(f"{weeks_api.origin}/screens{query}")
        expect(analyst.locator("#period-words")).to_contain_text(says)
        expect(analyst.locator("#top .trouble.problem")).to_have_count(0)


def test_a_screen_that_nobody_knows_is_said_with_ways_on(analyst: Page, weeks_api: Api) -> None:
    analyst.goto(f"{weeks_api.origin}/screens/NoSuchScreen")
    expect(analyst.locator("#totals")).to_contain_text("Nobody was on this screen")
    ways = analyst.locator("#ways")
    expect(ways).to_be_visible()
    ways.locator("text=choose among all screens").click()
    expect(analyst).to_have_url(f"{weeks_api.origin}/screens")
    analyst.goto(f"{weeks_api.origin}/screens/%FF")
    expect(analyst.locator("#name")).to_have_text("This address names no screen")
    expect(analyst.locator("#back")).to_be_visible()


def version_rows(page: Page) -> dict[str, list[str]]:
    """Cells by version or what else it is split by: those that are shown."""
    return {
        row.locator("th").inner_text(): row.locator("td:visible").all_inner_texts()
        for row in page.locator("#versions-rows tr").all()
    }


def test_versions_are_a_recount_and_the_worst_is_marked(seven_days: Page, weeks: Fleet) -> None:
    start, _ = week(weeks)
    until = floor(floor(weeks.as_of - 30 * MINUTE, QUARTER), HOUR)
    shares, shown = {}, version_rows(seven_days)
    for version, cells in shown.items():
        told = None if version == "(none)" else version
        seen = [v for s, v in weeks.visits() if s.version == told and start <= v.ended < until]
        left = [s for s in weeks.sessions if s.version == told and start <= s.ended < until]
        views = sum(visit.is_view for visit in seen)
        assert [int(cells[n].replace(",", "")) for n in (0, 1, 6)] == [views, len(left), len(seen)]
        if len(seen) >= 20:
            shares[version] = len(left) / views
    assert set(shown) == {"1.9.0", "1.10.0", "(none)"}
    worst = {version for version, cells in shown.items() if "the most" in cells[2]}
    most = round(max(shares.values()), 4)
    assert worst == {version for version, share in shares.items() if round(share, 4) == most}
    look(seven_days, "versions", part="#versions")


def test_the_last_hour_is_told_by_the_minute_up_to_now(
    analyst: Page, weeks_api: Api, weeks: Fleet
) -> None:
    show(analyst, weeks_api, "/screens/Home?range=1h")
    card = analyst.locator("#series")
    expect(card.locator("figcaption")).to_contain_text("Views by minute")
    last = floor(weeks.as_of - timedelta(milliseconds=1), MINUTE)
    if last + MINUTE > weeks.as_of:
        expect(card.locator("figcaption")).to_contain_text("The last minute, in shade, is still")
    since = floor(weeks.as_of - timedelta(milliseconds=1), QUARTER) + QUARTER - HOUR
    assert [int(row[1]) for row in numbers_of(card)[1:]] == by_minute(weeks, since, last + MINUTE)
    # And any two hours of the last days.
    visit = max(v.started for _, v in weeks.visits() if v.screen == "Home" and v.is_view)
    since = floor(visit, QUARTER) - HOUR
    until = since + 2 * HOUR
    show(analyst, weeks_api, f"/screens/Home?from={since:%FT%TZ}&to={until:%FT%TZ}")
    told = [int(row[1]) for row in numbers_of(card)[1:]]
    assert told == by_minute(weeks, since, min(until, last + MINUTE))
    assert any(told)


def by_minute(fleet: Fleet, since: datetime, until: datetime) -> list[int]:
    """Views of Home."""
    began = [v.started for _, v in fleet.visits() if v.screen == "Home" and v.is_view]
    minutes = (since + n * MINUTE for n in range((until - since) // MINUTE))
    return [sum(start <= at < start + MINUTE for at in began) for start in minutes]


def test_sorting_is_kept_in_the_address(opened: Opened, weeks_api: Api, weeks: Fleet) -> None:
    """The first that changes the page that the others read. Those below go on from there."""
    analyst = opened.page
    counted = by_screen(weeks, *week(weeks))
    by_dwell = sorted(counted, key=lambda name: (-sum(counted[name].dwells), name))
    assert list(rows_of(analyst)) != by_dwell
    analyst.click("#top-heads >> text=Dwell")
    expect(analyst.locator("#top-heads [aria-sort=descending]")).to_contain_text("Dwell")
    settle(analyst)
    assert list(rows_of(analyst)) == by_dwell
    expect(analyst).to_have_url(f"{weeks_api.origin}/screens?range=7d&sort=dwell")
    analyst.click("#top-heads >> text=Unique users")
    expect(analyst.locator("#top-heads [aria-sort=descending]")).to_contain_text("Unique users")
    settle(analyst)
    users = [numbers_in(cells[2])[0] for cells in rows_of(analyst).values()]
    assert users == sorted(users, reverse=True)


def test_a_restart_is_told_and_survived(opened: Opened, weeks_api: Api) -> None:
    analyst = opened.page
    shown = rows_of(analyst)
    weeks_api.stop()
    try:
        analyst.check("input[value='24h']", force=True)
        expect(analyst.locator("#top .trouble")).to_contain_text("Connection lost")
        # What was told of another range is not shown for this one.
        expect(analyst.locator("#top-rows")).to_be_hidden()
        analyst.check("input[value='7d']", force=True)
    finally:
        weeks_api.start()
    expect(analyst.locator("#top .trouble")).to_be_hidden()
    settle(analyst)
    assert rows_of(analyst) == shown
    opened.complaints.clear()  # Chromium reports the calls that failed


def test_what_is_chosen_is_kept_in_the_address(
    opened: Opened, weeks_api: Api, weeks: Fleet
) -> None:
    """The screens of the chart, and how versions are split. The last test of this page."""
    analyst = opened.page
    chips = analyst.locator("#series-legend li")
    expect(chips).to_have_count(5)
    assert "show=" not in analyst.url
    sixth = analyst.locator("#top-rows tr").nth(5)
    sixth.locator(".swatch").click()
    expect(chips).to_have_count(6)
    # More lines than can be told apart are not drawn.
    expect(analyst.locator("#top-rows tr").nth(6).locator(".swatch")).to_be_disabled()
    expect(sixth.locator(".swatch")).to_have_attribute("aria-pressed", "true")
    for left in range(5, 0, -1):
        chips.first.locator("button").click()
        expect(chips).to_have_count(left)
    name = sixth.locator(".screen-name").text_content()
    expect(chips.locator(".screen-name")).to_have_text([name or ""])
    card = analyst.locator("#versions")
    card.get_by_text("Screen", exact=True).click()
    card.get_by_label("Only version").select_option("1.9.0")
    settle(analyst)
    expect(analyst).to_have_url(re.compile(r"by=screen&version=1\.9\.0"))
    shown = version_rows(analyst)
    start, _ = week(weeks)
    until = floor(floor(weeks.as_of - 30 * MINUTE, QUARTER), HOUR)
    mine = [v for s, v in weeks.visits() if s.version == "1.9.0" and start <= v.ended < until]
    homes = sum(visit.is_view for visit in mine if visit.screen == "Home")
    assert shown["Home"][0] == f"{homes:,}"
    analyst.reload()
    settle(analyst)
    expect(chips.locator(".screen-name")).to_have_text([name or ""])
    assert version_rows(analyst) == shown
    chips.first.locator("button").click()
    expect(analyst.locator("#series .trouble")).to_contain_text("Choose screens")
    show(analyst, weeks_api, "/screens/Home?range=7d&by=platform&version=1.9.0")
    [cells] = version_rows(analyst).values()
    assert cells[0] == f"{homes:,}"
    assert not opened.complaints, "\n".join(opened.complaints)
