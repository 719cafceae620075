"""How a reader wants pages to be: theme, zone, language, and the form of the browser's language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import Api, assert_accessible, assert_no_sideways_scroll, look, sign_in
from tests.e2e.pages.fleet import LogTime
from tests.rigs.api_harness import Table

#: Five and a half hours ahead, all year.
ZONE = "Asia/Kolkata"
ONLINE_SINCE = datetime(2026, 3, 29, 22, 15, 3, tzinfo=UTC)
NARROWEST = {"width": 320, "height": 700}
SWITCHES = "Theme, time zone and language"
#: What the first body is painted in.
FIRST_THEME = """
    new MutationObserver(() => {
        if (document.body) window.firstTheme ??= document.documentElement.dataset.theme;
    }).observe(document, { childList: true, subtree: true });
"""
KEEPS_NOTHING = """
    Object.defineProperty(window, "localStorage", { get() { throw new DOMException("no"); } });
"""


@pytest.fixture
def someone(table: Table) -> None:
    table.user("ada", online_since=ONLINE_SINCE, changed_at=ONLINE_SINCE)


@pytest.fixture
def log_time(pages_database: str) -> Iterator[LogTime]:
    running = LogTime(pages_database)
    yield running
    running.stop()


@pytest.fixture
def german(browser: Browser, api: Api, someone: None) -> Iterator[Page]:
    """Whoever reads German, in Kolkata."""
    context = browser.new_context(locale="de-DE", timezone_id=ZONE)
    page = context.new_page()
    sign_in(page, api.origin)
    yield page
    context.close()


def theme(page: Page) -> str:
    shown: str = page.evaluate("document.documentElement.dataset.theme")
    return shown


def paper(page: Page) -> str:
    color: str = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    return color


def choose(page: Page, value: str) -> None:
    if not page.locator("#display").is_visible():
        page.locator("[popovertarget=display]").click()
    page.locator(f"#display [value={value}]").click()


def test_a_theme_that_was_chosen_is_there_before_the_first_paint(signed_in: Page, api: Api) -> None:
    signed_in.add_init_script(FIRST_THEME)
    signed_in.goto(f"{api.origin}/users")
    assert theme(signed_in) == "light"
    light = paper(signed_in)
    choose(signed_in, "dark")
    assert theme(signed_in) == "dark"
    dark = paper(signed_in)
    assert dark != light
    assert_accessible(signed_in)
    for path in ("/login", "/retention"):
        signed_in.goto(api.origin + path)
        assert signed_in.evaluate("firstTheme") == "dark", path
    choose(signed_in, "system")
    for scheme, color in (("dark", dark), ("light", light)):
        signed_in.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        expect(signed_in.locator("html")).to_have_attribute("data-theme", scheme)
        assert paper(signed_in) == color
    choose(signed_in, "light")
    signed_in.emulate_media(color_scheme="dark")
    assert paper(signed_in) == light


def test_the_switch_is_for_the_keyboard_and_the_narrowest_phone(
    signed_in: Page, api: Api, someone: None
) -> None:
    signed_in.set_viewport_size(NARROWEST)  # type: ignore[arg-type]
    signed_in.goto(f"{api.origin}/users")
    button = signed_in.get_by_role("button", name=SWITCHES)
    button.focus()
    signed_in.keyboard.press("Enter")
    signed_in.keyboard.press("Tab")
    expect(signed_in.get_by_role("radio", name="System")).to_be_focused()
    signed_in.keyboard.press("ArrowDown")
    signed_in.keyboard.press("ArrowDown")
    assert theme(signed_in) == "dark"
    assert_no_sideways_scroll(signed_in)
    assert_accessible(signed_in)
    signed_in.keyboard.press("Tab")
    signed_in.keyboard.press("ArrowDown")
    # The page was loaded again for its times, and whoever chose is where they were.
    expect(signed_in.get_by_role("radio", name="UTC", exact=True)).to_be_focused()
    expect(signed_in.get_by_role("radio", name="UTC", exact=True)).to_be_checked()
    expect(signed_in.locator(".online-since time")).to_have_text("29 Mar, 22:15 UTC")
    signed_in.keyboard.press("Escape")
    expect(signed_in.locator("#display")).to_be_hidden()


def test_times_are_told_in_the_chosen_zone_with_its_label(german: Page, api: Api) -> None:
    german.goto(f"{api.origin}/users")
    since = german.locator(".online-since time")
    expect(since).to_have_text("30. März, 03:45 GMT+5:30")
    choose(german, "UTC")
    expect(since).to_have_text("29. März, 22:15 UTC")
    german.goto(f"{api.origin}/users/ada")
    expect(german.locator("#since")).to_have_text("29. März, 22:15:03 UTC")
    expect(german.locator("#strip-caption")).to_contain_text("Times in UTC.")
    german.goto(f"{api.origin}/users")
    choose(german, "viewer")
    expect(since).to_have_text("30. März, 03:45 GMT+5:30")


def test_pages_about_days_follow_utc_and_a_zone_of_their_own_wins(
    analyst: Page, weeks_api: Api
) -> None:
    analyst.goto(f"{weeks_api.origin}/screens")
    words = analyst.locator("#period-words")
    expect(words).to_contain_text("Europe/Berlin, the reporting zone")
    choose(analyst, "UTC")
    expect(words).to_contain_text("in UTC")
    expect(analyst.locator("#series .as-of")).to_contain_text("UTC")
    assert "tz=UTC" in analyst.url, "a link that is copied means what is shown"
    analyst.goto(f"{weeks_api.origin}/screens?tz=Asia%2FKolkata")
    expect(words).to_contain_text("in Asia/Kolkata")
    choose(analyst, "reporting")
    expect(words).to_contain_text("Europe/Berlin, the reporting zone")
    analyst.goto(f"{weeks_api.origin}/")
    expect(analyst.locator("#hour-note")).to_contain_text(" CE")
    expect(analyst.locator("#quality")).to_contain_text(" CE")


def test_numbers_have_the_form_of_the_browsers_language(german: Page, api: Api) -> None:
    german.goto(f"{api.origin}/login")
    told = german.evaluate(
        """async () => {
            const base = document.querySelector("script[type=module]").src;
            const figures = await import(new URL("../lib/figures.js", base));
            const words = await import(new URL("../lib/words.js", base));
            return [figures.count(12345), figures.span(8700), figures.share(0.0712),
                    figures.change(-0.069), words.share(1, 3), words.count(1000000)];
        }"""
    )
    assert told == ["12.345", "8,7 s", "7,1 %", "−6,9 %", "33,3 %", "1.000.000"]


def test_a_browser_that_keeps_nothing_shows_the_page_and_says_so(
    signed_in: Page, api: Api, someone: None
) -> None:
    signed_in.add_init_script(KEEPS_NOTHING)
    signed_in.goto(f"{api.origin}/users")
    expect(signed_in.locator("#rows tr")).to_have_count(1)
    signed_in.get_by_role("button", name=SWITCHES).click()
    expect(signed_in.get_by_role("radio", name="Dark")).to_be_disabled()
    expect(signed_in.locator("#display .problem")).to_be_visible()


def test_the_frame_live_and_users_speak_another_language(
    signed_in: Page, api: Api, someone: None, log_time: LogTime
) -> None:
    log_time.count(foreground=1)
    signed_in.goto(api.origin)
    expect(signed_in.locator("#screens-note")).to_have_text("1 user in the foreground")
    choose(signed_in, "de")
    # Loaded again, with whoever chose where they were.
    expect(signed_in.get_by_role("radio", name="Deutsch")).to_be_focused()
    expect(signed_in.locator("html")).to_have_attribute("lang", "de")
    expect(signed_in.get_by_role("link", name="Nutzer", exact=True)).to_be_visible()
    expect(signed_in.locator("#heading")).to_have_text("Jetzt online")
    expect(signed_in.locator("#screens-note")).to_have_text("1 Nutzer im Vordergrund")
    expect(signed_in.locator("#quality")).to_contain_text(re.compile(r"^Stand .* UTC, "))
    expect(signed_in.locator("#connection")).to_have_text("Live")
    assert_accessible(signed_in)
    signed_in.goto(f"{api.origin}/users?state=foreground&sort=user_id")
    expect(signed_in.locator("#rows tr")).to_have_count(1)
    expect(signed_in.locator("#rows .state")).to_contain_text("Vordergrund")
    expect(signed_in.locator("#count")).to_have_text("1 Nutzer")
    expect(signed_in.locator("#sentence")).to_have_text(
        "Nutzer online, im Vordergrund; nach Nutzer-Id."
    )
    look(signed_in, "users-german", part="main")
    signed_in.goto(f"{api.origin}/users?q=zz")
    expect(signed_in.locator("#nobody")).to_contain_text("beginnt so")
    choose(signed_in, "en")
    expect(signed_in.get_by_role("link", name="Users", exact=True)).to_be_visible()
