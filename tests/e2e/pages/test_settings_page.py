"""The page that an app shows as its switch (docs/clients/web/settings.html)."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import Api, assert_accessible
from tests.rigs.api_harness import Table, token

PAGE = Path(__file__).parents[3] / "docs/clients/web/settings.html"


@pytest.fixture
def settings(stranger: Page, api: Api) -> Page:
    """The page, as if the app's site had it beside the API; not opened yet."""
    stranger.route(
        f"{api.origin}/settings.html",
        lambda route: route.fulfill(body=PAGE.read_text("utf-8"), content_type="text/html"),
    )
    return stranger


def opened(page: Page, api: Api, bearer: str) -> None:
    page.add_init_script(f"window.userToken = async () => {bearer!r}")
    page.goto(f"{api.origin}/settings.html")


def test_it_shows_whether_tracking_is_on_and_what_could_not_be_saved(
    settings: Page, api: Api, table: Table, complaints: list[str]
) -> None:
    opened(settings, api, token("ada", scope=None))
    switch = settings.get_by_role("checkbox", name="Show me as online")
    expect(switch).to_be_enabled()
    expect(switch).to_be_checked()
    assert_accessible(settings)
    # No processor of this deployment has a key.
    switch.click()
    expect(settings.get_by_role("status")).to_contain_text("Not saved: ")
    expect(switch).to_be_checked()
    expect(switch).to_be_enabled()
    complaints.clear()  # the browser's own of that answer


def test_what_cannot_be_read_is_not_shown_as_off(
    settings: Page, api: Api, table: Table, complaints: list[str]
) -> None:
    opened(settings, api, "no.token")
    expect(settings.get_by_role("status")).to_contain_text("This cannot be shown right now: ")
    switch = settings.get_by_role("checkbox", name="Show me as online")
    expect(switch).to_be_disabled()
    assert switch.evaluate("box => box.indeterminate")
    complaints.clear()
