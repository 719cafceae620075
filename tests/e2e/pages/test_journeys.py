"""Funnel and retention: the numbers of a fleet that is counted here too."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import HOSTILE, Api, assert_no_sideways_scroll, look
from tests.e2e.pages.weeks import active_days
from tests.integration.processor.small_fleet import Fleet


def show(page: Page, api: Api, path: str) -> None:
    page.goto(api.origin + path)
    expect(page.locator("[aria-busy=true]")).to_have_count(0)


def reached(
    fleet: Fleet, steps: list[str], start: datetime, end: datetime
) -> dict[str | None, list[int]]:
    """How many sessions came to each step, by version."""
    found: dict[str | None, list[int]] = {}
    for session in fleet.sessions:
        wanted = list(steps)
        for view in session.views:
            if wanted and start <= view.started < end and view.screen == wanted[0]:
                del wanted[0]
        done = len(steps) - len(wanted)
        if done:
            counts = found.setdefault(session.version, [0] * len(steps))
            for n in range(done):
                counts[n] += 1
    return found


def test_a_funnel_is_asked_by_hand_and_is_that_of_a_recount(
    analyst: Page, weeks_api: Api, weeks: Fleet
) -> None:
    show(analyst, weeks_api, "/funnel?range=7d")
    expect(analyst.locator("#funnel .trouble")).to_have_text("Name two screens or more.")
    steps = ["Home", HOSTILE, "Home"]
    for number, screen in enumerate(steps, 1):
        analyst.get_by_label(f"Screen of step {number}", exact=True).fill(screen)
    analyst.locator("#steps button[type=submit]").click()
    rows = analyst.locator("#funnel tbody tr")
    expect(rows).to_have_count(3)
    today = weeks.day(weeks.as_of)
    edges = (today - timedelta(days=6), today + timedelta(days=1))
    start, end = (datetime(d.year, d.month, d.day, tzinfo=weeks.zone) for d in edges)
    by_version = reached(weeks, steps, start, end)
    sums = [sum(counts[n] for counts in by_version.values()) for n in range(3)]
    assert sums[2] > 0
    assert [int(row.locator("td").first.inner_text()) for row in rows.all()] == sums
    expect(rows.nth(1).locator("th")).to_have_text(f"2. {HOSTILE}")
    share = float(rows.nth(2).locator("td").nth(1).inner_text().removesuffix(" %"))
    assert abs(share - 100 * sums[2] / sums[0]) < 0.06
    expect(rows.nth(1).locator("td").last).to_have_text(re.compile("nine in ten within"))
    # By version: a body for each, and the one that loses most is marked. The address holds it all.
    analyst.locator("#steps select").select_option("app_version")
    analyst.locator("#steps button[type=submit]").click()
    bodies = analyst.locator("#funnel tbody")
    expect(bodies).to_have_count(len(by_version))
    expect(analyst.locator("#funnel .worst").first).to_be_visible()
    analyst.reload()
    expect(bodies).to_have_count(len(by_version))
    for body in bodies.all():
        name = body.locator(".part").inner_text().strip()
        cells = [row.locator("td").first.inner_text() for row in body.locator("tr").all()[1:]]
        assert [int(cell) for cell in cells] == by_version[None if name == "(none)" else name]
    analyst.go_back()
    expect(bodies).to_have_count(1)
    expect(analyst.get_by_label("Screen of step 2", exact=True)).to_have_value(HOSTILE)
    look(analyst, "funnel")


def test_retention_is_that_of_a_recount(analyst: Page, weeks_api: Api, weeks: Fleet) -> None:
    show(analyst, weeks_api, "/retention")
    days = active_days(weeks)
    this_week = monday(weeks.day(weeks.as_of))
    cohorts: dict[date, list[set[date]]] = {}
    for active in days.values():
        cohorts.setdefault(monday(min(active)), []).append({monday(day) for day in active})
    rows = analyst.locator("#retention-rows tr")
    expect(rows).to_have_count(len(cohorts))
    for row, (week, cohort) in zip(rows.all(), sorted(cohorts.items()), strict=True):
        cells = row.locator("td").all_inner_texts()
        later = (this_week - week).days // 7 + 1
        wanted = [
            100 * sum(week + timedelta(weeks=n) in active for active in cohort) / len(cohort)
            for n in range(later)
        ]
        assert int(cells[0]) == len(cohort)
        shown = [float(cell.removesuffix(" %")) for cell in cells[1 : later + 1]]
        # The answer is rounded to four digits, and the page rounds that to three.
        assert shown == pytest.approx(wanted, abs=0.056)
        expect(row.locator(".counting")).to_have_count(1)
    look(analyst, "retention")


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def test_both_fit_a_small_phone(analyst: Page, weeks_api: Api) -> None:
    analyst.set_viewport_size({"width": 320, "height": 640})
    for path in ("/funnel?step1=Home&step2=Cart%201&range=7d", "/retention"):
        show(analyst, weeks_api, path)
        assert_no_sideways_scroll(analyst)
