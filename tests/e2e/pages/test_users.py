"""The page of users: filters, search, order, pages, the past, and rows that stay where they are."""

from __future__ import annotations

import csv
import http.client
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.e2e.browser import HOSTILE, Api, look
from tests.e2e.pages.lives import called
from tests.integration.analytics.analytics_rows import AnalyticsTable
from tests.integration.analytics.device_histories import Histories
from tests.rigs.api_harness import NOON, Table, at, token


@pytest.fixture
def page(signed_in: Page) -> Page:
    """Each test opens the page that it is about."""
    return signed_in


@pytest.fixture
def rows(page: Page) -> Locator:
    return page.locator("#rows tr")


def open_users(page: Page, api: Api, query: str = "") -> None:
    page.goto(f"{api.origin}/users{query}")
    expect(page.locator("#loading")).to_be_hidden()


def ids(page: Page) -> list[str]:
    return [user_id for user_id, *_ in shown_now(page)]


def shown_now(page: Page) -> list[list[str]]:
    """User, name, state, screen, last activity and version of each row."""
    found: list[list[str]] = page.evaluate(
        """[...document.querySelectorAll("#rows tr")].map(row => [row.userId,
            ...[".name", ".state .word", ".screen", ".last-active", ".version"].map(
                part => row.querySelector(part).textContent)])"""
    )
    return found


def query_of(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def answer(api: Api, path: str) -> Any:
    connection = http.client.HTTPConnection(urlsplit(api.origin).netloc, timeout=60)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token()}"})
        return json.load(connection.getresponse())
    finally:
        connection.close()


def api_ids(api: Api, path: str) -> list[str]:
    return [item["user_id"] for item in answer(api, path)["items"]]


def a_few(table: Table) -> None:
    table.user(
        "ada",
        name="Ada Lovelace",
        screen="Checkout",
        app_version="1.10.0",
        device_info="Pixel 9",
        changed_at=at(3),
        last_active=at(1),
    )
    table.user(
        "bob|1",
        "background",
        name="Bob",
        screen="Home",
        app_version="1.9.0",
        device_info="iPhone 13",
        reason="backgrounded",
        changed_at=at(2),
        last_active=at(9),
    )
    table.user("cy/9", app_version="1.9.0", device_info="iPhone 15", changed_at=at(1))
    table.user("dora", "offline", name="Dora Ada", changed_at=at(4))
    table.user("eve", "offline", reason="logged_out")
    table.offsets(0, foreground=2, background=1)


def test_a_row_says_who_where_on_what_and_since_when_and_what_is_in_use_is_suggested(
    page: Page, api: Api, table: Table, rows: Locator
) -> None:
    a_few(table)
    open_users(page, api)
    expect(page.locator("#title")).to_have_text("Online users")
    expect(page.locator("#count")).to_have_text("3 users")
    assert ids(page) == ["ada", "bob|1", "cy/9"]
    for part in ("Ada Lovelace", "ada", "foreground", "Checkout", "1.10.0", "Pixel 9"):
        expect(rows.first).to_contain_text(part)
    active = rows.first.locator(".last-active time")
    expect(active).to_contain_text("ago")
    expect(active).to_have_attribute("title", re.compile("2024-05-17T12:00:01.123Z"))
    expect(rows.nth(2).locator("a")).to_have_attribute("href", "/users/cy%2F9")
    page.focus("#screen")
    expect(page.locator("#screens option")).to_have_count(1)  # who is on it: the foreground
    assert page.locator("#screens option").get_attribute("value") == "Checkout"
    page.focus("#app_version")
    expect(page.locator("#versions option")).to_have_count(2)


