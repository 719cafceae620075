"""The page "Screen rules": what rules would make of the names of a fleet that is known."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from schemas.log.screen_rules import READY_RULES
from tests.e2e.browser import (
    Api,
    assert_no_sideways_scroll,
    look,
    sign_in,
)
from tests.e2e.pages.conftest import NEVER_STALE
from tests.integration.processor.small_fleet import Fleet


def show(page: Page, api: Api) -> None:
    page.goto(f"{api.origin}/screens")
    page.get_by_role("link", name="Screen rules").click()
    page.wait_for_url(f"{api.origin}/screen-rules")
    expect(page.locator("[aria-busy=true]")).to_have_count(0)


def rows(page: Page, table: str) -> dict[str, list[str]]:
    return {
        row.locator("th").text_content() or "": row.locator("td").all_text_contents()
        for row in page.locator(f"#{table}-rows tr").all()
    }


def test_it_shows_which_names_would_become_one_and_which_stay(
    analyst: Page, weeks_api: Api, weeks: Fleet
) -> None:
    show(analyst, weeks_api)
    fold = READY_RULES.folder()
    visits: Counter[str] = Counter()
    names, users = defaultdict(set), defaultdict(set)
    for session, visit in weeks.visits():
        screen = fold(visit.screen)
        visits[screen] += 1
        names[screen].add(visit.screen)
        users[screen].add(session.user)

    def numbers(screen: str) -> list[str]:
        return [f"{visits[screen]:,}", f"{len(users[screen]):,}"]

    changed = {screen for screen, its in names.items() if its != {screen}}
    folded, stays = rows(analyst, "folded"), rows(analyst, "stays")
    assert "Cart {id}" in changed
    assert folded.keys() == changed
    for screen, cells in folded.items():
        assert cells[:3] == [str(len(names[screen])), *numbers(screen)], screen
        assert set(cells[3].split(" · ")) <= names[screen]
    assert stays == {screen: numbers(screen) for screen in names.keys() - changed}
    expect(analyst.locator("#rules-words")).to_contain_text("No rules are in force.")
    assert analyst.locator("#rules-list li").all_text_contents() == READY_RULES.lines
    assert analyst.evaluate("window.owned") is None
    look(analyst, "screen-rules")
    analyst.set_viewport_size({"width": 320, "height": 640})
    assert_no_sideways_scroll(analyst)


@pytest.fixture
def ruled_api(weeks_database: str, weeks: Fleet, tmp_path: Path) -> Iterator[Api]:
    rules = tmp_path / "rules"
    rules.write_text("Ca{x} {number}\n")
    running = Api(weeks_database, STALE_AFTER_SECONDS=NEVER_STALE, SCREEN_RULES=str(rules))
    running.start()
    try:
        yield running
    finally:
        running.stop()


def test_rules_that_are_in_force_are_those_that_are_shown(stranger: Page, ruled_api: Api) -> None:
    sign_in(stranger, ruled_api.origin)
    show(stranger, ruled_api)
    expect(stranger.locator("#rules-words")).to_contain_text("ROLLCALL_SCREEN_RULES")
    assert rows(stranger, "folded").keys() == {"Ca{x} {number}"}
