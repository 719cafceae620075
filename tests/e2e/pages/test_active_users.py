"""Active users: days, weeks and months counted here too, peaks with their instant, and gaps."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import Api, look, sign_in, wait_until, watched_page
from tests.e2e.pages.weeks import OUTAGE, active_days, outage_of, sampled
from tests.integration.processor.rollup_oracle import DAY, MINUTE, floor
from tests.integration.processor.small_fleet import Fleet
from tests.rigs.api_harness import Table

CAUSE = "Kafka, or all of ingest, was away"


def show(page: Page, api: Api, path: str = "/active-users") -> None:
    page.goto(api.origin + path)
    expect(page.locator("[aria-busy=true]")).to_have_count(0)


def in_words(day: date) -> str:
    return f"{day:%a}, {day.day} {day:%b} {day.year}"


def zone_label(fleet: Fleet) -> str:
    """Of the zone when the outage was."""
    return f"{outage_of(fleet).astimezone(fleet.zone):%Z}"


def numbers_of(page: Page, card: str) -> list[list[str]]:
    """The table below a chart, without its heads."""
    details = page.locator(f"#{card} details")
    details.locator("summary").click()
    wait_until(lambda: details.locator("tbody tr").count() > 0, "the numbers")
    rows: list[list[str]] = details.locator("tbody").evaluate(
        "body => [...body.rows].map(row => [...row.cells].map(cell => cell.textContent))"
    )
    details.locator("summary").click()
    return rows


def figures_of(page: Page) -> dict[str, tuple[str, str]]:
    """Value and note by name."""
    return {
        (each.locator("dt").inner_text().removesuffix("?").strip()): (
            each.locator("dd").nth(0).inner_text(),
            each.locator("dd").nth(1).inner_text(),
        )
        for each in page.locator("#figures > div").all()
    }


def drawn_at(page: Page, *hours: float) -> list[bool]:
    """Whether the line of the day's chart, which reaches down to the axis, passes those hours."""
    drawn: list[bool] = page.locator("#day canvas").evaluate(
        """(canvas, hours) => {
            const { offsetLeft, clientWidth } = canvas.parentElement.querySelector(".u-over");
            const { width, height } = canvas;
            // Once: Chromium complains of more.
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return hours.map((hour) => {
                const x = Math.round((offsetLeft + (clientWidth * hour) / 24) * devicePixelRatio);
                const pixels = Array.from({ length: height }, (_, y) => 4 * (y * width + x));
                // The lines are dark and opaque; grid and bands are pale.
                return pixels.some((at) => data[at + 3] > 200 && data[at] < 110);
            });
        }""",
        hours,
    )
    return drawn


@pytest.fixture(scope="module")
def opened(browser: Browser, weeks_api: Api) -> Iterator[tuple[Page, list[str]]]:
    """The page of the last thirty days, once, and what its console said. Tests go on from where
    the one before has left it."""
    with watched_page(browser) as (page, complaints):
        sign_in(page, weeks_api.origin)
        show(page, weeks_api)
        yield page, complaints


@pytest.fixture
def thirty_days(opened: tuple[Page, list[str]]) -> Iterator[Page]:
    page, complaints = opened
    yield page
    assert not complaints, "\n".join(complaints)


def test_active_users_are_those_of_a_recount(thirty_days: Page, weeks: Fleet) -> None:
    analyst = thirty_days
    days = active_days(weeks)
    today = weeks.day(weeks.as_of)
    first = min(min(each) for each in days.values())

    def active(day: date, length: int) -> int:
        return sum(any(day - length * DAY < d <= day for d in each) for each in days.values())

    rows = numbers_of(analyst, "active")
    shown = [first + n * DAY for n in range((today - first).days + 1)]
    assert [row[0] for row in rows[:-1]] == [in_words(day) for day in shown[:-1]]
    assert rows[-1][0] == f"{in_words(today)}, still counted"
    for day, (_, daily, weekly, monthly) in zip(shown, rows, strict=True):
        assert int(daily) == active(day, 1)
        # Of yesterday they are known once it is rolled up, of today not yet.
        if weekly != "–":
            assert (int(weekly), int(monthly)) == (active(day, 7), active(day, 30))
    assert [row[2] == "–" for row in rows].count(True) <= 2
    for day, (_, new, returning) in zip(shown, numbers_of(analyst, "new"), strict=True):
        begun = sum(min(each) == day for each in days.values())
        assert (int(new), int(returning)) == (begun, active(day, 1) - begun)
    complete = shown[-2]
    expect(analyst.locator("#latest-title")).to_have_text(
        f"{in_words(complete)}, the last complete day"
    )
    assert figures_of(analyst)["Daily active"][0] == str(active(complete, 1))


def test_peaks_come_with_the_first_instant_that_had_them(thirty_days: Page, weeks: Fleet) -> None:
    analyst = thirty_days
    counted = sampled(weeks)
    by_day: dict[date, dict[datetime, int]] = {}
    for at, users in counted.items():
        by_day.setdefault(weeks.day(at), {})[at] = users
    rows = {row[0].removesuffix(", still counted"): row[1:] for row in numbers_of(analyst, "peaks")}
    assert set(rows) == {in_words(day) for day in by_day}
    for day, samples in by_day.items():
        most = max(samples.values())
        instant = min(at for at, users in samples.items() if users == most)
        peak, peak_at, part, outages = rows[in_words(day)]
        assert int(peak) == most
        assert peak_at == f"{in_words(day)}, {instant.astimezone(weeks.zone):%H:%M %Z}"
        if day == weeks.day(outage_of(weeks)):
            assert outages == f"12:00 to 12:40 {zone_label(weeks)} (40 min): {CAUSE}"
            assert re.fullmatch(r"97 % of it", part)
        else:
            assert outages == ""
    most = max(counted.values())
    assert figures_of(analyst)["Most at once ever"][0] == str(most)