def test_filters_narrow_the_list_and_are_in_the_address(
    page: Page, api: Api, table: Table, rows: Locator
) -> None:
    a_few(table)
    open_users(page, api)
    page.select_option("#state", "background")
    expect(rows).to_have_count(1)
    assert ids(page) == ["bob|1"]
    page.select_option("#state", "online")
    expect(rows).to_have_count(3)
    page.fill("#screen", "Checkout")
    expect(rows).to_have_count(1)
    assert query_of(page) == {"state": "online", "screen": "Checkout"}
    page.fill("#screen", "")
    page.fill("#device", "IPHONE")
    expect(rows).to_have_count(2)
    page.fill("#app_version", "1.9.0")
    page.select_option("#state", "foreground")
    expect(rows).to_have_count(1)
    assert ids(page) == ["cy/9"]
    assert query_of(page) == {"state": "foreground", "device": "IPHONE", "app_version": "1.9.0"}
    # The link shows the same to a colleague.
    linked = page.url
    page.goto(f"{api.origin}/users")
    expect(rows).to_have_count(3)
    page.goto(linked)
    expect(rows).to_have_count(1)
    expect(page.locator("#device")).to_have_value("IPHONE")
    page.click("#clear")
    expect(rows).to_have_count(3)
    expect(page).to_have_url(f"{api.origin}/users")


def test_back_undoes_the_last_step(page: Page, api: Api, table: Table, rows: Locator) -> None:
    a_few(table)
    open_users(page, api)
    page.locator("#q").press_sequentially("bob", delay=20)
    expect(rows).to_have_count(1)
    page.select_option("#sort", "-last_active")
    expect(page).to_have_url(f"{api.origin}/users?q=bob&sort=-last_active")
    page.go_back()
    expect(page).to_have_url(f"{api.origin}/users?q=bob")
    expect(page.locator("#sort")).to_have_value("user_id")
    page.go_back()
    # All that was typed at one go is one step.
    expect(page).to_have_url(f"{api.origin}/users")
    expect(page.locator("#q")).to_have_value("")
    expect(rows).to_have_count(3)


def test_a_search_finds_who_is_offline_too_by_id_and_by_name(
    page: Page, api: Api, table: Table, rows: Locator
) -> None:
    a_few(table)
    open_users(page, api)
    page.fill("#q", "dora")
    expect(rows).to_have_count(1)
    for part in ("Dora Ada", "dora", "offline", "timed out"):
        expect(rows.first).to_contain_text(part)
    expect(page.locator("#sentence")).to_contain_text("online or not")
    expect(page.locator("#state")).to_have_value("any")
    page.fill("#q", "ORA áD")  # any part; capitals and accents do not count
    expect(rows).to_have_count(1)
    assert ids(page) == ["dora"]
    expect(page.locator("#count")).to_have_text("1 user")
    page.fill("#q", "DORA A")
    expect(rows).to_have_count(1)
    # Only who is online has a screen: the search is among them.
    page.fill("#q", "ada")
    expect(page.locator("#rows")).to_contain_text("Ada Lovelace")
    page.fill("#screen", "Checkout")
    expect(page.locator("#state")).to_have_value("online")
    expect(rows).to_have_count(1)
    assert ids(page) == ["ada"]
    page.fill("#screen", "")
    page.fill("#q", "eve")
    page.select_option("#state", "online")
    expect(rows).to_have_count(0)
    page.click("#search-everyone")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("logged out")


def test_an_empty_list_says_what_to_do(page: Page, api: Api, table: Table) -> None:
    open_users(page, api)
    nobody = page.locator("#nobody")
    expect(nobody).to_contain_text("Nobody is online right now")
    expect(nobody).to_contain_text("Who sends a heartbeat appears here")
    page.fill("#q", "zoe")
    expect(nobody).to_contain_text("No user’s id or name contains this")
    page.fill("#q", "")
    page.fill("#screen", "checkout")
    expect(nobody).to_contain_text("capitals included")
    page.click("#start-over")
    expect(nobody).to_contain_text("Nobody is online right now")


def test_what_the_api_refuses_is_said_and_undone(
    page: Page, api: Api, table: Table, complaints: list[str]
) -> None:
    a_few(table)
    for query, says in (
        ("?state=away", "foreground"),
        ("?at=yesterday", "The instant must be"),
        ("?at=2099-01-01T00:00:00Z", "The instant must not be later than"),
    ):
        page.goto(f"{api.origin}/users{query}")
        refused = page.locator("#refused")
        expect(refused).to_contain_text(says)
        expect(page.locator("#users")).to_be_hidden()
        page.click("#refused-clear")
        expect(page.locator("#rows tr")).to_have_count(3)
        expect(refused).to_be_hidden()
    complaints.clear()  # Chromium reports the 400


