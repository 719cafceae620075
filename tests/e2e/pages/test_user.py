"""The page of a user: online or not and why, devices, timeline, sessions and changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect
from psycopg.types.json import Jsonb

from schemas.log.changes import Reason
from tests.e2e.browser import HOSTILE, Api, look
from tests.e2e.pages.lives import DeviceLife, Step, called, write_life
from tests.e2e.pages.taken import HEARD_TEXTS, picture_of, pixels
from tests.integration.analytics.analytics_rows import AnalyticsTable
from tests.rigs.api_harness import Table


@pytest.fixture
def page(signed_in: Page) -> Page:
    """Each test opens the page that it is about."""
    return signed_in


@pytest.fixture
def now() -> datetime:
    """A whole second, which every time of a test is counted from."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def lives(pages_database: str, table: Table) -> Iterator[AnalyticsTable]:
    opened = AnalyticsTable(pages_database)
    yield opened
    opened.close()


def open_user(page: Page, api: Api, user_id: str, query: str = "") -> None:
    page.goto(f"{api.origin}/users/{quote(user_id, safe='')}{query}")
    expect(page.locator("#person")).to_be_visible()


def ago(now: datetime, **parts: float) -> datetime:
    return now - timedelta(**parts)


def clock(at: datetime) -> str:
    """A time as the page tells it; the browser's zone is UTC."""
    day = "" if at.date() == datetime.now(UTC).date() else f"{at.day} {at:%b}, "
    return f"{day}{at:%H:%M:%S} UTC"


# Why: the sentence, for every reason


def device(state: str, reason: str, **values: Any) -> dict[str, Any]:
    return {
        "device": "phone",
        "state": state,
        "reason": reason,
        "screen": None if state == "offline" else "Checkout",
        "app_version": "1.2.3",
        "device_info": "iPhone 13",
        "platform": "ios",
        "last_active": "13:58:10",
        "online_since": None if state == "offline" else "13:00:00",
        "changed_at": "14:03:10",
        **values,
    }


def user(*devices: dict[str, Any], **values: Any) -> dict[str, Any]:
    shown = devices[0] if devices else device("offline", "logged_out")
    return {
        "user_id": "ada",
        "name": None,
        **{name: value for name, value in shown.items() if name != "device"},
        "device_count": sum(each["state"] != "offline" for each in devices),
        "devices": list(devices),
        "offline_since": shown["changed_at"] if shown["state"] == "offline" else None,
        **values,
    }


def said(page: Page, about: dict[str, Any], *screen: str) -> str:
    """The sentence about a user, times as they are given."""
    dated = _on_a_day(about)
    parts = called(page, "lib/reasons.js", "whyUser", dated, *screen)

    def told(part: str | dict[str, str]) -> str:
        if isinstance(part, str):
            return part
        return part["name"] if "name" in part else part["at"][11:19]

    return "".join(map(told, parts))


