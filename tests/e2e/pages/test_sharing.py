"""A share link: made by a manager, looked at by somebody without a login, and ended."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import HOSTILE, Api, look, sign_in, watched_page
from tests.rigs.api_harness import Table, token


@pytest.fixture
def api(managed_api: Api) -> Api:
    return managed_api


@pytest.fixture
def lead(stranger: Page, api: Api, table: Table) -> Page:
    sign_in(stranger, api.origin, token("lead", scope="presence:read presence:manage"))
    return stranger


def test_a_link_shows_numbers_until_it_is_ended(
    lead: Page, api: Api, table: Table, browser: Browser, complaints: list[str]
) -> None:
    table.offsets(0, foreground=1281, background=2)
    for number in range(12):
        table.user(f"u{number}", screen=f"Screen {number:02}")
    table.user("second", screen=HOSTILE)
    table.user("third", screen=HOSTILE, app_version="2.0", platform="android")
    lead.goto(f"{api.origin}/")
    lead.get_by_role("link", name="Share", exact=True).click()
    expect(lead.locator("#list-empty")).to_be_visible()
    lead.get_by_role("button", name="Make the link").click()
    expect(lead.locator("#new-said")).to_contain_text("The name")
    assert "422" in complaints.pop()
    lead.get_by_label("Name, which its reader sees").fill(HOSTILE)
    lead.get_by_role("button", name="Make the link").click()
    expect(lead.locator("#secret-text")).to_have_text(re.compile(r"/shared/[\w-]{43}$"))
    rows = lead.locator("#list > li")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("by lead")
    look(lead, "share-links", part="main")
    with watched_page(browser) as (page, said):
        page.goto(lead.locator("#secret-text").text_content() or "")
        expect(page.locator("#count")).to_have_text("1,283")
        expect(page.locator("#foreground")).to_have_text("1,281")
        expect(page.locator("#name")).to_have_text(HOSTILE)
        bars = page.locator("#screens li")
        expect(bars).to_have_count(11)
        expect(bars.first).to_contain_text(HOSTILE)
        expect(bars.last).to_contain_text("3 more screens")
        versions, platforms = page.locator("#versions li"), page.locator("#platforms li")
        expect(versions).to_have_count(2)
        expect(versions.first).to_contain_text("2.0")
        expect(versions.last).to_contain_text("Unknown version13")
        expect(platforms.last).to_contain_text("Android")
        expect(page.locator("#connection")).to_have_text("Live")
        expect(page.locator("main")).to_contain_text(re.compile(r"This page ends (at|on) "))
        assert page.locator("a[href^='/']").count() == 0, "it leads nowhere"
        look(page, "shared")
        table.offsets(0, foreground=7, background=2)
        expect(page.locator("#count")).to_have_text("9")
        page.get_by_role("link", name="Wall mode", exact=True).click()
        expect(page.locator("body.wall #count")).to_have_text("9")
        rows.first.get_by_role("button", name=re.compile("^End")).click()
        rows.first.get_by_role("button", name="Really end").click()
        expect(rows).to_have_count(0)
        expect(page.locator("#ended")).to_be_visible()
        expect(page.locator("#count")).to_have_count(0)
        expect(page.get_by_role("heading")).to_have_text("This link has ended or never was.")
        look(page, "shared-ended", part="main")
        assert [each for each in said if "404" not in each] == []
        assert page.evaluate("window.owned") is None
    assert lead.evaluate("window.owned") is None
