"""The Live page: what it shows, that it is live, and that it says so when it is not."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, Response, expect
from psycopg.types.json import Jsonb

from tests.e2e.browser import HOSTILE, Api, look, wait_until
from tests.e2e.pages.fleet import Fleet, LogTime
from tests.e2e.pages.taken import picture_of, pixels
from tests.rigs.api_harness import Table, token

#: Without uPlot; as the browser has it, not as it was sent.
MOST_PAGE_BYTES = 135_000


@pytest.fixture
def page(signed_in: Page, api: Api) -> Page:
    signed_in.goto(api.origin)
    return signed_in


@pytest.fixture
def fleet(table: Table) -> Fleet:
    return Fleet(table)


@pytest.fixture
def log_time(pages_database: str, table: Table) -> Iterator[LogTime]:
    running = LogTime(pages_database)
    yield running
    running.stop()


@pytest.fixture
def anew(api: Api) -> None:
    """The feed still tells of the last minute, which was another test's."""
    api.stop()
    api.start()


@pytest.fixture
def filled(anew: None, log_time: LogTime, fleet: Fleet) -> dict[str, int]:
    """A fleet with a past: how many are in the foreground and in the background."""
    counts = fleet.online(240)
    fleet.hours(240)
    fleet.quarter(datetime(2024, 2, 14, 19, 30, tzinfo=UTC), peak=4410)
    log_time.count(**counts)
    return counts


def see(page: Page, selector: str, text: str) -> None:
    expect(page.locator(selector)).to_have_text(text)


def is_live(page: Page) -> None:
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")


def test_before_anybody_came_it_says_how_to_send_the_first_heartbeat(
    page: Page, api: Api, log_time: LogTime, fleet: Fleet, table: Table
) -> None:
    expect(page.locator("#waiting")).to_contain_text("Waiting for the first heartbeat")
    expect(page.locator("#curl")).to_contain_text(f"{api.origin}/api/update-online-status")
    # There is no such command where the API runs by itself.
    expect(page.locator("#curl")).not_to_contain_text("rollcall token")
    expect(page.locator("#dart")).to_contain_text(f"baseUrl = '{api.origin}/api'")
    expect(page.locator("#dart")).to_contain_text("Uri.parse('$baseUrl/update-online-status')")
    see(page, "#count", "0")
    look(page, "live-empty", part="#waiting")
    fleet.come("ada", name="Ada", screen="Home")
    log_time.count(foreground=1)
    see(page, "#count", "1")
    expect(page.locator("#waiting")).to_be_hidden()
    expect(page.locator("#changes")).to_contain_text("Ada came online on Home")


def test_it_shows_the_fleet_by_day_by_night_and_on_a_phone(
    filled: dict[str, int], page: Page, fleet: Fleet
) -> None:
    fleet.story()
    is_live(page)
    see(page, "#count", "240")
    see(page, "#foreground", str(filled["foreground"]))
    see(page, "#background", str(filled["background"]))
    see(page, "#peak-ever", "4,410")
    expect(page.locator("#peak-ever-at")).to_contain_text("2024")
    expect(page.locator("#screens")).to_contain_text("Home")
    expect(page.locator("#screens")).to_contain_text("No screen")
    expect(page.locator("#versions")).to_contain_text("2.4.1")
    expect(page.locator("#versions")).to_contain_text("Unknown version")
    expect(page.locator("#platforms")).to_contain_text("Android")
    expect(page.locator("#quality")).to_contain_text("5 min")
    see(page, "#arrivals", "1")
    see(page, "#departures", "3")
    changes = page.locator("#changes")
    for text in (
        *("went to Product", "went to the background", "came back to Checkout", "logged out"),
        *("no heartbeat any more", "the connection was lost"),
    ):
        expect(changes).to_contain_text(text)
    hour = page.locator("#hour")
    expect(hour.locator(".plot canvas")).to_be_visible()
    expect(hour).to_contain_text("Yesterday")
    expect(hour).to_contain_text("Last week")
    hour.locator("summary").click()
    expect(hour.locator("tbody tr")).to_have_count(12)
    expect(hour.locator("tbody tr").nth(6)).not_to_contain_text("–")
    hour.locator("summary").click()
    name, picture = picture_of(page, "hour")
    assert re.fullmatch(r"last-hour-\d{4}-\d\d-\d\dT\d{4}Z\.png", name)
    assert pixels(page, picture, "--series-1") > 100
    look(page, "live")