def _on_a_day(value: Any) -> Any:
    """Times of day as the API has times."""
    if isinstance(value, dict):
        return {name: _on_a_day(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_on_a_day(part) for part in value]
    if isinstance(value, str) and value[2:3] == value[5:6] == ":":
        return f"2026-03-30T{value}.000Z"
    return value


OFFLINE = {
    "timed_out": "no heartbeat for 300 s",
    "logged_out": "logged out",
    "disconnected": "its socket was lost and did not come back; last heard of at 13:58:10",
    "opted_out": "opted out of being seen",
    "erased": "erased, as was asked for",
    "evicted": "dropped, because more than 16 devices were in use",
}
ONLINE = {
    "started": "this device came online at 14:03:10",
    "resumed": "back from the background at 14:03:10",
    "navigated": "opened this screen at 14:03:10",
    "backgrounded": "left the app at 14:03:10",
    "logged_out": "another device logged out at 14:03:10",
    "timed_out": "another device was silent for too long at 14:03:10",
    "disconnected": "another device lost its socket at 14:03:10",
    "opted_out": "another device opted out at 14:03:10",
    "erased": "another device was erased at 14:03:10",
    "evicted": "another device was dropped at 14:03:10",
}


def test_there_is_a_sentence_for_every_reason(modules: Page) -> None:
    assert set(ONLINE) == set(get_args(Reason))
    assert set(OFFLINE) | {"started", "resumed", "navigated", "backgrounded"} == set(ONLINE)
    for reason, why in OFFLINE.items():
        assert said(modules, user(device("offline", reason)), "Checkout") == (
            f"Offline since 14:03:10: {why}; last seen on Checkout, iPhone 13, app 1.2.3."
        )
    for reason, why in ONLINE.items():
        state = "background" if reason == "backgrounded" else "foreground"
        where = "in the background, last on" if state == "background" else "in the foreground on"
        assert said(modules, user(device(state, reason))) == (
            f"Online since 13:00:00, {where} Checkout: {why}; on iPhone 13, app 1.2.3."
        )


def test_the_sentence_says_no_more_than_is_known(modules: Page) -> None:
    unknown = dict.fromkeys(("device_info", "platform", "app_version"))
    assert said(modules, user(device("offline", "logged_out", **unknown))) == (
        "Offline since 14:03:10: logged out."
    )
    assert said(modules, user(device("offline", "timed_out", last_active=None, **unknown))) == (
        "Offline since 14:03:10: no heartbeat in time."
    )
    assert said(modules, user(device("offline", "timed_out", app_version=None))) == (
        "Offline since 14:03:10: no heartbeat for 300 s; last seen on iPhone 13."
    )
    began = device("foreground", "started", online_since="14:03:10", screen=None, **unknown)
    assert said(modules, user(began)) == (
        "Online since 14:03:10, in the foreground, on no screen that has a name: "
        "a session began then."
    )
    assert said(modules, user()) == (
        "Never seen online: a logout was heard of, or a socket of a session that is over, "
        "at 14:03:10."
    )


def test_the_sentence_about_several_devices_is_that_of_the_one_that_shows(modules: Page) -> None:
    last = device("offline", "timed_out", device="b", device_info="iPad")
    first = device("offline", "logged_out", device="a", changed_at="13:30:00")
    assert said(modules, user(last, first), "Film") == (
        "Offline since 14:03:10: no heartbeat for 300 s; last seen on Film, iPad, app 1.2.3, "
        "the last of 2 devices to go."
    )
    other = device("background", "backgrounded", device="c", changed_at="13:40:00")
    gone = device("offline", "timed_out", device="b", device_info="iPad")
    shown = user(other, gone, reason="timed_out", changed_at="14:03:10")
    assert said(modules, shown) == (
        "Online since 13:00:00, in the background, last on Checkout: another device was silent "
        "for too long at 14:03:10; on iPhone 13, app 1.2.3."
    )
    both = device("foreground", "navigated", device="d", device_info="Mac")
    assert said(modules, user(both, other)) == (
        "Online since 13:00:00, in the foreground on Checkout: opened this screen at 14:03:10; "
        "on Mac, app 1.2.3, one of 2 devices online."
    )


# The strip: lanes of spans


def span(start: int, end: int | None, state: str = "foreground", **values: Any) -> dict[str, Any]:
    """From and to in milliseconds."""

    def moment(at: int | None) -> str | None:
        return None if at is None else datetime.fromtimestamp(at / 1000, UTC).isoformat()

    return {
        "device": "a",
        "state": state,
        "screen": "Home",
        "started_at": moment(start),
        "shown_until": moment(end),
        "ended_at": moment(values.pop("heard", end)),
        "ended_by": None if end is None else "logged_out",
        **values,
    }


def pieces(page: Page, spans: list[dict[str, Any]], *arguments: int) -> list[list[Any]]:
    [lane] = called(page, "charts/lanes.js", "lanesOf", spans, *arguments)
    return [[one["kind"], one["start"], one["end"], one["count"]] for one in lane["pieces"]]


def test_a_lane_is_unbroken_and_tells_silence_from_presence(modules: Page) -> None:
    spans = [
        span(9_000, None, "background"),
        span(2_000, 6_000, ended_by="timed_out", heard=3_000),
        span(500, 2_000),
    ]
    assert pieces(modules, spans, 1_000, 10_000) == [
        ["foreground", 1_000, 2_000, 1],
        ["foreground", 2_000, 3_000, 1],
        ["silent", 3_000, 6_000, 1],
        ["offline", 6_000, 9_000, 1],
        ["background", 9_000, 10_000, 1],
    ]
    lanes = called(
        modules, "charts/lanes.js", "lanesOf", [*spans, span(0, 4_000, device="b")], 1_000, 10_000
    )
    assert [lane["device"] for lane in lanes] == ["a", "b"]  # who was here last
    assert called(modules, "charts/lanes.js", "totalsOf", lanes) == {
        "foreground": 3_000,
        "silent": 2_000,
        "offline": 3_000,
        "background": 1_000,
    }
    assert called(modules, "charts/lanes.js", "lanesOf", [span(0, 900)], 1_000, 2_000) == []


def test_what_is_too_short_to_be_seen_is_told_together(modules: Page) -> None:
    spans = [span(at, at + 10, screen=str(at)) for at in range(0, 100, 10)]
    spans.append(span(100, 1_000))
    assert pieces(modules, spans, 0, 1_000, 50) == [
        ["foreground", 0, 50, 5],
        ["foreground", 50, 100, 5],
        ["foreground", 100, 1_000, 1],
    ]


# The page


def test_a_user_who_timed_out_and_why(
    page: Page, api: Api, lives: AnalyticsTable, now: datetime
) -> None:
    offline_since = ago(now, minutes=2)
    write_life(
        lives,
        "auth0|ada/1@example.com",
        DeviceLife(
            [
                Step(ago(now, minutes=40), "started", "Home"),
                Step(ago(now, minutes=30), "navigated", "Checkout"),
                Step(offline_since, "timed_out"),
            ]
        ),
        name="Ada Lovelace",
    )
    open_user(page, api, "auth0|ada/1@example.com")
    why = page.locator("#why")
    expect(why).to_have_text(
        f"Offline since {clock(offline_since)}: no heartbeat for 300 s; "
        "last seen on Checkout, iPhone 13, app 1.2.3."
    )
    utc = f"{offline_since:%Y-%m-%dT%H:%M:%S}.000Z"
    expect(why.locator("time")).to_have_attribute("title", re.compile(utc))
    expect(page.locator("#name")).to_have_text("Ada Lovelace")
    expect(page.locator("#id")).to_have_text("auth0|ada/1@example.com")
    expect(page.locator("#state")).to_contain_text("offline")
    expect(page.locator("#last-active")).to_contain_text("7 min ago")
    expect(page.locator("#strip-caption")).to_contain_text("33 min in the foreground")
    expect(page.locator("#strip-caption")).to_contain_text("5 min shown online, but silent")
    expect(page.locator("#silences")).to_contain_text("Of 1 session")
    expect(page.locator("#silences")).to_contain_text("1 ended by silence: 1 timed out")
    expect(page.locator("#sessions")).to_contain_text("Home → Checkout")
    expect(page.locator("#changes tr")).to_have_count(3)
    expect(page.locator("#changes tr").nth(1)).to_contain_text("went to Checkout")
    expect(page).to_have_title("\u2068Ada Lovelace\u2069: offline · Rollcall")
    # A slash that a CRM forgot to encode is no obstacle.
    page.goto(f"{api.origin}/users/auth0|ada/1@example.com")
    expect(page.locator("#name")).to_have_text("Ada Lovelace")


def test_the_page_follows_the_user(
    page: Page, api: Api, lives: AnalyticsTable, now: datetime
) -> None:
    steps = [Step(ago(now, minutes=9), "started", "Home")]
    write_life(lives, "ada", DeviceLife(steps, last_active=ago(now, seconds=20)))
    open_user(page, api, "ada")
    expect(page.locator("#why")).to_have_text(
        f"Online since {clock(steps[0].at)}, in the foreground on Home: a session began then; "
        "on iPhone 13, app 1.2.3."
    )
    expect(page.locator(".silence-text")).to_contain_text("a heartbeat is expected every 90 s")
    expect(page.locator(".silence-text")).to_contain_text("at 300 s the device is offline")
    first = page.locator(".silence-text").text_content()
    expect(page.locator(".silence-text")).not_to_have_text(first or "")  # it grows
    page.evaluate("window.sameCard = document.querySelector('.device-card')")

    steps.append(Step(ago(now, minutes=1), "backgrounded"))
    lives.run("DELETE FROM changes")
    write_life(lives, "ada", DeviceLife(steps, last_active=ago(now, minutes=1)))
    expect(page.locator("#state")).to_contain_text("background")
    expect(page.locator("#why")).to_contain_text("in the background, last on Home: left the app")
    expect(page.locator(".silence-text")).to_contain_text("in the background no heartbeat")
    expect(page.locator("#changes tr")).to_have_count(2)
    assert page.evaluate("window.sameCard === document.querySelector('.device-card')")

    lives.run("DELETE FROM changes")
    lives.run("DELETE FROM spans")
    steps.append(Step(ago(now, seconds=1), "logged_out"))
    write_life(lives, "ada", DeviceLife(steps))
    expect(page.locator("#why")).to_contain_text("logged out; last seen on Home")
    expect(page.locator("#changes tr").first).to_contain_text("logged out")
    expect(page.locator("#sessions tr")).to_have_count(1)
    expect(page.locator(".silence-text")).to_be_hidden()


def test_an_overdue_heartbeat_and_one_past_every_limit_are_told(modules: Page) -> None:
    def told(state: str, silent_seconds: int) -> tuple[str, str]:
        about = {"state": state, "last_active": "2026-03-30T12:00:00.000Z"}
        now_ms = datetime(2026, 3, 30, 12, tzinfo=UTC).timestamp() * 1000 + silent_seconds * 1000
        found = called(modules, "lib/silence.js", "silenceOf", about, now_ms, 90, 300)
        return found["level"], found["text"]

    level, text = told("foreground", 89)
    assert (level, text[:15]) == ("fine", "Silent for 89 s")
    level, text = told("foreground", 140)
    assert level == "late"
    assert "longer than the 90 s that the server asks for" in text
    assert told("background", 140)[0] == "fine"
    level, text = told("background", 301)
    assert level == "over"
    assert "an outage of ours or its grace" in text


def test_a_user_nobody_knows_appears_as_soon_as_they_are_heard_of(
    page: Page, api: Api, lives: AnalyticsTable, now: datetime, complaints: list[str]
) -> None:
    page.goto(f"{api.origin}/users/new%2Fone")
    unknown = page.locator("#unknown")
    expect(unknown).to_contain_text("new/one")
    expect(unknown).to_contain_text("No user with this id is known.")
    expect(page.locator("#unknown-search")).to_have_attribute("href", "/users?q=new%2Fone")
    expect(page.locator("#connection")).to_have_text("Live")
    [complaint] = complaints
    assert "404" in complaint  # one, however long the page is open
    complaints.clear()
    write_life(lives, "new/one", DeviceLife([Step(ago(now, seconds=5), "started", "Home")]))
    expect(page.locator("#why")).to_contain_text("in the foreground on Home")
    expect(unknown).to_be_hidden()


def test_an_address_that_no_user_has_says_so(page: Page, api: Api, complaints: list[str]) -> None:
    for address, says in (("%ff", "must be percent-encoded"), ("x" * 257, "256")):
        page.goto(f"{api.origin}/users/{address}")
        expect(page.locator("#unknown .problem")).to_contain_text(says)
    complaints.clear()  # Chromium reports a 400


def test_how_long_they_are_on_a_screen_is_said_and_what_there_is_fills_the_timeline(
    page: Page, api: Api, lives: AnalyticsTable, now: datetime
) -> None:
    steps = [
        Step(ago(now, minutes=12), "started", "Home"),
        Step(ago(now, minutes=2, seconds=10), "navigated", "Cart"),
    ]
    write_life(lives, "ada", DeviceLife(steps, last_active=now))
    open_user(page, api, "ada")
    facts = page.locator(".facts div").first
    expect(facts).to_have_text(re.compile(r"^Screen\s*Cart for 2 min \d+ s$"))
    expect(page.locator("[value='1h']")).to_be_checked()
    expect(page.locator("#strip-caption")).to_contain_text("The last hour: 1")
    write_life(
        lives,
        "bob",
        DeviceLife(
            [Step(ago(now, days=3), "started", "Home"), Step(ago(now, days=2), "timed_out")]
        ),
    )
    open_user(page, api, "bob")
    expect(page.locator("[value='7d']")).to_be_checked()


def test_the_range_is_in_the_address_and_the_table_says_what_the_strip_draws(
    page: Page, api: Api, lives: AnalyticsTable, now: datetime
) -> None:
    steps = [
        Step(ago(now, days=3), "started", "Home"),
        Step(ago(now, days=3, minutes=-20), "logged_out"),
        Step(ago(now, minutes=30), "started", "Home"),
        Step(ago(now, minutes=20), "backgrounded"),
        Step(ago(now, minutes=10), "resumed", "Cart"),
    ]
    write_life(lives, "ada", DeviceLife(steps, last_active=now))
    lives.run(
        "INSERT INTO annotations (id, at, kind, text, who_kind, who) VALUES"
        " (md5(''), %s, 'release', %s, 'token', 'ci')",
        ago(now, minutes=25),
        HOSTILE,
    )
    outage = (ago(now, hours=50), ago(now, hours=48))
    lives.run("INSERT INTO outages VALUES (0, 'jump', %s, %s)", *outage)
    open_user(page, api, "ada")
    strip = page.locator("#strip")
    expect(strip.locator(".mark.note")).to_have_text(HOSTILE)
    expect(strip.locator(".track .piece")).to_have_count(4)
    expect(strip.locator(".outage")).to_have_count(0)
    kinds = [piece.get_attribute("data-kind") for piece in strip.locator(".track .piece").all()]
    assert kinds == ["offline", "foreground", "background", "foreground"]
    lives.offsets(0)
    expect(page.locator("#strip-caption")).to_contain_text("The last 24 hours: 20 min")
    page.locator("label", has_text="7 d").click()
    expect(page).to_have_url(f"{api.origin}/users/ada?range=7d")
    lives.offsets(0)
    expect(page.locator("#strip-caption")).to_contain_text("The last 7 days: 40 min")
    # An outage of ours is hatched, and labelled above the lanes.
    expect(page.locator("#strip-caption")).to_contain_text("Hatched: outages of ours")
    expect(strip.locator(".outage-label")).to_have_text("Outage")
    label = re.compile("^Outage: Kafka, or all of ingest, was away, ")
    expect(strip.locator(".track .outage")).to_have_attribute("title", label)
    look(page, "user-outage", part="#strip")
    strip.locator("summary").click()
    expect(strip.locator("tbody tr")).to_have_count(4)
    expect(strip.locator("tbody tr").last).to_contain_text("logged out")
    page.reload()
    expect(page.locator("[value='7d']")).to_be_checked()
    page.locator("label", has_text="1 h").click()
    lives.offsets(0)
    expect(page.locator("#strip-caption")).to_contain_text("The last hour: 20 min")
    # Where nothing is known any more, nothing is drawn.
    lives.run("UPDATE stream_offsets SET log_time = %s", ago(now, minutes=5))
    then = ago(now, minutes=5)
    until = clock(then)
    expect(page.locator("#strip-caption")).to_have_text(
        f"The hour up to {until}: 15 min in the foreground, 10 min in the background. Times in UTC."
    )
    # How long ago that was is told beside it, so there is no day in it.
    expect(page.locator("#banner-freshness")).to_contain_text(f"as of {then:%H:%M:%S} UTC")


def test_the_timeline_is_a_picture_whose_file_names_nobody(
    page: Page, api: Api, lives: AnalyticsTable, now: datetime
) -> None:
    steps = [
        Step(ago(now, minutes=40), "started", "Cart"),
        Step(ago(now, minutes=10), "backgrounded"),
    ]
    write_life(lives, "ada", DeviceLife(steps, last_active=now), name=HOSTILE)
    page.add_init_script(HEARD_TEXTS)
    open_user(page, api, "ada", "?range=1h")
    expect(page.locator("#strip .track .piece")).to_have_count(3)
    name, picture = picture_of(page, "strip-title")
    assert name == "timeline-1h.png"
    texts = page.evaluate("drawnTexts")
    assert texts[0].startswith("\u2068")
    assert "Timeline" in " ".join(texts)
    assert {"Cart", "iPhone 13", "Foreground"} <= set(texts)
    assert any(text.startswith("Complete up to ") for text in texts)
    for color in ("--foreground", "--background"):
        assert pixels(page, picture, color) > 100


def test_a_busy_week_is_read_to_the_end_of_what_can_be_drawn(
    page: Page, api: Api, lives: AnalyticsTable, now: datetime
) -> None:
    steps = [Step(ago(now, hours=60), "started", "Home")]
    steps += [
        Step(ago(now, minutes=3 * n), "navigated", f"Page {n % 7}") for n in range(1_199, 0, -1)
    ]
    write_life(lives, "busy", DeviceLife(steps, last_active=now))
    open_user(page, api, "busy", "?range=7d")
    lives.offsets(0)
    expect(page.locator("#strip-caption")).to_contain_text("2 d 12 h in the foreground")
    # Not a node a span: what nobody could see is drawn together.
    assert page.locator(".track .piece").count() <= 500
    expect(page.locator("#changes tr")).to_have_count(10)
    page.click("#more-changes")
    expect(page.locator("#changes tr")).to_have_count(50)


def test_what_users_wrote_is_text(
    page: Page, api: Api, lives: AnalyticsTable, now: datetime
) -> None:
    hostile = DeviceLife(
        [
            Step(ago(now, hours=2), "started", HOSTILE),
            Step(ago(now, hours=1), "logged_out"),
            Step(ago(now, minutes=30), "started", HOSTILE),
        ],
        device=HOSTILE,
        device_info=HOSTILE,
        app_version=HOSTILE[:64],
        platform=HOSTILE[:32],
        last_active=now,
    )
    write_life(lives, HOSTILE, hostile, name=HOSTILE)
    open_user(page, api, HOSTILE)
    page.locator("#strip summary").click()
    expect(page.locator("#name")).to_have_text(HOSTILE)
    expect(page.locator("#why")).to_contain_text(HOSTILE)
    expect(page.locator("#changes")).to_contain_text(HOSTILE)
    expect(page.locator("#strip tbody")).to_contain_text(HOSTILE)
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("window.owned") is None
    assert page.title() == f"\u2068{HOSTILE}\u2069: foreground · Rollcall"


def test_the_page_fits_phones_and_desks_by_day_and_night(
    page: Page, api: Api, lives: AnalyticsTable, now: datetime
) -> None:
    screens = ("Home", "Search results", "Film details", "Checkout")
    phone: list[Step] = []
    for day in (5, 4, 2, 1, 0):
        start = ago(now, days=day, hours=7 if day else 2)
        phone.append(Step(start, "started", "Home"))
        for n in range(1, 9):
            reason = ("navigated", "navigated", "backgrounded", "resumed")[n % 4]
            screen = None if reason == "backgrounded" else screens[n % 4]
            phone.append(Step(start + timedelta(minutes=11 * n), reason, screen))
        end = start + timedelta(minutes=110)
        if day:
            phone.append(Step(end, ("timed_out", "logged_out")[day % 2]))
    tablet = [
        Step(ago(now, hours=20), "started", "Film details"),
        Step(ago(now, hours=18), "disconnected", silent_seconds=30),
        Step(ago(now, hours=4), "started", "Home"),
        Step(ago(now, hours=3), "timed_out"),
    ]
    write_life(
        lives,
        "auth0|5f7c8ec7c33c6c004bbafe82",
        DeviceLife(phone, last_active=ago(now, seconds=48)),
        DeviceLife(tablet, "9B2F-11", "iPad Pro", "1.2.0"),
        name="Ada Lovelace",
    )
    open_user(page, api, "auth0|5f7c8ec7c33c6c004bbafe82")
    expect(page.locator(".device-card")).to_have_count(2)
    lives.offsets(0)
    look(page, "user-24h")
    page.locator("label", has_text="7 d").click()
    lives.offsets(0)
    expect(page.locator("#strip-caption")).to_contain_text("The last 7 days")
    look(page, "user-7d", part="#strip")
    write_life(
        lives,
        "gone",
        DeviceLife(
            [
                Step(ago(now, minutes=50), "started", "Search results"),
                Step(ago(now, minutes=31), "navigated", "Checkout"),
                Step(ago(now, minutes=24), "backgrounded"),
                Step(ago(now, minutes=21), "resumed"),
                Step(ago(now, minutes=9), "timed_out"),
            ]
        ),
        name="Grace Hopper",
    )
    open_user(page, api, "gone", "?range=1h")
    lives.offsets(0)
    look(page, "user-offline", part="main")


def test_a_card_tells_of_a_copied_id_and_of_other_users_on_it(
    page: Page, api: Api, table: Table, now: datetime
) -> None:
    def stored(device: str, info: str, **more: Any) -> dict[str, Any]:
        ms = round(now.timestamp() * 1000)
        times = {"last_active_ms": ms, "changed_ms": ms, "online_since_ms": ms, "expires_ms": ms}
        common = {"state": "foreground", "reason": "started", "screen": "Home", "signed_out": False}
        return {"device": device, "device_info": info, "twin_of": None, **common, **times, **more}

    devices = [stored("8f2c", "Pixel 9"), stored("8f2c (2)", "Pixel 6", twin_of="8f2c")]
    table.user("ann", device="8f2c", device_count=2, devices=Jsonb(devices))
    table.user(HOSTILE, device="8f2c", device_info="Pixel 9")
    for n, user in enumerate(("ann", HOSTILE)):
        table.run(
            'INSERT INTO changes (at, "partition", log_offset, event_index, ordinal, user_id, '
            "device, reason, previous_state, state, user_state) VALUES "
            "(%s, 0, %s, 0, 0, %s, '8f2c', 'started', 'offline', 'foreground', 'foreground')",
            now,
            n,
            user,
        )
    open_user(page, api, "ann")
    first, second = (page.locator(".device-card").nth(n) for n in range(2))
    expect(first.locator(".device-twin")).to_be_hidden()
    expect(second.locator(".device-twin")).to_contain_text("has the same installation id, 8f2c")
    for card in (first, second):
        expect(card.locator(".device-users")).to_contain_text(f"without a logout too: {HOSTILE}")
    first.locator(".other-user").click()
    expect(page.locator(".device-users .other-user")).to_have_text("ann")
    expect(page.locator(".device-twin")).to_be_hidden()
    look(page, "user-shared", part=".device-card")
