"""The page to try the API: Swagger UI from its wheel, under the policy of all pages.

Few operations of each kind are drawn; all take seconds of CPU, and `make test-long` draws them.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browser import Api, assert_accessible, look
from tests.e2e.pages.operations import DOCUMENT, METHODS, draw_few_operations
from tests.rigs.api_harness import Table, token


def operation(page: Page, tag: str, name: str) -> Locator:
    return page.locator(f"#operations-{tag}-{name}")


def open_docs(page: Page, api: Api) -> None:
    page.goto(f"{api.origin}/docs")
    expect(page.locator("#api")).to_have_attribute("aria-busy", "false")


def answer_of(shown: Locator) -> tuple[str, object]:
    """Status and body of what was tried."""
    tried = shown.locator(".live-responses-table")
    expect(tried).to_be_visible()
    status = tried.locator("tbody .response-col_status").first.inner_text()
    return status.split()[0], json.loads(tried.locator("pre.microlight").first.inner_text())


@pytest.mark.long
def test_a_stranger_sees_every_operation(stranger: Page, api: Api) -> None:
    open_docs(stranger, api)
    shown = stranger.locator(".opblock-summary-path").all_inner_texts()
    # Swagger UI lets lines break in long paths with characters that take no room.
    assert sorted(path.replace("\u200b", "") for path in shown) == sorted(
        path for path, item in DOCUMENT["paths"].items() for method in item if method in METHODS
    )


def test_a_stranger_tries_an_operation_with_a_pasted_token_by_keyboard_alone(
    stranger: Page, api: Api, table: Table
) -> None:
    """None that does not end can be tried, and no other site is asked for anything."""
    table.user("ada")
    draw_few_operations(stranger)
    asked: set[str] = set()
    stranger.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    open_docs(stranger, api)
    for tag, name in (("Who_is_online", "followFeed"), ("Phones", "openSocket")):
        endless = operation(stranger, tag, name)
        endless.locator(".opblock-summary-control").click()
        expect(endless.get_by_text("Responses", exact=True)).to_be_visible()
        expect(endless.get_by_role("button", name="Execute")).to_have_count(0)
    expect(stranger.get_by_role("link", name="Log in")).to_have_attribute(
        "href", "/login?next=/docs"
    )
    keyboard = stranger.keyboard
    stranger.locator(".btn.authorize").focus()
    keyboard.press("Enter")
    field = stranger.get_by_label("auth-bearer-value").nth(1)  # of staff, after the phone's
    expect(field).to_be_visible()
    field.focus()
    keyboard.insert_text(token())  # at once, as pasted: each key draws the page anew
    keyboard.press("Tab")
    keyboard.press("Enter")
    stranger.get_by_role("button", name="Close", exact=True).last.focus()
    keyboard.press("Enter")
    expect(stranger.locator(".dialog-ux")).to_have_count(0)
    lookup = operation(stranger, "Who_is_online", "lookUpUsers")
    lookup.locator(".opblock-summary-control").focus()
    keyboard.press("Enter")
    lookup.get_by_label("Body").focus()
    keyboard.press("ControlOrMeta+a")
    keyboard.insert_text('{"user_ids": ["ada", "bob"]}')
    lookup.get_by_role("button", name="Execute").focus()
    keyboard.press("Enter")
    status, body = answer_of(lookup)
    assert status == "200"
    assert isinstance(body, dict)
    assert body["unknown"] == ["bob"]
    assert {netloc for netloc in asked if netloc} == {urlsplit(api.origin).netloc}
    # Nothing of it outlives the page.
    assert stranger.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]") == []


def test_a_call_is_tried_with_the_dashboards_session(
    stranger: Page, api: Api, table: Table
) -> None:
    page = stranger
    draw_few_operations(page)
    table.user("ada", screen="Cart")
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(f"{api.origin}/login?next=/docs#token={token()}")
    expect(page).to_have_url(f"{api.origin}/docs")
    expect(page.locator("#api")).to_have_attribute("aria-busy", "false")
    here = page.locator("nav [aria-current=page]")
    expect(here).to_have_text("API")
    expect(here).to_be_in_viewport(ratio=0.9)
    look(page, "docs")
    listed = operation(page, "Who_is_online", "listOnlineUsers")
    listed.locator(".opblock-summary-control").click()
    listed.get_by_role("button", name="Execute").click()
    status, body = answer_of(listed)
    assert status == "200"
    assert isinstance(body, dict)
    assert [user["user_id"] for user in body["items"]] == ["ada"]
    assert_accessible(page, "#operations-Who_is_online-listOnlineUsers")