def test_it_follows_without_being_loaded_again(
    anew: None, page: Page, log_time: LogTime, fleet: Fleet, table: Table
) -> None:
    loads: list[str] = []
    page.on("framenavigated", lambda frame: loads.append(frame.url))
    fleet.come("ada", name="Ada", screen="Home")
    log_time.count(foreground=1)
    see(page, "#count", "1")
    expect(page.locator("#screens li").first).to_contain_text("Home")
    table.user("ada", name="Ada", screen="Cart")
    fleet.change("ada", "navigated", screen="Cart", previous_screen="Home")
    expect(page.locator("#screens li").first).to_contain_text("Cart")
    expect(page.locator("#changes li").first).to_contain_text("Ada went to Cart")
    table.user("ada", "offline", name="Ada")
    fleet.change("ada", "logged_out", "offline")
    log_time.count(foreground=0)
    see(page, "#count", "0")
    see(page, "#arrivals", "1")
    see(page, "#departures", "1")
    expect(page.locator("#changes li").first).to_contain_text("Ada logged out")
    expect(page.locator("#waiting")).to_be_hidden()
    expect(page.locator("#screens-empty")).to_contain_text("Nobody is in the foreground")
    assert loads == []


def test_the_changes_can_be_stopped_for_reading(
    page: Page, log_time: LogTime, fleet: Fleet, table: Table
) -> None:
    table.user("pat")
    fleet.change("pat", "started")
    changes = page.locator("#changes li", has_text="pat")
    pause = page.locator("#pause")
    expect(changes).to_have_count(1)
    pause.click()
    fleet.change("pat", "navigated", screen="Cart")
    expect(pause).to_have_text("Resume (1 new)")
    expect(changes).to_have_count(1)
    pause.click()
    expect(changes).to_have_count(2)


def test_a_device_that_goes_is_not_said_of_a_user_who_stays(
    page: Page, log_time: LogTime, fleet: Fleet, table: Table
) -> None:
    """Each line is about what the user shows: the dot and the words say the same."""
    table.user("ada", name="Ada", screen="Home", device_count=2)
    changes = page.locator("#changes li")
    for reason, state, columns, says in (
        ("started", "foreground", {"screen": "Home"}, "Ada came online on Home"),
        (
            "started",
            "background",
            {"user_state": "foreground", "user_screen": "Home", "device": "tablet"},
            "Ada: one of their devices came online in the background",
        ),
        (
            "timed_out",
            "offline",
            {"user_state": "foreground", "user_screen": "Home", "device": "tablet"},
            "Ada: one of their devices is offline: no heartbeat any more",
        ),
        (
            "started",
            "foreground",
            {"screen": "Cart", "device": "pad"},
            "Ada: one of their devices came online on Cart",
        ),
        ("navigated", "foreground", {"screen": "Pay", "device": "pad"}, "Ada went to Pay"),
        (
            "logged_out",
            "offline",
            {"user_state": "background", "user_screen": "Home", "device": "pad"},
            "Ada is in the background now: one of their devices logged out",
        ),
        ("timed_out", "offline", {}, "Ada is offline: no heartbeat any more"),
    ):
        fleet.change("ada", reason, state, **columns)
        expect(changes.first.locator("p")).to_have_text(says)
        expect(changes.first.locator(".dot")).to_have_attribute(
            "data-state", str(columns.get("user_state", state))
        )


