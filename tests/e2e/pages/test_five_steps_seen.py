"""The five steps of an integration, as support sees them on the pages of a real ``rollcall up``.

A phone beats on while a page is looked at: the windows are short, and a page takes its time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.browser import assert_accessible, watched_page
from tests.e2e.driver import BACKGROUND, UNKNOWN, Phone, Stack, at
from tests.e2e.stacks import SHORT_OFFLINE_AFTER_SECONDS as OFFLINE_AFTER_SECONDS
from tests.rigs.rig import wait_for


@pytest.fixture(scope="module")
def stack(short_stack: Stack) -> Stack:
    return short_stack


@pytest.fixture
def users_page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """Opened by the link that ``rollcall up`` prints."""
    link = re.search(r"http://\S+/login#token=\S+", stack.up.output)
    assert link is not None
    with watched_page(browser) as (page, complaints):
        page.goto(link[0])
        page.click("nav >> text=Users")
        expect(page.locator("#connection")).to_have_text("Live")
        yield page
        assert not complaints, "\n".join(complaints)


def nothing() -> object:
    return None


def shows(place: Locator, text: str, *, meanwhile: Callable[[], object] = nothing) -> None:
    """Wait until a place of a page says so; ``meanwhile`` runs between looks."""

    def said() -> bool:
        meanwhile()
        return text in "".join(place.all_text_contents())

    wait_for(f"the page says {text!r}", said)


def test_the_five_steps_are_seen_on_the_pages(users_page: Page, stack: Stack) -> None:
    phone = Phone(stack)

    def beating() -> int:
        return phone.beat(UNKNOWN)

    # 1. Log in: the user appears.
    assert phone.show("Home") == 200
    row = users_page.locator("#rows tr", has_text=phone.user)
    shows(row, "Home", meanwhile=beating)
    shows(row, "foreground")
    first_active = row.locator(".last-active time").get_attribute("datetime") or ""
    user_page = users_page.context.new_page()
    user_page.goto(f"{stack.up.url}/users/{quote(phone.user)}")
    why = user_page.locator("#why")
    shows(why, "in the foreground on Home: a session began then; on Flutter App, app 1.0.0.")

    # 2. Navigate: the screen and Last Active change, on both pages and without a reload.
    assert phone.show("Cart") == 200
    shows(why, "in the foreground on Cart: opened this screen at", meanwhile=beating)
    shows(row, "Cart", meanwhile=beating)
    assert (row.locator(".last-active time").get_attribute("datetime") or "") > first_active
    on_cart = at(stack.user(phone)["changed_at"])

    # 3. Background: still online, on the last screen, and after silence offline.
    assert phone.beat(BACKGROUND) == 200
    shows(why, "in the background, last on Cart: left the app at")
    shows(row, "background")
    shows(
        why,
        f"no heartbeat for {OFFLINE_AFTER_SECONDS} s; last seen on Cart, Flutter App, app 1.0.0",
    )
    expect(row).to_have_count(0)

    # 4. Log out: offline at once, and late heartbeats change nothing.
    assert phone.show("Home") == 200
    shows(why, "in the foreground on Home", meanwhile=beating)
    assert phone.log_out() == 200
    shows(why, ": logged out; last seen on Home, Flutter App, app 1.0.0.")
    expect(row).to_have_count(0)
    assert phone.beat(UNKNOWN) == 200
    stack.settle()
    users_page.fill("#q", phone.user)
    shows(row, "logged out")

    # 5. Log in again.
    phone.take_new_token()
    assert phone.show("Home") == 200
    shows(row, "foreground", meanwhile=beating)
    shows(why, "in the foreground on Home: a session began then", meanwhile=beating)

    reasons = user_page.locator("#changes tr td:nth-child(3)")
    expect(reasons).to_have_count(7)
    assert reasons.all_text_contents() == [
        *("started", "logged out", "started"),
        *("timed out", "backgrounded", "navigated", "started"),
    ]
    expect(user_page.locator("#silences")).to_have_text(
        "Of 2 sessions that ended in the last 7 days, 1 ended by silence: 1 timed out."
    )
    assert_accessible(user_page)

    # And as it was.
    instant = on_cart + timedelta(milliseconds=1)
    users_page.goto(f"{stack.up.url}/users?at={quote(instant.isoformat())}")
    then = users_page.locator("#rows tr", has_text=phone.user)
    shows(then, "Cart")
    shows(then, "foreground")
    expect(then.locator(".last-active")).to_have_text("–")