def test_the_orders_are_those_of_the_api_and_the_heads_of_columns_sort(
    page: Page, api: Api, table: Table, rows: Locator
) -> None:
    a_few(table)
    open_users(page, api)
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Online since")
    page.click("th >> text=Last active")
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Last active")
    expect(page.locator("#sort")).to_have_value("-last_active")
    expect(rows.first).to_contain_text("Bob")
    assert query_of(page) == {"sort": "-last_active"}
    for sort, expected in (
        ("-online_since", ["ada", "bob|1", "cy/9"]),
        ("-last_active", ["bob|1", "ada", "cy/9"]),
        ("user_id", ["ada", "bob|1", "cy/9"]),
        ("-changed_at", ["ada", "bob|1", "cy/9"]),
    ):
        page.select_option("#sort", sort)
        expect(rows.first.locator(".id, .name").last).to_have_text(expected[0])
        assert ids(page) == expected == api_ids(api, f"/api/v1/online-users?sort={sort}")
    # An order that only those online have is none of everybody's.
    page.select_option("#state", "any")
    expect(page.locator("[data-sort='-online_since']")).to_be_disabled()


def many(table: Table, count: int) -> None:
    """``u0000`` changed last."""
    table.run(
        "INSERT INTO presence (user_id, partition, state, reason, screen, changed_at, online_since,"
        " last_active, device_count, device, signed_out)"
        " SELECT 'u' || lpad(n::text, 4, '0'), 0, 'foreground', 'started', 'Home',"
        " %s::timestamptz - n * interval '1 second', %s, %s, 1, 'default', false"
        " FROM generate_series(0, %s - 1) n",
        NOON,
        at(-9_000),
        NOON,
        count,
    )
    table.offsets(0, foreground=count)


def test_pages_turn_through_thousands_of_rows_and_back(
    page: Page, api: Api, table: Table, rows: Locator
) -> None:
    many(table, 3_020)
    expected = [f"u{n:04}" for n in range(3_020)]
    open_users(page, api)
    place = page.locator("#place")
    for number in range(5):
        expect(place).to_have_text(f"{number * 50 + 1}–{number * 50 + 50}")
        assert ids(page) == expected[number * 50 : number * 50 + 50]
        page.click("#next")
    expect(place).to_have_text("251–300")
    # The address has no page in it, but a reload stays on it.
    expect(page).to_have_url(f"{api.origin}/users")
    page.reload()
    expect(place).to_have_text("251–300")
    page.click("#previous")
    expect(place).to_have_text("201–250")
    assert ids(page) == expected[200:250]
    page.go_back()
    expect(place).to_have_text("251–300")
    page.go_back()
    expect(place).to_have_text("201–250")
    # A filter begins at the first page.
    page.select_option("#sort", "user_id")
    expect(place).to_have_text("1–50")
    expect(page.locator("#previous")).to_be_hidden()
    page.fill("#q", "u30")
    expect(rows).to_have_count(20)
    assert ids(page) == expected[3_000:]
    expect(page.locator("#next")).to_be_hidden()


def test_the_first_page_follows_who_comes_changes_and_goes(
    page: Page, api: Api, table: Table, rows: Locator
) -> None:
    open_users(page, api)
    expect(page.locator("#nobody")).to_be_visible()
    table.user("u1", name="Ada", screen="Home")
    table.offsets(0, foreground=1)
    expect(rows).to_have_count(1)
    expect(page.locator("#count")).to_have_text("1 user")
    table.user("u2", changed_at=at(1), online_since=at(1))
    expect(rows).to_have_count(2)
    assert ids(page) == ["u2", "u1"]
    # What somebody does moves nobody.
    table.user("u1", "background", name="Ada", reason="backgrounded", changed_at=at(2))
    expect(rows.nth(1)).to_contain_text("background")
    assert ids(page) == ["u2", "u1"]
    table.user("u1", "offline")
    expect(rows).to_have_count(1)


