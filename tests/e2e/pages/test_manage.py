"""The pages on which managers say who is told of what: webhooks and alerts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browser import HOSTILE, Api, assert_accessible, look, sign_in
from tests.rigs.api_harness import Table, token

SCOPES = "presence:read presence:manage"
URL = "https://crm.example.com/rollcall"
SECRET = re.compile(r"^whsec_[A-Za-z0-9+/]{32,}=*$")


@pytest.fixture
def api(managed_api: Api) -> Api:
    return managed_api


@pytest.fixture
def lead(stranger: Page, api: Api, table: Table) -> Page:
    sign_in(stranger, api.origin, token("lead", scope=SCOPES))
    return stranger


def show(page: Page, api: Api, path: str) -> Locator:
    """The list on the page, once it is read."""
    page.goto(api.origin + path)
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    return page.locator("#list > li")


def test_a_webhook_is_made_watched_turned_over_and_ended(
    lead: Page, api: Api, table: Table, complaints: list[str]
) -> None:
    show(lead, api, "/alerts")
    lead.get_by_role("link", name="Webhooks").click()
    rows = lead.locator("#list > li")
    expect(lead.locator("#list-empty")).to_be_visible()
    lead.get_by_role("button", name="Make the webhook").click()
    expect(lead.locator("#new-said")).to_contain_text("The address must be")
    assert "422" in complaints.pop()
    lead.get_by_label("Address of the receiver").fill(URL)
    lead.get_by_label("offline", exact=True).check()
    lead.get_by_label("Screens, one a line").fill(f"Cart\n{HOSTILE}\n")
    lead.get_by_role("button", name="Make the webhook").click()
    expect(lead.locator("#secret-text")).to_have_text(SECRET)
    expect(lead.locator("#secret")).to_be_focused()
    first = lead.locator("#secret-text").text_content()
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("state offline; screen ")
    expect(rows.first).to_contain_text(HOSTILE)
    expect(rows.first.locator(".pill")).to_have_text("Active")
    look(lead, "webhooks")
    # It fails, and leaves something behind.
    table.run(
        'INSERT INTO webhook_cursors (webhook, "partition", dead_letter, next_offset, message_id, '
        "body, changes, message_next_offset, oldest_at, fixed_at, attempts, problem) SELECT id, 0,"
        " 0, 5, 'msg_1', 'x', 1, 6, now(), now(), 3, 'status 503' FROM webhooks"
    )
    table.run(
        'INSERT INTO webhook_dead_letters (webhook, "partition", from_offset, next_offset, changes,'
        " why) SELECT id, 0, 5, 9, 2, 'retries' FROM webhooks"
    )
    expect(rows.first.locator(".pill")).to_have_text("Failing")
    expect(rows.first).to_contain_text("Not delivered (status 503)")
    rows.first.get_by_role("button", name=re.compile("^Dead letters")).click()
    expect(rows.first).to_contain_text("2 changes of partition 0, offsets 5 to 8, were given up")
    look(lead, "webhook-dead-letters", part="#list")
    rows.first.get_by_role("button", name=re.compile("^Deliver them again")).click()
    expect(lead.locator("#list-said")).to_have_text("1 dead letter on the way again.")
    expect(rows.first.get_by_role("button", name=re.compile("^Deliver them"))).to_have_count(0)
    rows.first.get_by_role("button", name=re.compile("^New secret")).click()
    rows.first.get_by_role("button", name="Really a new secret").click()
    expect(lead.locator("#secret-text")).not_to_have_text(first or "")
    expect(lead.locator("#secret-text")).to_have_text(SECRET)
    expect(rows.first).to_contain_text("The secret of before signs too until")
    table.run("UPDATE webhooks SET disabled_at = now(), disabled_why = 'gone'")
    expect(rows.first.locator(".pill")).to_have_text("Disabled")
    rows.first.get_by_role("button", name=re.compile("^Enable again")).click()
    expect(rows.first.locator(".pill")).not_to_have_text("Disabled")
    rows.first.get_by_role("button", name=re.compile("^Delete")).press("Enter")
    rows.first.get_by_role("button", name="Really delete").press("Enter")
    expect(rows).to_have_count(0)
    assert lead.evaluate("window.owned") is None


def test_a_timer_is_made(lead: Page, api: Api) -> None:
    rows = show(lead, api, "/webhooks")
    lead.get_by_label("Address of the receiver").fill(URL)
    lead.get_by_label("users who stay so for a while").check()
    lead.get_by_label("Who is").select_option("on_screen")
    lead.get_by_label("Screen", exact=True).fill("Checkout")
    lead.get_by_label("For how many minutes").fill("5")
    lead.get_by_role("button", name="Make the webhook").click()
    expect(rows.first).to_contain_text("Users who are on Checkout for 5 minutes")
    # A live audience of some of them.
    lead.get_by_label("Address of the receiver").fill(URL)
    lead.get_by_label("users who stay so for a while").check()
    lead.get_by_label("Platform").fill("Android")
    lead.get_by_label("How versions compare").select_option(label="from")
    lead.get_by_label("Version", exact=True).fill("1.10")
    lead.get_by_label("Each user once in how many hours").fill("24")
    assert_accessible(lead)
    lead.get_by_role("button", name="Make the webhook").click()
    expect(rows.nth(1)).to_contain_text(
        "offline for 10 minutes; platform Android; version >= 1.10; each once in 24 hours"
    )


def test_live_and_other_audiences_are_told_as_such(lead: Page, api: Api, table: Table) -> None:
    table.run(
        "INSERT INTO webhooks (id, url, filter, created_by, secret) VALUES ('wh_1', 'onesignal', "
        """'{"timer": {"while": "offline", "seconds": 600, "once_in_seconds": 86400, "push": """
        """{"text": "Come back"}}}', 'lead', '')"""
    )
    rows = show(lead, api, "/webhooks")
    expect(rows.first).to_contain_text("offline for 10 minutes; each once in 24 hours")
    expect(rows.first.get_by_role("button", name=re.compile("^New secret"))).to_have_count(0)
    lead.get_by_label("Address of the receiver").fill(URL)
    lead.get_by_label("audiences that somebody sends to it").check()
    lead.get_by_role("button", name="Make the webhook").click()
    expect(rows.nth(1)).to_contain_text("Audiences that are sent to it")


