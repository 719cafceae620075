"""What readers keep: views of pages, and notes that charts mark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import HOSTILE, Api, look, sign_in
from tests.integration.processor.small_fleet import Fleet
from tests.rigs.api_harness import token

SCOPES = "presence:read presence:manage presence:export"
RELEASE = "Release 4.2 to everybody who had waited for it since the spring"


@pytest.fixture
def lead(stranger: Page, weeks_api: Api) -> Page:
    """Somebody who may write notes, on a page of theirs."""
    sign_in(stranger, weeks_api.origin, token("lead", scope=SCOPES))
    return stranger


def show(page: Page, api: Api, path: str) -> None:
    page.goto(api.origin + path)
    expect(page.locator("[aria-busy=true]")).to_have_count(0)


@pytest.fixture
def add(lead: Page, weeks_api: Api) -> Iterator[Callable[..., None]]:
    """Notes that are gone after the test: they are on every chart of these weeks."""
    headers = {"Sec-Fetch-Site": "same-origin"}
    notes = f"{weeks_api.origin}/api/v1/annotations"
    added: list[int] = []

    def add(**note: Any) -> None:
        answer = lead.request.post(notes, data=note, headers=headers)
        assert answer.status == 201, answer.text()
        added.append(answer.json()["id"])

    yield add
    for each in added:
        assert lead.request.delete(f"{notes}/{each}", headers=headers).ok


def test_a_page_is_saved_shared_renamed_and_deleted(
    lead: Page, weeks_api: Api, complaints: list[str]
) -> None:
    path = "/users?state=background&sort=user_id"
    show(lead, weeks_api, path)
    lead.get_by_role("button", name="Saved views").click()
    dialog = lead.get_by_role("dialog", name="Saved views")
    expect(dialog).to_contain_text("You have saved none yet")
    name = dialog.get_by_label("Name of this page")
    expect(name).to_have_value("Online users, in the background")
    name.fill(HOSTILE)
    dialog.get_by_role("button", name="Save this page").click()
    expect(dialog.get_by_role("status")).to_have_text("Saved.")
    dialog.get_by_role("button", name=re.compile("^Rename")).click()
    dialog.get_by_label("New name").fill("Home and Cart")
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(dialog.get_by_role("status")).to_have_text("Renamed.")
    look(lead, "saved-views", part="dialog[open]")

    lead.goto(f"{weeks_api.origin}/users?q=ada")
    lead.get_by_role("button", name="Saved views").click()
    link = dialog.get_by_role("link", name="Home and Cart")
    dialog.get_by_role("button", name="Save this page").click()
    expect(dialog.get_by_role("status")).to_have_text(
        "The address of this page looks for a user (q): what is kept must name nobody."
    )
    complaints.clear()  # Chromium reports the refusal as a failed resource
    link.click()
    lead.wait_for_url(weeks_api.origin + path)
    # Another page takes its place, under its name and link.
    lead.goto(f"{weeks_api.origin}/active-users")
    lead.get_by_role("button", name="Saved views").click()
    dialog.get_by_role("button", name="Save over Home and Cart").click()
    dialog.get_by_role("button", name="Really save this page over it").click()
    expect(dialog.get_by_role("status")).to_have_text("Saved over.")
    link.click()
    lead.wait_for_url(re.compile("/active-users"))
    lead.get_by_role("button", name="Saved views").click()
    dialog.get_by_role("button", name=re.compile("^Delete")).click()
    expect(link).to_be_visible()
    dialog.get_by_role("button", name="Really delete").click()
    expect(dialog.get_by_role("status")).to_have_text("Deleted.")
    expect(dialog).to_contain_text("You have saved none yet")
    assert lead.evaluate("window.owned") is None


def test_an_audience_is_saved_with_its_filter(lead: Page, weeks_api: Api) -> None:
    show(lead, weeks_api, "/audience#%7B%22screen%22%3A%22Home%22%7D")
    expect(lead.get_by_label("On screen")).to_have_value("Home")
    lead.get_by_role("button", name="Saved views").click()
    dialog = lead.get_by_role("dialog", name="Saved views")
    dialog.get_by_role("button", name="Save this page").click()
    expect(dialog.get_by_role("status")).to_have_text("Saved.")
    lead.goto(f"{weeks_api.origin}/users")
    lead.get_by_role("button", name="Saved views").click()
    dialog.get_by_role("link", name="Audience").click()
    expect(lead.get_by_label("On screen")).to_have_value("Home")


def test_charts_mark_notes_with_their_texts(
    lead: Page, weeks_api: Api, weeks: Fleet, add: Callable[..., None]
) -> None:
    at = (weeks.as_of - timedelta(days=3)).isoformat()
    add(text=RELEASE, kind="release", at=at)
    add(text=HOSTILE, kind="incident", at=at)
    show(lead, weeks_api, "/screens?range=7d")
    label = lead.locator("#series .plot-label.note")
    expect(label).to_have_count(1)
    expect(label).to_contain_text("+1")
    box = label.bounding_box()
    plot = lead.locator("#series .u-over").bounding_box()
    assert box is not None
    assert plot is not None
    # Three of seven days are to its right; what has room is cut, and what has not is told there.
    assert 0.5 < (box["x"] - plot["x"]) / plot["width"] < 0.65
    assert box["width"] <= 144
    lead.mouse.move(box["x"] + 1, plot["y"] + plot["height"] / 2)
    tip = lead.locator("#series .tip")
    expect(tip).to_contain_text(RELEASE)
    expect(tip).to_contain_text(HOSTILE)
    lead.locator("#series summary").click()
    notes = lead.get_by_role("list", name="Notes")
    expect(notes).to_contain_text(f"Release: {RELEASE}")
    assert lead.evaluate("window.owned") is None
    show(lead, weeks_api, "/active-users")
    for card in ("active", "new", "peaks"):
        expect(lead.locator(f"#{card} .plot-label.note")).to_have_count(1)
    look(lead, "notes", part="#active")


def test_a_note_is_written_and_deleted_on_the_page(lead: Page, weeks_api: Api) -> None:
    show(lead, weeks_api, "/active-users")
    lead.get_by_role("button", name="Notes on the time axis").click()
    dialog = lead.get_by_role("dialog", name="Notes on the time axis")
    dialog.get_by_label("What happened").fill("Campaign begins")
    dialog.get_by_label("Kind").select_option(label="Campaign")
    dialog.get_by_role("button", name="Add the note").click()
    expect(dialog.get_by_role("status")).to_have_text("Added.")
    row = dialog.get_by_role("listitem").filter(has_text="Campaign begins")
    expect(row).to_contain_text("Campaign by lead")
    look(lead, "note-book", part="dialog[open]")
    row.get_by_role("button", name=re.compile("^Delete")).click()
    row.get_by_role("button", name="Really delete").click()
    expect(dialog.get_by_role("status")).to_have_text("Deleted.")
    expect(row).to_have_count(0)


def test_who_may_not_write_notes_reads_them_alone(analyst: Page, weeks_api: Api) -> None:
    show(analyst, weeks_api, "/active-users")
    expect(analyst.get_by_role("button", name="Saved views")).to_be_visible()
    expect(analyst.get_by_role("button", name="Notes")).to_have_count(0)