def test_rows_stay_where_they_are_while_one_has_the_focus(
    page: Page, api: Api, table: Table, rows: Locator
) -> None:
    a_few(table)
    open_users(page, api)
    rows.nth(1).locator("a").focus()
    table.user("bob|1", "offline", name="Bob", reason="logged_out", changed_at=at(10))
    table.user("new", changed_at=at(11), online_since=at(11))
    changed = page.locator("#changed button")
    expect(changed).to_have_text("1 changed: show")
    # In its place, and true.
    expect(rows.nth(1)).to_contain_text("logged out")
    assert ids(page) == ["ada", "bob|1", "cy/9"]
    expect(rows.nth(1).locator("a")).to_be_focused()
    table.user("newer", changed_at=at(12), online_since=at(12))
    expect(changed).to_have_text("2 changed: show")
    changed.press("Enter")
    expect(rows).to_have_count(4)
    assert ids(page) == ["newer", "new", "ada", "cy/9"]
    expect(changed).to_be_hidden()


def test_rows_stay_where_they_are_while_text_in_them_is_selected(
    page: Page, api: Api, table: Table, rows: Locator
) -> None:
    a_few(table)
    open_users(page, api)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#rows .id'))")
    table.user("new", changed_at=at(11), online_since=at(11))
    expect(page.locator("#changed")).to_contain_text("1 changed")
    assert page.evaluate("getSelection().toString()") == "ada"
    page.evaluate("getSelection().removeAllRanges()")
    expect(rows).to_have_count(4)
    expect(page.locator("#changed")).to_be_hidden()


def test_rows_stay_where_they_are_under_a_pointer_that_moves(
    page: Page, api: Api, table: Table, rows: Locator
) -> None:
    a_few(table)
    open_users(page, api)
    changed = page.locator("#changed")
    row = rows.nth(2).bounding_box()
    assert row is not None

    page.mouse.move(row["x"] + 40, row["y"] + 20)
    table.user("new", changed_at=at(11), online_since=at(11))
    expect(changed).to_contain_text("1 changed")
    # Nothing moved, also not because it was said; and a hand that rests there is a hand.
    page.wait_for_timeout(4_000)
    assert ids(page) == ["ada", "bob|1", "cy/9"]
    assert rows.nth(2).bounding_box() == row
    rows.nth(2).locator("a").click()
    expect(page.locator("#name")).to_have_text("cy/9")


def test_every_list_says_how_many_it_has(page: Page, api: Api, table: Table, rows: Locator) -> None:
    many(table, 1_200)
    a_few(table)
    table.offsets(0, foreground=1_202, background=1)
    open_users(page, api)
    count = page.locator("#count")
    expect(count).to_have_text("1,203 users")  # counted as they come and go
    page.fill("#screen", "Home")
    expect(count).to_have_text("1,000+ users")
    page.fill("#screen", "Checkout")
    expect(count).to_have_text("1 user")
    page.click("#clear")
    page.select_option("#state", "offline")
    expect(count).to_have_text("2 users")
    expect(page.locator("#title")).to_have_text("Offline users")
    assert ids(page) == ["dora", "eve"]
    page.reload()
    expect(rows).to_have_count(2)
    expect(page.locator("#state")).to_have_value("offline")
    page.fill("#q", "OR")
    expect(rows).to_have_count(0)  # below three characters the beginning counts
    page.fill("#q", "ORA")
    expect(count).to_have_text("1 user")