def test_a_csv_is_the_apis(thirty_days: Page, weeks_api: Api, weeks: Fleet) -> None:
    analyst = thirty_days

    def table(text: str) -> list[dict[str, Any]]:
        return list(csv.DictReader(io.StringIO(text)))

    def rows(path: str) -> list[dict[str, Any]]:
        answer = analyst.request.get(weeks_api.origin + path, headers={"Accept": "text/csv"})
        return table(answer.text())

    today = weeks.day(weeks.as_of)
    days = f"from={today - 29 * DAY}&to={today + DAY}"
    for card, path in (
        ("active", f"/api/v1/active-users?{days}"),
        ("peaks", f"/api/v1/concurrency?{days}&bucket=1d"),
        ("day", f"/api/v1/concurrency?from={today}&to={today + DAY}&bucket=1m"),
    ):
        with analyst.expect_download() as download:
            analyst.click(f"#{card} .download")
        assert table(download.value.path().read_text("utf-8")) == rows(path), card


def test_the_page_fits_phones_and_desks_by_day_and_night(thirty_days: Page, weeks: Fleet) -> None:
    """With the day of the outage, which has the most to show; its numbers are not filled in yet."""
    thirty_days.select_option("#day-chosen", str(weeks.day(outage_of(weeks))))
    expect(thirty_days.locator("#day .plot")).to_contain_text("Outage")
    look(thirty_days, "active-users")


def test_an_outage_is_a_gap_with_its_cause(thirty_days: Page, weeks: Fleet) -> None:
    analyst = thirty_days
    day = weeks.day(outage_of(weeks))
    expect(analyst.locator("#outage-rows tr td")).to_have_text(
        [
            *(f"{in_words(day)}, {at} {zone_label(weeks)}" for at in ("12:00", "12:40")),
            "40 min",
            CAUSE,
        ]
    )
    for card, what in (("active", ""), ("new", "days with "), ("peaks", "days with ")):
        caption = analyst.locator(f"#{card} figcaption")
        expect(caption).to_contain_text(f"Hatched: {what}outages of ours")
        expect(analyst.locator(f"#{card} .plot-label")).to_have_text(f"Outage: {CAUSE}")
    caption = analyst.locator("#day figcaption")
    expect(caption).to_contain_text(f"Users online on {in_words(day)}, in Europe/Berlin")
    expect(analyst.locator("#day .plot")).to_contain_text(f"Outage: {CAUSE}")
    rows = {row[0]: row[1:] for row in numbers_of(analyst, "day")}
    assert len(rows) == 24 * 60
    for minute in range(int(OUTAGE / MINUTE)):
        assert rows[f"12:{minute:02}"] == ["–", "–", "nothing"]
    # The line is broken where nothing was counted.
    assert drawn_at(analyst, 11.9, 12.35) == [True, False]
    averages: dict[datetime, list[int]] = {}
    for at, users in sampled(weeks).items():
        if weeks.day(at) == day:
            averages.setdefault(floor(at, MINUTE), []).append(users)
    for at, samples in averages.items():
        online = rows[f"{at.astimezone(weeks.zone):%H:%M}"][0]
        assert abs(float(online) - sum(samples) / len(samples)) < 0.006


def test_days_are_chosen_and_kept_in_the_address(
    thirty_days: Page, weeks_api: Api, weeks: Fleet
) -> None:
    analyst = thirty_days
    words = analyst.locator("#period-words")
    expect(words).to_contain_text("Days are those of Europe/Berlin, the reporting zone")
    analyst.check("input[value='90d']", force=True)
    expect(analyst).to_have_url(f"{weeks_api.origin}/active-users?range=90d")
    first, last = (weeks.day(weeks.as_of) - back * DAY for back in (4, 3))
    analyst.check("input[value=custom]", force=True)
    analyst.fill("input[name=from]", str(last))
    analyst.fill("input[name=through]", str(first))
    analyst.click("#custom button")
    expect(analyst.locator("#period-problem")).to_contain_text("must not be after")
    analyst.fill("input[name=from]", str(first))
    analyst.fill("input[name=through]", str(last))
    analyst.click("#custom button")
    expect(analyst).to_have_url(f"{weeks_api.origin}/active-users?from={first}&through={last}")
    expect(words).to_contain_text(f"{in_words(first)} through {in_words(last)}.")
    expect(analyst.locator("[aria-busy=true]")).to_have_count(0)
    assert [row[0] for row in numbers_of(analyst, "active")] == [in_words(first), in_words(last)]
    analyst.go_back()
    expect(analyst.locator("input[value='90d']")).to_be_checked()


def test_without_anything_it_says_so(signed_in: Page, api: Api, table: Table) -> None:
    table.clear()
    signed_in.goto(f"{api.origin}/active-users")
    for card in ("active", "new", "peaks", "day"):
        expect(signed_in.locator(f"#{card} .trouble")).to_have_text(
            "Nothing is kept of these days."
        )
    expect(signed_in.locator("#latest .trouble")).to_contain_text("No day of the range")
    expect(signed_in.locator("#active .as-of")).to_contain_text("Not complete yet")
