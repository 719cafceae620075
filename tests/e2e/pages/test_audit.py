"""The page "Who looked"."""

from __future__ import annotations

import csv
import io

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import HOSTILE, Api, assert_accessible, look, sign_in
from tests.rigs.api_harness import Table, token

SCOPES = "presence:read presence:audit"


@pytest.fixture
def auditor(stranger: Page, api: Api, table: Table) -> Page:
    """Somebody who may see who looked, and has opened no page yet."""
    table.user("ada")
    sign_in(stranger, api.origin, token("dpo", scope=SCOPES))
    return stranger


def noted(table: Table, who: str, minutes: int, call: str = "lookup") -> None:
    table.run(
        "INSERT INTO reads_audit VALUES (date_trunc('minute', now()) - %s * interval '1 min',"
        " 'api_key', %s, %s, sha256('x'), 3, 5)",
        minutes,
        who,
        call,
    )


def test_it_shows_who_looked_and_gives_it_as_a_file(auditor: Page, api: Api, table: Table) -> None:
    noted(table, "CRM", 2)
    noted(table, HOSTILE, 3)
    table.run(
        "INSERT INTO reads_audit VALUES (date_trunc('minute', now()), 'own', '', 'erase',"
        " sha256('x'), 1, 0)"
    )
    auditor.goto(f"{api.origin}/audit")
    rows = auditor.locator("#rows tr")
    expect(rows.filter(has_text="API key CRM")).to_contain_text("a lookup by id")
    expect(rows.filter(has_text=HOSTILE)).to_have_count(1)
    expect(rows.filter(has_text="erased a user")).to_contain_text("the user themselves")
    assert auditor.evaluate("window.owned") is None
    assert_accessible(auditor)
    with auditor.expect_download() as downloading:
        auditor.click("#csv")
    text = downloading.value.path().read_text("utf-8")
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    assert "CRM" in {row["who"] for row in found}


def test_it_shows_what_managers_did(auditor: Page, api: Api, table: Table) -> None:
    for number in range(51):
        table.run(
            "INSERT INTO managed_audit (who_kind, who, kind, managed, action, details) "
            "VALUES (%s, %s, 'webhook', %s, %s, %s)",
            *(("command", "root") if number else ("api_key", "key:CRM")),
            *(HOSTILE, "rotated" if number else "made"),
            "{}" if number else '{"to": "https://crm.example.com"}',
        )
    auditor.goto(f"{api.origin}/audit")
    rows = auditor.locator("#managed-rows tr")
    expect(rows).to_have_count(50)
    expect(rows.first).to_contain_text("root (command)")
    expect(rows.first).to_contain_text("Webhook: new secret")
    expect(rows.first).to_contain_text(HOSTILE)
    auditor.locator("#managed-older").click()
    expect(rows).to_have_count(51)
    expect(rows.last).to_contain_text("API key CRM")
    expect(rows.last).to_contain_text("https://crm.example.com")
    expect(auditor.locator("#managed-older")).to_be_hidden()
    assert auditor.evaluate("window.owned") is None
    look(auditor, "audit-managed")


def test_a_user_id_finds_who_looked_at_them(auditor: Page, api: Api, table: Table) -> None:
    for n in range(60):
        noted(table, "CRM", n + 2)
    auditor.goto(f"{api.origin}/audit")
    expect(auditor.locator("#rows tr")).to_have_count(50)
    auditor.click("#older")
    expect(auditor.locator("#rows tr").nth(59)).to_be_visible()
    auditor.get_by_label("User id").fill("ada")
    auditor.get_by_role("button", name="Show").click()
    expect(auditor.locator("#empty")).to_have_text("Nobody has looked at this user by name.")
    auditor.goto(f"{api.origin}/users/ada")
    expect(auditor.locator("#name")).to_have_text("ada")
    auditor.goto(f"{api.origin}/audit?user=ada")
    expect(auditor.locator("#rows tr").filter(has_text="a user's page")).to_contain_text("dpo")


def test_without_the_scope_there_is_no_such_page(page: Page) -> None:
    expect(page.locator("nav a").first).to_be_visible()
    expect(page.get_by_role("link", name="Who looked")).to_have_count(0)