def test_ctrl_k_finds_a_person_from_every_page(page: Page, api: Api, table: Table) -> None:
    a_few(table)
    table.user("x-17", "offline", name="José Álvarez")
    scripts: list[Route] = []
    page.route("**/finder.js", lambda route: scripts.append(route))
    page.goto(f"{api.origin}/active-users")
    with page.expect_request("**/finder.js"):
        page.keyboard.press("Control+k")
    found = page.locator("#finder")
    page.keyboard.type("alvare")  # before the script is there
    expect(found.locator("input")).to_have_value("alvare")
    scripts[0].continue_()
    page.unroute_all()
    expect(found.locator("a").first).to_contain_text("José Álvarez")
    expect(found.locator("[role=status]")).to_have_text("1 user found.")
    look(page, "finder", part="#finder")
    found.locator("input").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#name")).to_have_text("José Álvarez")
    page.keyboard.press("Control+k")
    page.keyboard.type("checkou")
    expect(found.locator("a").first).to_contain_text("Checkout")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{api.origin}/screens/Checkout")


def test_a_text_that_runs_backwards_turns_nothing_else_round(
    page: Page, api: Api, table: Table, rows: Locator
) -> None:
    """U+202E, and the marks that end an isolation: our own words stay readable."""
    turned = "\u202eevil\u2069\u202c"
    table.user(turned, name=turned, screen=turned, app_version="1", device_info=turned)
    table.offsets(0, foreground=1)
    left_of = """([selector, text]) => {
        const node = document.querySelector(selector);
        const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const at = walker.currentNode.data.indexOf(text);
            if (at < 0) continue;
            return [0, text.length - 1].map((place) => {
                const range = document.createRange();
                range.setStart(walker.currentNode, at + place);
                range.setEnd(walker.currentNode, at + place + 1);
                return range.getBoundingClientRect().left;
            });
        }
    }"""
    open_users(page, api, f"?screen={quote(turned)}")
    expect(rows).to_have_count(1)
    for selector, words in (("#sentence", "last online first"), ("#sentence", "Online users")):
        first, last = page.evaluate(left_of, [selector, words])
        assert first < last, words
    assert "\u202e" not in page.title()
    page.goto(f"{api.origin}/users/{quote(turned)}")
    expect(page.locator("#why")).to_contain_text("in the foreground on")
    for words in ("Online since", "this device came online", "; on "):
        first, last = page.evaluate(left_of, ["#why", words])
        assert first < last, words
    assert "\u202e" not in page.title()


def test_a_name_of_two_hundred_characters_takes_two_lines(
    page: Page, api: Api, table: Table
) -> None:
    table.user("long", name="m" * 200, screen="s" * 128)
    page.goto(f"{api.origin}/users/long")
    name = page.locator("#name")
    expect(name).to_have_attribute("title", "m" * 200)
    box = name.bounding_box()
    assert box is not None
    assert box["height"] < 100
    sentence = page.locator("#why").bounding_box()
    assert sentence is not None
    assert sentence["height"] < 100


def test_a_later_page_stays_and_tells_what_became_of_its_users(
    page: Page, api: Api, table: Table, rows: Locator
) -> None:
    many(table, 120)
    open_users(page, api)
    page.click("#next")
    expect(page.locator("#place")).to_have_text("51–100")
    table.user("u0060", "offline", reason="logged_out", changed_at=at(5))
    expect(rows.nth(10)).to_contain_text("logged out")
    expect(page.locator("#changed")).to_contain_text("1 changed")
    assert ids(page) == [f"u{n:04}" for n in range(50, 100)]
    page.click("#changed button")
    expect(rows.nth(10)).to_contain_text("u0061")
    # Where the next page had begun.
    assert ids(page) == [f"u{n:04}" for n in range(50, 101) if n != 60]


def test_what_counts_as_changed(modules: Page) -> None:
    def users(*changed: tuple[str, int]) -> list[dict[str, Any]]:
        return [{"user_id": user, "changed_at": at} for user, at in changed]

    shown = users(("a", 3), ("b", 2), ("c", 1))
    for fresh, count in (
        (shown, 0),
        (users(("d", 4), ("a", 3), ("b", 2)), 1),  # who came pushed one off
        (users(("c", 5), ("a", 3), ("b", 2)), 1),
        (users(("a", 3)), 2),
        ([], 3),
        (users(("d", 9), ("c", 8), ("a", 3)), 2),
    ):
        assert (
            called(modules, "pages/users/user_list.js", "countChanged", shown, fresh, "-changed_at")
            == count
        )
    moved = users(("c", 5), ("a", 3), ("b", 2))
    assert called(modules, "pages/users/user_list.js", "countChanged", shown, moved, "user_id") == 0


