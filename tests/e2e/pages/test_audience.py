"""The Audience page: a filter is built, counted and exported, and the export is recorded."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.e2e.browser import (
    HOSTILE,
    Api,
    assert_accessible,
    look,
    sign_in,
    wait_until,
)
from tests.e2e.pages.fleet import LogTime
from tests.rigs.api_harness import Table, token

BOTH = "presence:read presence:export"
PREVIEW = "**/api/v1/audiences/preview"
NAMES = ("Ada Lovelace", "Grace Hopper", "Alan Turing", "Edsger Dijkstra", "Barbara Liskov", None)
SCREENS = ("Home", "Product", "Cart", "Checkout")
VERSIONS = ("2.4.1", "2.4.0+118", "2.3.7", "1.9.12", "1.10.0")


@pytest.fixture
def log_time(pages_database: str, table: Table) -> Iterator[LogTime]:
    running = LogTime(pages_database)
    yield running
    running.stop()


@pytest.fixture
def fleet(table: Table, log_time: LogTime) -> Table:
    """Sixty users, half of them online, who were active in the last sixty hours."""
    now = datetime.now(UTC)
    for number in range(60):
        online, place = number % 2 == 0, number // 2
        at = now - timedelta(minutes=1) if online else now - timedelta(hours=number)
        table.user(
            f"user-{number:02}",
            ("foreground" if place % 2 else "background") if online else "offline",
            name=NAMES[number % len(NAMES)],
            screen=SCREENS[place // 2 % len(SCREENS)] if online else None,
            changed_at=at,
            last_active=at,
            online_since=at if online else None,
            app_version=VERSIONS[number % len(VERSIONS)],
            device_info=("iPhone 15", "Pixel 9")[number % 2],
            platform=("ios", "android")[number % 2],
        )
    log_time.count(foreground=15, background=15)
    return table


@pytest.fixture
def marketer(stranger: Page, api: Api) -> Page:
    """Somebody who may export, and has opened no page yet."""
    sign_in(stranger, api.origin, token("marketing", scope=BOTH))
    return stranger


@pytest.fixture
def audience(marketer: Page, api: Api, fleet: Table) -> Page:
    """The page, opened by them."""
    marketer.goto(f"{api.origin}/audience")
    return marketer


def counts(page: Page, text: str) -> None:
    """Of the filter as it is: nothing can be downloaded before it has been counted."""
    expect(page.get_by_role("button", name="Download CSV")).to_be_enabled()
    expect(page.locator("#count")).to_have_text(text)


def downloaded(page: Page, name: str) -> tuple[str, str]:
    """Name and content of the file that a button gives."""
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    return download.value.suggested_filename, Path(download.value.path()).read_text()


def test_a_filter_is_built_exported_and_recorded(audience: Page, fleet: Table) -> None:
    counts(audience, "60")
    expect(audience.locator("#connection")).to_have_text("Live")
    expect(audience.locator("#count-note")).to_contain_text("Everybody who was ever seen")
    expect(audience.locator("#sample-rows tr")).to_have_count(20)
    expect(audience.locator(".consent")).to_contain_text("not consent")
    expect(audience.locator("#exports-empty")).to_have_text("Nobody has exported anything yet.")
    expect(audience.locator("#versions option")).to_have_count(5)
    expect(audience.locator("#screens option")).to_have_count(4)
    send = audience.get_by_role("form", name="Send this audience")
    expect(send).to_contain_text("There is nowhere to send it")
    expect(send.get_by_role("button", name="Send to this audience")).to_be_disabled()

    audience.get_by_label("State").select_option(label="offline")
    counts(audience, "30")
    last_active = audience.get_by_role("group", name="Last active")
    last_active.get_by_label("From", exact=True).select_option(label="hours ago")
    last_active.get_by_label("From: how many").fill("36")
    counts(audience, "18")
    audience.get_by_label("Version", exact=True).fill("2.0")
    audience.get_by_label("How versions compare").select_option(label="before")
    counts(audience, "7")
    audience.get_by_label("Platform").fill("ANDROID")
    counts(audience, "7")
    audience.get_by_label("User ids, one a line").fill("user-09\n\nnobody\n user-09 \n")
    expect(audience.locator("#excluded-count")).to_have_text("(2)")
    counts(audience, "6")
    audience.get_by_label("At most").fill("4")
    counts(audience, "4")
    expect(audience.locator("#count-note")).to_contain_text("Drawn from 6 who match.")
    shown = set(audience.locator("#sample-rows .user").all_inner_texts())
    assert len(shown) == 4

    name, lines = downloaded(audience, "Download NDJSON")
    assert re.fullmatch(r"audience-\d{8}-\d{6}\.ndjson", name)
    ids = {json.loads(line)["user_id"] for line in lines.splitlines()}
    assert len(ids) == 4
    assert all(any(user in text for text in shown) for user in ids)
    name, sheet = downloaded(audience, "Download CSV")
    assert name.endswith(".csv")
    assert {*sheet.split()} == {f'"{cell}"' for cell in ("user_id", *ids)}
    assert audience.url.partition("#")[0].endswith("/audience")

    rows = audience.locator("#exports-rows tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("CSV")
    for row in rows.all():
        expect(row).to_contain_text("marketing")
        expect(row.locator(".rows")).to_have_text("4")
        expect(row.locator(".ended")).to_have_text("completed")
        expect(row.locator(".what")).to_contain_text(
            "last active in the last 36 hours, offline, version before 2.0, Android, "
            "without 2 users, at most 4"
        )
    recorded = fleet.run("SELECT who, format, rows, outcome FROM audience_exports ORDER BY 2")
    assert recorded == [
        ("marketing", "csv", 4, "completed"),
        ("marketing", "ndjson", 4, "completed"),
    ]
    look(audience, "audience")


def test_an_audience_is_sent_followed_and_cancelled(marketer: Page, api: Api, fleet: Table) -> None:
    fleet.run(
        "INSERT INTO webhooks (id, url, filter, created_by, secret) VALUES (%s, "
        """'https://crm.example.com/rollcall', '{"of": "audience"}', 'admin', '')""",
        "wh_" + "5" * 16,
    )
    audience = marketer
    audience.goto(f"{api.origin}/audience")
    send = audience.get_by_role("form", name="Send this audience")
    audience.get_by_label("State").select_option(label="offline")
    counts(audience, "30")
    send.get_by_label("Name").fill("<b>Sale</b>")
    send.get_by_label("Text").fill("It begins")
    expect(send.get_by_label("To")).to_contain_text("https://crm.example.com (wh_5555")
    send.get_by_role("button", name="Send to this audience").click()
    [row] = [audience.locator("#deliveries-rows tr")]
    expect(row).to_have_count(1)
    expect(row).to_contain_text("<b>Sale</b>")
    expect(row).to_contain_text("0 of 30")
    expect(row.locator(".ended")).to_have_text("running")
    look(audience, "audience-sent", part="form[aria-label='Send this audience'], #deliveries-rows")
    # Its webhook was away for too long: it goes on once that is mended.
    fleet.run("UPDATE audience_exports SET ended_at = now(), outcome = 'failed', rows = 8")
    fleet.run("UPDATE audience_deliveries SET ended_at = now(), sent = 8, problem = 'status 503'")
    expect(row.locator(".ended")).to_contain_text("failedstatus 503")
    assert_accessible(audience, "#deliveries-rows")
    row.get_by_role("button", name="Go on with <b>Sale</b>").click()
    expect(row.locator(".ended")).to_have_text("running")
    expect(row).to_contain_text("8 of 30")
    row.get_by_role("button", name="Cancel").click()
    expect(row.locator(".ended")).to_have_text("cancelling")
    # Notify has ended it.
    fleet.run("UPDATE audience_deliveries SET ended_at = now(), sent = 10")
    fleet.run(
        "UPDATE audience_exports SET ended_at = now(), outcome = 'cancelled', rows = 2 "
        "WHERE resumes IS NOT NULL"
    )
    expect(row.locator(".ended")).to_have_text("cancelled")
    expect(row).to_contain_text("10 of 30")
    expect(audience.locator("#exports-rows .rows")).to_have_text(["2", "8"])


def test_the_filter_is_in_the_address_and_comes_back_from_the_record(
    audience: Page, fleet: Table
) -> None:
    audience.get_by_label("State").select_option(label="online, in the foreground")
    audience.get_by_label("On screen").fill("Nowhere")
    counts(audience, "0")
    expect(audience.locator("#nobody")).to_be_visible()
    audience.get_by_label("On screen").fill("Cart")
    counts(audience, "4")
    saw = audience.get_by_role("group", name="Saw a screen", exact=True)
    saw.get_by_label("Screen").fill("Cart")
    saw.get_by_label("From", exact=True).select_option(label="a date")
    saw.get_by_label("From: date and time").fill("2026-03-01T10:30")
    counts(audience, "4")
    kept = json.loads(unquote(audience.url.partition("#")[2]))
    assert kept["saw"]["from"].startswith("2026-03-01T")
    downloaded(audience, "Download CSV")
    expect(audience.locator("#exports-rows tr")).to_have_count(1)

    audience.reload()
    counts(audience, "4")
    expect(saw.get_by_label("From: date and time")).to_have_value(re.compile("2026-03-01T10:30"))
    audience.get_by_role("button", name="Clear the filter").click()
    counts(audience, "60")
    assert "#" not in audience.url
    audience.get_by_role("button", name="Use again").click()
    counts(audience, "4")
    expect(audience.get_by_label("On screen")).to_have_value("Cart")
    assert json.loads(unquote(audience.url.partition("#")[2])) == kept


def test_what_the_api_cannot_use_is_said_where_it_was_filled_in(
    audience: Page, fleet: Table, complaints: list[str]
) -> None:
    fleet.run(
        "INSERT INTO retention_progress (table_name, kept_from) "
        "VALUES ('spans', now() - interval '3 days')"
    )
    did_not = audience.get_by_role("group", name="Did not see a screen")
    did_not.get_by_label("Screen").fill("Checkout")
    expect(did_not).to_contain_text(re.compile("The period must not begin before 20.*not kept"))
    expect(audience.locator("#trouble")).to_contain_text("cannot be used")
    for name in ("Download NDJSON", "Download CSV"):
        expect(audience.get_by_role("button", name=name)).to_be_disabled()
    audience.get_by_label("At most").fill("0")
    size = audience.get_by_role("group", name="Size")
    expect(size).to_contain_text("The number must be a whole number from 1 to 10000000")
    expect(audience.get_by_label("At most")).to_have_attribute("aria-invalid", "true")
    look(audience, "audience-refused", part="main")
    audience.get_by_label("At most").fill("")
    did_not.get_by_label("From: how many").fill("2")
    counts(audience, "57")  # three are on it now
    expect(audience.locator("#trouble")).to_be_hidden()
    # Chromium reports each refusal as a failed resource.
    complaints.clear()


def test_typing_asks_once_and_of_several_counts_only_the_last_is_shown(
    audience: Page, fleet: Table
) -> None:
    """A slow answer to a filter that nobody wants any more is let go of."""
    counts(audience, "60")
    asked: list[Any] = []

    def note_question(request: Request) -> None:
        if request.url.endswith("/preview"):
            asked.append(request.post_data_json)

    audience.on("request", note_question)
    audience.get_by_label("Platform").press_sequentially("android", delay=20)
    counts(audience, "30")
    assert asked == [{"platform": "android"}]
    audience.get_by_label("Platform").fill("")
    counts(audience, "60")
    left: list[str] = []

    def note_failure(request: Request) -> None:
        left.append(str(request.failure))

    audience.on("requestfailed", note_failure)
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    audience.route(PREVIEW, hold_the_first)
    audience.get_by_label("State").select_option(label="offline")

    def is_held() -> bool:
        audience.wait_for_timeout(20)  # Playwright hears of routes while it waits
        return bool(held)

    wait_until(is_held, "the first question")
    expect(audience.locator("#result")).to_have_attribute("aria-busy", "true")
    expect(audience.get_by_role("button", name="Download CSV")).to_be_disabled()
    audience.get_by_label("State").select_option(label="online, in the background")
    counts(audience, "15")
    assert left == ["net::ERR_ABORTED"]
    audience.unroute(PREVIEW)


def test_hostile_texts_are_shown_and_run_nothing_also_in_a_shell(
    marketer: Page, api: Api, table: Table, log_time: LogTime, tmp_path: Path
) -> None:
    screen = f"'; touch {tmp_path}/owned; echo $(touch {tmp_path}/owned) `touch {tmp_path}/owned`"
    for user_id, shown in ((HOSTILE, HOSTILE), ("a'b\\c", screen)):
        table.user(
            user_id,
            name=HOSTILE,
            screen=shown[:128],
            app_version=HOSTILE[:64],
            device_info=HOSTILE,
            platform="<b>",
        )
    log_time.count(foreground=2)
    audience = marketer
    audience.goto(f"{api.origin}/audience")
    counts(audience, "2")
    expect(audience.locator("#sample-rows")).to_contain_text(HOSTILE)
    audience.get_by_label("On screen").fill(screen[:128])
    counts(audience, "1")
    downloaded(audience, "Download CSV")
    expect(audience.locator("#exports-rows .what")).to_contain_text(screen[:128])
    assert audience.evaluate("window.owned") is None
    audience.get_by_text("The API call that does the same").click()
    command = audience.locator("#curl").inner_text()
    # What curl would be given, by a shell that runs whatever it is told.
    script = f'curl() {{ printf "%s\\n" "$@" >&2; cat; }}\nTOKEN=t\n{command}\n'
    ran = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == {"screen": screen[:128]}
    assert "Authorization: Bearer t" in ran.stderr
    assert not (tmp_path / "owned").exists()


def test_the_copied_call_gives_the_same_users(
    audience: Page, api: Api, fleet: Table, tmp_path: Path
) -> None:
    audience.context.grant_permissions(["clipboard-read", "clipboard-write"])
    audience.get_by_label("State").select_option(label="offline")
    audience.get_by_label("At most").fill("7")
    counts(audience, "7")
    audience.get_by_text("The API call that does the same").click()
    audience.get_by_role("button", name="Copy", exact=True).click()
    expect(audience.locator("#copied")).to_have_text("Copied.")
    command = audience.evaluate("navigator.clipboard.readText()")
    bearer = token("crm", scope="presence:export")
    subprocess.run(
        ["sh", "-c", f"TOKEN={bearer}\n{command}\n"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=120,
    )
    ids = (tmp_path / "audience.ndjson").read_text()
    assert sorted(ids.splitlines()) == sorted(downloaded(audience, "NDJSON")[1].splitlines())
    assert len(ids.splitlines()) == 7


def test_an_export_that_is_refused_is_told_to_a_person_with_the_way_back(
    audience: Page, fleet: Table, complaints: list[str]
) -> None:
    audience.get_by_label("State").select_option(label="offline")
    counts(audience, "30")
    fleet.run("ALTER TABLE audience_exports RENAME TO elsewhere")
    try:
        audience.get_by_role("button", name="Download CSV").click()
        expect(audience.get_by_role("alert")).to_contain_text("not been migrated")
        assert_accessible(audience)
    finally:
        fleet.run("ALTER TABLE elsewhere RENAME TO audience_exports")
    audience.go_back()
    counts(audience, "30")
    complaints.clear()  # a 503


def test_the_page_and_its_way_in_are_for_those_with_the_scope(
    page: Page, api: Api, complaints: list[str]
) -> None:
    nav = page.get_by_role("navigation", name="Pages")
    expect(nav.get_by_role("link", name="Live")).to_be_visible()
    expect(nav.get_by_role("link", name="Audience")).to_have_count(0)
    answer = page.goto(f"{api.origin}/audience")
    assert answer is not None
    assert answer.status == 403
    expect(page.get_by_role("alert")).to_contain_text("presence:export")
    complaints.clear()


def test_a_form_of_another_site_exports_nothing(stranger: Page, api: Api, table: Table) -> None:
    """Another port of the same host: the cookie would come along."""
    table.user("user-00")
    sign_in(stranger, api.origin, token("marketing", scope=BOTH))
    context = stranger.context
    refused = context.request.post(
        f"{api.origin}/audience/export",
        form={"filter": "{}", "format": "csv"},
        headers={"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
        max_redirects=0,
    )
    assert refused.status in (303, 400)
    assert "user_id" not in refused.text()
    assert table.run("SELECT count(*) FROM audience_exports") == [(0,)]


def test_by_keyboard_alone(audience: Page, fleet: Table) -> None:
    counts(audience, "60")
    audience.get_by_label("State").focus()
    audience.keyboard.press("ArrowDown")
    counts(audience, "30")
    audience.get_by_label("State").focus()
    for _ in range(40):
        audience.keyboard.press("Tab")
        if audience.evaluate("document.activeElement.value") == "csv":
            break
    with audience.expect_download() as download:
        audience.keyboard.press("Enter")
    assert download.value.suggested_filename.endswith(".csv")