def history(table: Table) -> None:
    """A sample of 20 users each minute of 200, of 2 in the minutes from 51 to 53."""
    table.run(
        'INSERT INTO concurrency_samples (at, "partition", foreground, background) '
        "SELECT date_trunc('minute', log_time) - n * interval '1 min', 0, "
        "CASE WHEN n BETWEEN 51 AND 53 OR n BETWEEN 151 AND 153 THEN 2 ELSE 20 END, 0 "
        "FROM stream_offsets, generate_series(0, 200) AS n"
    )


def test_an_alert_is_tried_on_the_last_week_made_watched_and_ended(
    lead: Page, api: Api, table: Table, complaints: list[str]
) -> None:
    history(table)
    rows = show(lead, api, "/alerts")
    trial, making = lead.locator("#tried-said"), lead.locator("#tell")
    tried = lead.get_by_role("button", name="Try it on the last week")
    expect(making).to_be_hidden()
    tried.click()
    expect(trial).to_contain_text("The name is missing")
    complaints.clear()
    lead.get_by_label("Name", exact=True).fill(HOSTILE)
    lead.get_by_label("The number").fill("10")
    lead.get_by_label("For so many minutes").fill("2")
    tried.click()
    expect(trial).to_contain_text("It would have fired twice in the last week: 4 messages.")
    expect(lead.locator("#trial-times time")).to_have_count(2)
    look(lead, "alert-tried", part="main")
    # What was said of one rule is not said of another.
    lead.get_by_label("The number").fill("1")
    expect(making).to_be_hidden()
    tried.click()
    expect(trial).to_contain_text("It would not have fired in the last week.")
    lead.get_by_label("Address", exact=True).fill(URL)
    lead.get_by_role("button", name="Make the alert").click()
    expect(lead.locator("#secret-text")).to_have_text(SECRET)
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("Users online below 1, for 2 minutes")
    expect(rows.first.locator(".pill")).to_have_text("Calm")
    look(lead, "alerts")
    table.run(
        "UPDATE alerts SET state = jsonb_build_object('through', 1, 'firing_since', "
        "extract(epoch FROM now())::bigint)"
    )
    expect(rows.first.locator(".pill")).to_have_text("Firing")
    expect(rows.first).to_contain_text("Firing since")
    rows.first.get_by_role("button", name=re.compile("^Delete")).click()
    rows.first.get_by_role("button", name="Really delete").click()
    expect(rows).to_have_count(0)
    assert lead.evaluate("window.owned") is None


def test_the_alert_of_a_new_peak_is_ready_before_there_is_any_history(
    lead: Page, api: Api, table: Table, complaints: list[str]
) -> None:
    table.run("DELETE FROM stream_offsets")
    rows = show(lead, api, "/alerts")
    lead.get_by_role("button", name=re.compile("^New all-time peak")).click()
    lead.get_by_role("button", name="Try it on the last week").click()
    expect(lead.locator("#tried-said")).to_contain_text("Nothing can be tried yet")
    complaints.clear()
    lead.get_by_label("Who is told").select_option("slack")
    lead.get_by_label("Address", exact=True).fill("https://hooks.slack.example.com/services/T0")
    lead.get_by_role("button", name="Make the alert").click()
    expect(rows.first).to_contain_text("Users online above the highest so far")
    expect(rows.first).to_contain_text("not told when it is over")
    expect(lead.locator("#secret")).to_be_hidden()


def test_who_may_not_manage_is_told_so(
    stranger: Page, api: Api, table: Table, complaints: list[str]
) -> None:
    sign_in(stranger, api.origin)
    for path, title in (("/webhooks", "Webhooks"), ("/alerts", "Alerts")):
        stranger.goto(api.origin + path)
        expect(stranger.locator("main")).to_contain_text(
            f"{title} needs the scope presence:manage."
        )
        expect(stranger.get_by_role("link", name="Alerts", exact=True)).to_have_count(0)
        complaints.clear()