def test_a_page_that_has_run_empty_leads_back(
    page: Page, api: Api, table: Table, rows: Locator
) -> None:
    many(table, 60)
    open_users(page, api)
    page.click("#next")
    expect(rows).to_have_count(10)
    expect(page.locator("#users")).to_be_focused()  # the button is gone
    table.run("UPDATE presence SET state = 'offline' WHERE user_id >= 'u0050'")
    page.reload()
    expect(page.locator("#nobody")).to_contain_text("Nobody is on this page any more")
    page.click("#first-page")
    expect(rows).to_have_count(50)


def test_a_list_that_cannot_be_read_says_so_and_comes_back(
    page: Page, api: Api, table: Table, rows: Locator, complaints: list[str]
) -> None:
    a_few(table)
    open_users(page, api)
    api.stop()
    expect(page.locator("#unread")).to_contain_text("cannot be read now")
    expect(rows).to_have_count(3)
    table.user("after", changed_at=at(20))
    api.start()
    expect(rows).to_have_count(4)
    expect(page.locator("#unread")).to_be_empty()
    complaints.clear()  # Chromium reports the calls that failed


# Time travel

START = datetime(2026, 3, 27, 5, tzinfo=UTC)
END = datetime(2026, 3, 30, 21, tzinfo=UTC)


@pytest.fixture
def past(pages_database: str, table: Table) -> Iterator[AnalyticsTable]:
    """A past of 90 users, complete up to :data:`END`."""
    opened = AnalyticsTable(pages_database)
    made = Histories(3, START, END, users=90)
    made.run_through(END)
    made.write(opened)
    opened.run("UPDATE stream_offsets SET log_time = %s", END)
    opened.insert("retention_progress", [{"table_name": "spans", "kept_from": START}])
    yield opened
    opened.close()


def test_the_past_is_what_the_api_says_of_it(
    page: Page, api: Api, past: AnalyticsTable, rows: Locator
) -> None:
    # The reader's zone is five and a half hours ahead.
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kolkata"})
    open_users(page, api)
    page.fill("#at", "2026-03-29T10:00:00")
    expect(page.locator("#past")).to_be_visible()
    expect(page.locator("#past")).to_contain_text("Last activity is not kept")
    assert query_of(page) == {"at": "2026-03-29T04:30:00.000Z"}
    then = answer(api, "/api/v1/online-users?limit=500&at=2026-03-29T04:30:00Z")["items"]
    assert 50 < len(then) <= 100
    expect(rows).to_have_count(50)
    seen = shown_now(page)
    page.click("#next")
    expect(rows).to_have_count(len(then) - 50)
    seen += shown_now(page)
    assert seen == [
        [
            item["user_id"],
            item["name"],
            item["state"],
            item["screen"] or "No screen",
            "–",
            item["app_version"] or "–",
        ]
        for item in then
    ]
    expect(page.locator("#sort")).to_be_disabled()
    expect(page.locator("#quality")).to_contain_text("Complete")
    # Filters hold for the past as well.
    page.select_option("#state", "background")
    some = api_ids(api, "/api/v1/online-users?at=2026-03-29T04:30:00Z&state=background")
    expect(rows).to_have_count(len(some))
    assert ids(page) == some
    page.click("[data-minutes='-15']")
    expect(page).to_have_url(f"{api.origin}/users?state=background&at=2026-03-29T04%3A15%3A00.000Z")
    expect(page.locator("#at")).to_have_value("2026-03-29T09:45")
    # Dimmed until the answer is there.
    expect(page.locator("#users")).not_to_have_attribute("aria-busy", "true")
    look(page, "users-past", part="#past")
    page.click("#now")
    expect(page.locator("#past")).to_be_hidden()
    expect(page).to_have_url(f"{api.origin}/users?state=background")