def test_steps_of_a_user_are_one_line_with_the_time_of_the_last(
    page: Page, log_time: LogTime, fleet: Fleet, table: Table
) -> None:
    table.user("eve", name="Eve")
    table.user("bob", name="Bob")
    lines = page.locator("#changes li", has_text=re.compile("Eve|Bob"))
    fleet.change("eve", "navigated", screen="Home")
    fleet.change("bob", "navigated", screen="Home")
    expect(lines).to_have_count(2)
    for screen in ("Cart", "Pay", "Done", "Help", "Home"):
        fleet.change("eve", "navigated", screen=screen)
    expect(lines.first.locator("p")).to_have_text("Eve went to … → Pay → Done → Help → Home")
    expect(lines).to_have_count(2)
    expect(lines.first.locator("time")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d UTC$"))
    fleet.change("eve", "backgrounded", "background")
    expect(lines.first.locator("p")).to_have_text("Eve went to the background")


def test_bars_lead_to_their_lists_and_the_rest_to_all_screens(
    page: Page, api: Api, log_time: LogTime, table: Table
) -> None:
    for number in range(12):
        table.user(f"u{number}", screen=f"Screen {number}", app_version="2.4.1")
    table.user("dot", screen="..", app_version="2.4.0")
    table.user("dot2", screen="..", app_version="2.4.0")
    table.user("none", app_version="2.4.0")
    log_time.count(foreground=15)
    bars = page.locator("#screens li")
    expect(bars).to_have_count(11)
    expect(bars.last).to_contain_text("4 more screens")
    expect(bars.last.locator("a")).to_have_attribute("href", "/screens")
    # No browser opens a path of two dots.
    href = "/users?screen=..&state=foreground"
    expect(bars.first.locator("a")).to_have_attribute("href", href)
    expect(page.locator("#platforms a")).to_have_count(0)
    table.user("phone", platform="ios", screen="..", app_version="2.4.0")
    ios = page.locator("#platforms a")
    expect(ios).to_have_text("iOS")
    expect(ios).to_have_attribute("href", "/users?platform=ios")
    page.click("#versions >> text=2.4.1")
    expect(page).to_have_url(f"{api.origin}/users?app_version=2.4.1")
    expect(page.locator("#count")).to_have_text("12 users")


def test_wall_mode_shows_numbers_and_nothing_to_press(
    page: Page, api: Api, log_time: LogTime, fleet: Fleet
) -> None:
    log_time.count(**fleet.online(40))
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.click("#wall")
    expect(page.locator("#count")).to_have_text("40")
    expect(page.locator("nav")).to_be_hidden()
    assert page.evaluate("parseFloat(getComputedStyle(count).fontSize)") > 150
    page.click(".leave")
    expect(page.locator("nav")).to_be_visible()


def test_every_number_of_the_page_is_of_one_moment(
    anew: None, page: Page, log_time: LogTime, table: Table
) -> None:
    """Users come, go and change their version and state a hundred times a second."""
    log_time.stop()
    stopped = threading.Event()

    def churn() -> None:
        dice = random.Random(5)
        while not stopped.wait(0.01):
            state, version = (
                dice.choice(("foreground", "background", "offline")),
                dice.choice("123"),
            )
            table.run(
                "INSERT INTO presence (user_id, partition, state, reason, screen,"
                " changed_at, online_since, last_active, device_count, device, signed_out,"
                " app_version, platform) VALUES (%s, 0, %s, 'started', %s, now(), now(), now(), 1,"
                " 'default', false, %s, 'ios') ON CONFLICT (user_id) DO UPDATE SET"
                " state = EXCLUDED.state, app_version = EXCLUDED.app_version",
                f"u{dice.randrange(40)}",
                state,
                dice.choice(("Home", "Cart")),
                version,
            )

    table.run(
        "CREATE OR REPLACE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE stream_offsets SET log_time = clock_timestamp(),"
        " foreground = (SELECT count(*) FROM presence WHERE state = 'foreground'),"
        " background = (SELECT count(*) FROM presence WHERE state = 'background');"
        " RETURN NULL; END $$"
    )
    table.run(
        "CREATE TRIGGER counted AFTER INSERT OR UPDATE ON presence"
        " FOR EACH STATEMENT EXECUTE FUNCTION counted()"
    )
    thread = threading.Thread(target=churn, daemon=True)
    thread.start()
    try:
        expect(page.locator("#versions li")).to_have_count(3)
        seen = page.evaluate(
            """async () => {
                const number = (node) => Number(node.textContent.replace(/\\D/g, ""));
                const of = (id) => number(document.getElementById(id));
                const sum = (id) => [...document.querySelectorAll(`#${id} .bar-count`)]
                    .reduce((total, node) => total + number(node), 0);
                const seen = [], moments = new Set();
                for (let look = 0; look < 600 && moments.size < 5; look += 1) {
                    await new Promise((done) => setTimeout(done, 50));
                    seen.push([of("count"), of("foreground") + of("background"), sum("versions"),
                        sum("platforms"), of("foreground"), of("screens-note"), sum("screens")]);
                    moments.add(String(seen.at(-1)));
                }
                return seen;
            }"""
        )
    finally:
        stopped.set()
        thread.join()
        table.run("DROP TRIGGER counted ON presence")
    assert len({tuple(look) for look in seen}) == 5
    for count, states, versions, platforms, foreground, note, screens in seen:
        assert count == states == versions == platforms
        assert foreground == note == screens


def test_when_data_stops_it_says_so_and_how_old_it_is(
    page: Page, log_time: LogTime, fleet: Fleet, table: Table, pages_database: str
) -> None:
    counts = fleet.online(20)
    log_time.count(**counts)
    see(page, "#count", "20")
    is_live(page)
    log_time.stop()
    banner = page.locator("#banner-freshness")
    expect(banner).to_contain_text("Late.")
    expect(banner).to_contain_text("processor is behind or down")
    expect(banner).to_contain_text("1")  # its age ticks
    expect(page.locator("#connection")).to_have_text("Late")
    expect(page.locator("#heading")).to_contain_text("not live")
    expect(page).to_have_title("Not live: 20 online · Rollcall")
    expect(page.locator("#quality")).not_to_contain_text("just now")
    look(page, "live-stale", part="main")
    table.offsets(0, foreground=5)
    expect(banner).to_have_count(0)
    is_live(page)
    see(page, "#heading", "Online now")
    expect(page).to_have_title("5 online · Rollcall")


def test_an_outage_and_its_grace_are_said(
    page: Page, log_time: LogTime, fleet: Fleet, table: Table
) -> None:
    log_time.count(**fleet.online(20))
    now = fleet.now()
    ms = round(now.timestamp() * 1000)
    silence = {"since_ms": ms, "foreground": 40, "outage_ms": ms, "held_ms": ms + 900_000}
    table.run("UPDATE stream_offsets SET silence = %s", Jsonb(silence))
    banner = page.locator("#banner-freshness")
    expect(banner).to_contain_text("No phone has reached us since")
    look(page, "live-outage", part="#banner-freshness")
    table.run(
        "INSERT INTO outages VALUES (0, 'ticks_only', %s, %s)", now - timedelta(minutes=2), now
    )
    table.run("UPDATE stream_offsets SET silence = NULL, graces = %s", Jsonb([[3, ms + 200_000]]))
    expect(banner).to_contain_text("Grace after an outage.")
    table.run("UPDATE stream_offsets SET graces = '[]'")
    expect(banner).to_have_count(0)
    is_live(page)


def test_a_lost_server_is_said_and_the_page_comes_back_by_itself(
    own_clock: None, page: Page, api: Api, log_time: LogTime, fleet: Fleet, complaints: list[str]
) -> None:
    log_time.count(**fleet.online(20))
    see(page, "#count", "20")
    assert api.stop() == 0
    banner = page.locator("#banner-freshness")
    expect(banner).to_contain_text("No answer.")
    expect(banner).to_contain_text("as of")
    expect(page.locator("#connection")).to_have_text("No answer")
    expect(page.locator("#heading")).to_contain_text("not live")
    # Half a minute on nothing says "just now", and nothing blames the processor.
    page.clock.install()
    page.clock.fast_forward(31_000)
    expect(page.locator("#quality")).not_to_contain_text("just now")
    expect(banner).not_to_contain_text("processor")
    log_time.count(foreground=3)
    api.start()
    see(page, "#count", "3")
    expect(page.locator("#banner-freshness")).to_have_count(0)
    is_live(page)
    complaints.clear()  # Chromium reports the calls that failed


def test_a_session_that_has_ended_leads_to_the_login(
    page: Page, api: Api, log_time: LogTime, complaints: list[str]
) -> None:
    is_live(page)
    page.context.clear_cookies()
    assert api.stop() == 0
    api.start()
    expect(page).to_have_url(f"{api.origin}/login?why=ended")
    expect(page.locator("[role=status]")).to_contain_text("Your session has ended")
    complaints.clear()


def test_a_page_leaves_for_the_login_only_once_the_server_answers(
    page: Page, api: Api, log_time: LogTime, complaints: list[str]
) -> None:
    """The first refusal was the last word of a server that is being restarted."""
    is_live(page)
    page.route("**/api/v1/feed", lambda route: route.fulfill(status=401))
    page.route("**/login", lambda route: route.abort("connectionrefused"))
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/login")):
        page.reload()
    expect(page.locator("#banner-signed-out")).to_contain_text("as soon as the server answers")
    page.unroute("**/login")
    expect(page).to_have_url(f"{api.origin}/login?why=ended")
    complaints.clear()  # Chromium reports the calls that failed


def test_what_users_write_is_text(
    page: Page, log_time: LogTime, fleet: Fleet, table: Table
) -> None:
    hostile = dict.fromkeys(("name", "screen", "app_version", "device_info", "platform"), HOSTILE)
    table.user(HOSTILE, **hostile)
    fleet.change(HOSTILE, "navigated", screen=HOSTILE, previous_screen=HOSTILE)
    log_time.count(foreground=1)
    for selector in ("#screens", "#versions", "#changes"):
        expect(page.locator(selector)).to_contain_text(HOSTILE)
    expect(page.locator("#platforms")).to_contain_text(HOSTILE.lower())
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("window.owned") is None


def test_it_weighs_little_and_paints_before_uplot_comes(
    stranger: Page, api: Api, log_time: LogTime, fleet: Fleet
) -> None:
    log_time.count(**fleet.online(50))
    stranger.goto(f"{api.origin}/login#token={token()}")
    stranger.wait_for_url(f"{api.origin}/")
    expect(stranger.locator(".plot canvas")).to_be_visible()
    bodies: list[Response] = []
    stranger.on("response", lambda answer: bodies.append(answer))
    stranger.reload()
    expect(stranger.locator(".plot canvas")).to_be_visible()
    timings = stranger.evaluate(
        """() => ({
            painted: performance.getEntriesByName("first-contentful-paint")[0].startTime,
            uplot: performance.getEntriesByType("resource")
                .find(({ name }) => name.includes("uPlot.iife")).startTime,
        })"""
    )
    assert timings["painted"] < timings["uplot"]
    parts = [
        len(answer.body())
        for answer in bodies
        if ("/static/" in answer.url and "uPlot" not in answer.url) or answer.url.endswith("/")
    ]
    assert len(parts) > 8
    assert sum(parts) < MOST_PAGE_BYTES


def test_a_page_that_nobody_looks_at_lets_go_of_its_place(
    own_clock: None, signed_in: Page, api: Api, log_time: LogTime
) -> None:
    page = signed_in
    page.clock.install()
    page.goto(api.origin)
    is_live(page)
    hide = (
        "hidden => {Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))}"
    )
    page.evaluate(hide, True)
    page.clock.fast_forward(61_000)
    wait_until(lambda: api.metric("rollcall_api_feed_viewers") == 0, "nobody follows")
    page.evaluate(hide, False)
    wait_until(lambda: api.metric("rollcall_api_feed_viewers") == 1, "the page follows again")
    is_live(page)


def test_more_changes_than_anyone_can_read_are_sampled_and_it_says_so(
    page: Page, log_time: LogTime, fleet: Fleet, table: Table
) -> None:
    """The last test: what others do within a minute of it may not be in the sample."""
    table.user("ada")
    expect(page.locator("#details")).to_be_visible()
    for number in range(400):
        fleet.change(f"u{number}", "started")
    expect(page.locator("#changes-note")).to_contain_text("a sample: 20 of")
    assert 0 < page.locator("#changes li").count() <= 50
