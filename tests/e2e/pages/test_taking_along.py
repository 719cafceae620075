"""What a reader takes from a page: a link to it, an id, a chart as a picture."""

from __future__ import annotations

import struct

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import HOSTILE, Api, assert_accessible
from tests.e2e.pages.taken import HEARD_TEXTS, PNG, picture_of, pixels
from tests.rigs.api_harness import Table


@pytest.fixture
def copier(signed_in: Page, table: Table) -> Page:
    table.user("ada", name="Ada")
    table.user(HOSTILE, name="Mallory")
    signed_in.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return signed_in


def clipboard(page: Page) -> str:
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def test_a_link_with_its_filters_and_ids_are_copied(copier: Page, api: Api) -> None:
    copier.goto(f"{api.origin}/users?state=foreground&sort=user_id")
    expect(copier.locator("#rows tr")).to_have_count(2)
    copier.get_by_role("button", name="Copy a link to this page").click()
    expect(copier.locator("#said")).to_have_text("Link copied")
    assert clipboard(copier) == copier.url == f"{api.origin}/users?state=foreground&sort=user_id"
    row = copier.locator("#rows tr").filter(has_text="Mallory")
    copy = row.get_by_role("button", name="Copy the user id")
    copy.focus()
    assert_accessible(copier, "#rows")
    copier.keyboard.press("Enter")
    expect(copier.locator("#said")).to_have_text("Id copied")
    assert clipboard(copier) == HOSTILE
    assert copier.url.endswith("user_id"), "the row was not followed"
    copier.goto(f"{api.origin}/users/ada")
    copier.get_by_role("button", name="Copy id").click()
    expect(copier.locator("#said")).to_have_text("Id copied")
    assert clipboard(copier) == "ada"


def test_without_tls_browsers_have_no_clipboard_and_it_is_copied_all_the_same(
    copier: Page, api: Api
) -> None:
    copier.add_init_script(
        "const { clipboard } = navigator;"
        "Object.defineProperty(navigator, 'clipboard',"
        " { get: () => window.isReading && clipboard });"
    )
    copier.goto(f"{api.origin}/users/ada")
    copier.get_by_role("button", name="Copy id").click()
    expect(copier.locator("#said")).to_have_text("Id copied")
    copier.evaluate("window.isReading = true")
    assert clipboard(copier) == "ada"
    expect(copier.get_by_role("button", name="Copy id")).to_be_focused()


def test_a_chart_is_a_picture_with_its_title_range_legend_and_time(
    analyst: Page, weeks_api: Api
) -> None:
    analyst.add_init_script(HEARD_TEXTS)
    analyst.goto(f"{weeks_api.origin}/screens?range=7d")
    expect(analyst.locator("[aria-busy=true]")).to_have_count(0)
    range_in_words = analyst.locator("#period-words").text_content() or ""
    analyst.evaluate("drawnTexts.length = 0")
    name, picture = picture_of(analyst, "series")
    assert name.startswith("screens-by-hour-")
    assert name.endswith(".png")
    assert picture.startswith(PNG)
    width, height = struct.unpack(">II", picture[16:24])
    assert width > 1000
    assert height > 400
    texts = analyst.evaluate("drawnTexts")
    # Texts of ours and of strangers are isolated from each other.
    assert texts[0] == "\u2068Screens\u2069 · \u2068Over time\u2069"
    assert " ".join(texts).find(range_in_words) > 0
    assert HOSTILE in texts, "the legend names the lines"
    assert any(text.startswith("Complete up to ") for text in texts)
    assert pixels(analyst, picture, "--series-1") > 500
    # Streams are an SVG, which is drawn anew.
    name, picture = picture_of(analyst, "flows")
    assert name.startswith("flows-")
    assert picture.startswith(PNG)
    assert pixels(analyst, picture, "--series-1") > 500
    assert analyst.evaluate("drawnTexts.includes('(start)')")
    assert analyst.evaluate("window.owned") is None


def test_what_is_no_chart_has_no_picture(analyst: Page, weeks_api: Api) -> None:
    analyst.goto(f"{weeks_api.origin}/screens?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z")
    expect(analyst.locator("[aria-busy=true]")).to_have_count(0)
    expect(analyst.locator("#top .picture")).to_have_count(0)
    expect(analyst.locator("#flows .picture")).to_be_disabled()