def test_an_instant_that_is_not_kept_is_said_in_the_readers_zone(
    page: Page, api: Api, past: AnalyticsTable, complaints: list[str]
) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kolkata"})
    open_users(page, api, "?at=2026-03-20T00:00:00Z")
    refused = page.locator("#refused .problem")
    expect(refused).to_contain_text("must not be earlier than")
    expect(refused).to_contain_text("10:30:00")  # of 05:00 UTC
    page.click("#refused-now")
    expect(page.locator("#refused")).to_be_hidden()
    complaints.clear()  # Chromium reports the 400


def test_the_csv_holds_the_list_as_it_is_filtered_and_no_formulas(
    page: Page, api: Api, table: Table
) -> None:
    many(table, 620)
    table.user("=1+1", screen='Cart, "big"\nand more', name="@Eve", changed_at=at(7))
    open_users(page, api, "?state=foreground")
    with page.expect_download() as downloading:
        page.click("#csv")
    text = downloading.value.path().read_text("utf-8")
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    first = answer(api, "/api/v1/online-users?limit=1")["items"][0]
    assert list(found[0]) == list(first)
    assert found[0]["user_id"] == "'=1+1"
    assert found[0]["name"] == "'@Eve"
    assert found[0]["screen"] == 'Cart, "big"\nand more'
    assert found[0]["device_info"] == ""
    assert [row["user_id"] for row in found[1:]] == [f"u{n:04}" for n in range(620)]


def test_what_users_wrote_is_text(page: Page, api: Api, table: Table, rows: Locator) -> None:
    hostile = dict.fromkeys(("name", "screen", "app_version", "device_info"), HOSTILE)
    table.user(HOSTILE, **hostile)
    open_users(page, api, f"?screen={quote(HOSTILE)}")
    expect(rows).to_have_count(1)
    assert (rows.text_content() or "").count(HOSTILE) == 5
    page.focus("#screen")
    expect(page.locator("#screens option")).to_have_attribute("value", HOSTILE)
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("window.owned") is None
    # The link leads to the user all the same.
    rows.locator("a").click()
    expect(page.locator("#name")).to_have_text(HOSTILE)


def test_the_page_fits_phones_and_desks_by_day_and_night(
    page: Page, api: Api, table: Table, rows: Locator
) -> None:
    now = datetime.now(UTC)
    people = ("Ada Lovelace", "Grace Hopper", "Lin Wei", "José Álvarez", "Amina Diallo", None)
    for number in range(24):
        state = ("foreground", "foreground", "background")[number % 3]
        name = people[number % 6]
        table.user(
            f"{(name or 'guest').split()[0].lower()}|{number * 7919 % 10_000:04}",
            state,
            name=name,
            screen=("Home", "Checkout", "Film details", "Search results", None)[number % 5],
            reason="backgrounded" if state == "background" else "navigated",
            app_version=("1.10.0", "1.9.2", "2.0.0-beta.3")[number % 3],
            device_info=("Pixel 9", "iPhone 15 Pro", "Galaxy S24 Ultra")[number % 3],
            changed_at=now - timedelta(seconds=number * 47),
            last_active=now - timedelta(seconds=number * 11),
            online_since=now - timedelta(minutes=number * 9),
            device_count=1 + number % 4 // 3,
        )
    table.user("long-" + "u" * 120, name="Nobody breaks " + "m" * 80, screen="s" * 128)
    table.user("gone", "offline", name="Ada Byron", changed_at=now - timedelta(hours=3))
    table.offsets(0, foreground=17, background=8)
    open_users(page, api)
    expect(rows).to_have_count(25)
    look(page, "users")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert sum(float(n) for n in dark.strip("rgba()").split(",")[:3]) / 3 < 128
    page.fill("#q", "ada")
    expect(rows).to_have_count(5)
    look(page, "users-search", part="#users")
    page.fill("#q", "zzz")
    expect(page.locator("#nobody")).to_be_visible()
    look(page, "users-nobody", part="#nobody")
