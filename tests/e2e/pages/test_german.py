"""Pages in German: none has a word of English beside what is the API's own."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from playwright.sync_api import Page, expect

from api.dashboard.texts import catalogue
from tests.e2e.browser import Api
from tests.e2e.pages.operations import draw_few_operations
from tests.rigs.api_harness import token

SCOPES = "presence:read presence:manage presence:export presence:audit"
#: Every day.
PAGES = ("/", "/users/user-1", "/screens?range=7d", "/audience", "/health", "/no-such-page")
OTHERS = (
    "/users", "/users?q=zz", "/users/nobody-has-this-id", "/screens/Home?range=7d",
    "/screens/nowhere", "/screen-rules", "/active-users", "/retention",
    "/funnel?range=7d&step1=Home&step2=Cart%201", "/alerts", "/webhooks", "/share-links", "/audit",
    "/docs", "/login", "/login?why=expired",
)  # fmt: skip
ENGLISH = re.compile(r"\b(the|of|and|is|are|with|from|this|that|by|not|nobody|yet|for|has)\b", re.I)
#: Texts and names of all that is shown, but for what is told to be English, code, or of an app.
TEXTS = """() => {
    const found = [];
    const out = "[lang=en], code, pre, bdi, script, style, noscript";
    const walk = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
    while (walk.nextNode())
        if (!walk.currentNode.parentElement.closest(out)) found.push(walk.currentNode.data);
    for (const name of ["title", "aria-label", "placeholder"])
        for (const node of document.querySelectorAll(`[${name}]`))
            if (!node.closest(out)) found.push(node.getAttribute(name));
    return found.map((text) => text.trim()).filter(Boolean);
}"""


@pytest.mark.parametrize(
    "paths", [PAGES, pytest.param(OTHERS, marks=pytest.mark.long)], ids=["daily", "others"]
)
def test_no_page_in_german_has_english_left(
    stranger: Page, complaints: list[str], weeks_api: Api, paths: Sequence[str]
) -> None:
    german = catalogue("de")
    keys = {key for key, text in german.items() if text != key and key[0].isupper()}
    spoken = {text for text in german.values() if isinstance(text, str)}
    stranger.goto(f"{weeks_api.origin}/login?next=%2Fusers#token={token('admin', scope=SCOPES)}")
    stranger.wait_for_url("**/users")
    stranger.context.add_cookies(
        [{"name": "rollcall_language", "value": "de", "url": weeks_api.origin}]
    )
    if "/docs" in paths:
        draw_few_operations(stranger)
    for path in paths:
        stranger.goto(weeks_api.origin + path)
        expect(stranger.locator("html")).to_have_attribute("lang", "de")
        expect(stranger.locator("main [aria-busy=true]")).to_have_count(0)
        texts: list[str] = stranger.evaluate(TEXTS)
        left = [text for text in texts if text in keys - spoken or ENGLISH.search(text)]
        assert left == [], path
    # Of nobody and of nowhere there are pages, too.
    complaints[:] = [each for each in complaints if "status of 404" not in each]
