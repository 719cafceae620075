"""The dashboard's frame in a real browser: the way in and out, and what holds for every page."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect

from schemas.tokens.api_keys import key_digest, new_key
from tests.e2e.browser import HOSTILE, Api, look, wait_until
from tests.e2e.pages.lives import called
from tests.rigs.api_harness import Table, token


def test_without_a_session_the_way_leads_to_the_login_and_back(
    stranger: Page, api: Api, table: Table
) -> None:
    stranger.goto(api.origin)
    expect(stranger).to_have_url(f"{api.origin}/login")
    stranger.goto(f"{api.origin}/users?q=a%2Fb")
    expect(stranger).to_have_url(f"{api.origin}/login?next=%2Fusers%3Fq%3Da%252Fb")
    stranger.fill("#token", token())
    stranger.click("button[type=submit]")
    expect(stranger).to_have_url(f"{api.origin}/users?q=a%2Fb")


def test_the_login_leads_to_no_other_site(stranger: Page, api: Api, table: Table) -> None:
    for elsewhere in ("//evil.example", "/%5Cevil.example", "https://evil.example"):
        stranger.context.clear_cookies()
        stranger.goto(f"{api.origin}/login?next={elsewhere}#token={token()}")
        expect(stranger).to_have_url(f"{api.origin}/")


def test_a_link_signs_in_and_leaves_no_token_in_the_address_bar_or_to_scripts(
    stranger: Page, api: Api, table: Table
) -> None:
    """The link that ``rollcall up`` prints."""
    page = stranger
    page.goto(f"{api.origin}/login#token={token()}")
    page.wait_for_url(f"{api.origin}/")
    here = page.locator("nav [aria-current=page]")
    expect(here).to_have_text("Live")
    page.click("nav >> text=Users")
    expect(page).to_have_url(f"{api.origin}/users")
    expect(here).to_have_text("Users")
    page.go_back()
    expect(page).to_have_url(f"{api.origin}/")
    assert page.evaluate("document.cookie") == ""
    [cookie] = page.context.cookies()
    assert cookie["httpOnly"] is True
    assert cookie["sameSite"] == "Strict"
    assert cookie["path"] == "/"
    page.go_back()
    expect(page).not_to_have_url(f"{api.origin}/")
    assert "token" not in page.url


def test_a_pasted_token_signs_in_and_a_bad_one_is_told_why(
    stranger: Page, api: Api, table: Table, complaints: list[str]
) -> None:
    stranger.goto(f"{api.origin}/login")
    stranger.fill("#token", token(scope="other"))
    stranger.click("button[type=submit]")
    expect(stranger.locator("[role=alert]")).to_contain_text("presence:read")
    complaints.clear()  # Chromium reports the 403
    stranger.fill("#token", token())
    stranger.click("button[type=submit]")
    expect(stranger).to_have_url(f"{api.origin}/")


def test_a_link_of_somebody_else_asks_before_it_replaces_the_session(
    page: Page, api: Api, complaints: list[str]
) -> None:
    link = f"{api.origin}/login#token={token('eve', name='<i>Eve</i>')}"
    page.goto(link)
    question = page.locator("[role=alert]")
    expect(question).to_contain_text("You are logged in as staff")
    expect(question).to_contain_text("<i>Eve</i>")
    page.click("text=Stay logged in")
    expect(page).to_have_url(f"{api.origin}/")
    page.goto(link)
    page.click("button[type=submit]")
    expect(page).to_have_url(f"{api.origin}/")
    expect(page.locator("body")).to_contain_text("<i>Eve</i>")
    complaints.clear()  # Chromium reports the 409


def test_a_person_who_opens_an_address_reads_a_page_and_a_program_json(
    signed_in: Page, api: Api, complaints: list[str]
) -> None:
    page = signed_in
    for path, status, says, way in (
        ("/nowhere", 404, "Nothing is at this address", "/users"),
        ("/static/x/nothing.js", 404, "Nothing is at this address", "/"),
        ("/api/v1/users/nobody", 404, "No user with this id is known", "/users"),
        ("/api/v1/users?colour=red", 400, "colour is no parameter of this call", "/"),
    ):
        told = page.goto(api.origin + path)
        assert told is not None
        assert told.status == status
        assert "text/html" in told.headers["content-type"]
        assert "default-src 'none'" in told.headers["content-security-policy"]
        expect(page.locator("[role=alert]")).to_contain_text(says)
        expect(page.locator(f"main a[href='{way}']")).to_be_visible()
        program = page.request.get(api.origin + path)
        assert program.headers["content-type"] == "application/problem+json"
    complaints.clear()  # Chromium reports the status


def test_a_person_without_a_session_is_led_to_the_login_from_the_api_too(
    stranger: Page, api: Api, table: Table, complaints: list[str]
) -> None:
    stranger.goto(f"{api.origin}/api/v1/online-users?screen=Cart")
    stranger.click("text=Log in with another token")
    stranger.fill("#token", token())
    stranger.click("button[type=submit]")
    expect(stranger).to_have_url(f"{api.origin}/api/v1/online-users?screen=Cart")
    complaints.clear()  # Chromium reports the 401


def test_the_login_says_why_one_is_there_and_keeps_filters_and_fragment(
    page: Page, api: Api, table: Table
) -> None:
    [cookie] = page.context.cookies()
    page.context.clear_cookies()
    page.context.add_cookies([{**cookie, "value": "A" * 64}])  # type: ignore[typeddict-item]
    page.goto(f"{api.origin}/users?state=offline#row-7")
    expect(page.locator("[role=status]")).to_contain_text("Your session has ended")
    page.fill("#token", f'Bearer "{token()}"'.replace('"', ""))
    page.click("button[type=submit]")
    expect(page).to_have_url(f"{api.origin}/users?state=offline#row-7")


def test_the_login_takes_an_api_key_and_calls_nothing_a_wrong_jwt(
    stranger: Page, api: Api, table: Table, pages_database: str, complaints: list[str]
) -> None:
    stranger.goto(f"{api.origin}/login")
    expect(stranger.locator("label")).to_have_text("Token or API key")
    # There is no such command beside an API that runs by itself.
    assert "rollcall token" not in stranger.locator("main").inner_text()
    for wrong, says in (("rck_nothing", "There is no such key"), ("abc", "nor an API key")):
        stranger.fill("#token", wrong)
        stranger.click("button[type=submit]")
        alert = stranger.locator("[role=alert]")
        expect(alert).to_contain_text(says)
        expect(alert).not_to_contain_text("JSON Web Token")
    key = new_key()
    table.run(
        "INSERT INTO api_keys (name, digest, scopes) VALUES ('crm', %s, %s)",
        key_digest(key),
        ["presence:read"],
    )
    wait_until(lambda: logged_in(stranger, key), "the key counts")
    complaints.clear()  # Chromium reports the 401


def logged_in(page: Page, key: str) -> bool:
    page.fill("#token", f'"{key}"\n')
    page.click("button[type=submit]")
    return page.locator("#connection").is_visible()


def test_logging_out_ends_the_session(page: Page, api: Api, complaints: list[str]) -> None:
    page.click("form[action='/logout'] button")
    expect(page).to_have_url(f"{api.origin}/login")
    page.goto(api.origin)
    expect(page).to_have_url(f"{api.origin}/login")
    # The page that is left may ask once more, without its session.
    complaints[:] = [each for each in complaints if "(Unauthorized)" not in each]


def open_users(page: Page, api: Api) -> None:
    page.goto(f"{api.origin}/users")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")


def test_a_restart_of_the_server_is_said_and_survived(
    page: Page, api: Api, table: Table, complaints: list[str]
) -> None:
    table.user("before")
    open_users(page, api)
    expect(page.locator("#rows tr")).to_have_count(1)
    assert api.stop() == 0
    expect(page.locator("#connection")).to_have_text("No answer")
    table.user("after")
    api.start()
    expect(page.locator("#rows tr")).to_have_count(2)
    expect(page.locator("#connection")).not_to_have_text("No answer")
    complaints.clear()  # Chromium reports the calls that failed


def test_there_is_one_state_of_freshness_and_it_blames_who_it_is(page: Page) -> None:
    noon = 1_715_940_000_000

    def state(
        *, silent: int = 0, trouble: str | None = None, outage: object = None, **freshness: object
    ) -> tuple[str, bool, str]:
        fresh = {
            "as_of": "2024-05-17T10:00:00.000Z",
            "stale": False,
            "age_seconds": 0.4,
            "stale_after_seconds": 10,
            "interval_seconds": 1,
        }
        told = {"freshness": {**fresh, **freshness}, "outage": outage}
        heard = {"trouble": trouble, "heardAt": noon - silent * 1000}
        found = called(page, "lib/freshness.js", "stateOf", told, heard, noon)
        banner = found["banner"] or {"title": "", "text": ""}
        return found["name"], found["isLive"], f"{banner['title']} {banner['text']}"

    assert state() == ("live", True, " ")
    # Nine seconds of silence are nobody's fault that we know of, and no moment ago.
    name, is_live, says = state(silent=9)
    assert (name, is_live) == ("no answer", False)
    assert "Nothing has been heard for 9 s" in says
    assert "processor" not in says
    assert "just now" not in state(silent=31, as_of="2024-05-17T09:59:29.000Z")[2]
    assert state(trouble="The database is away.", stale=True)[0] == "no answer"
    name, is_live, says = state(age_seconds=12)
    assert (name, is_live) == ("late", False)
    assert "processor" in says
    assert state(age_seconds=-3, stale=True)[2].startswith("Clocks differ.")
    assert state(as_of=None, age_seconds=None, stale=True)[2].startswith("Not complete yet.")
    lasting = {
        "phase": "lasting",
        "started_at": "2024-05-17T09:59:00.000Z",
        "ended_at": None,
        "held_until": "2024-05-17T10:15:00.000Z",
    }
    assert state(outage=lasting)[:2] == ("outage", True)
    assert state(outage={**lasting, "phase": "grace"})[:2] == ("grace", True)
    assert state(outage=lasting, age_seconds=12)[0] == "late"


def test_a_hidden_page_asks_nothing_and_a_shown_one_at_once(
    page: Page, api: Api, table: Table
) -> None:
    open_users(page, api)
    hide = (
        "hidden => {Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))}"
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(hide, True)
    page.wait_for_load_state("networkidle")
    asked.clear()
    table.user("u1")
    page.wait_for_timeout(5_000)  # more than two intervals, in which there is nothing to wait for
    assert asked == []
    page.evaluate(hide, False)
    expect(page.locator("#rows tr")).to_have_count(1)


def test_on_a_phone_the_tab_that_one_is_on_is_in_view_and_nothing_is_too_wide(
    page: Page, api: Api, table: Table
) -> None:
    table.user("long-" + "u" * 120, name="Nobody breaks " + "m" * 80, screen="s" * 128)
    table.offsets(0, foreground=1)
    for path in ("/", "/users", "/screens", "/active-users"):
        page.set_viewport_size({"width": 320, "height": 640})
        page.goto(api.origin + path)
        here = page.locator("nav [aria-current=page]")
        expect(here).to_be_in_viewport(ratio=0.9)
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        assert wider_than_the_window(page) == [], path


def wider_than_the_window(page: Page) -> list[str]:
    """What makes the page scroll sideways, if it does."""
    found: list[str] = page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] : [
            document.documentElement.scrollWidth + " px",
            ...[...document.querySelectorAll("body *")]
                .filter(node => node.getBoundingClientRect().right > innerWidth + 0.5)
                .map(node => `${node.localName}#${node.id}.${node.className}`).slice(0, 12)]"""
    )
    return found


def test_without_scripts_the_first_thing_that_is_seen_says_so(
    page: Page, api: Api, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False)
    try:
        plain = context.new_page()
        context.add_cookies([{**page.context.cookies()[0]}])  # type: ignore[typeddict-item]
        plain.goto(f"{api.origin}/users")
        said = plain.locator("noscript p")
        box, main = said.bounding_box(), plain.locator("main").bounding_box()
        assert box is not None
        assert main is not None
        assert box["y"] < main["y"]
        expect(said).to_be_in_viewport()
    finally:
        context.close()


def test_the_login_is_accessible(stranger: Page, api: Api) -> None:
    stranger.goto(f"{api.origin}/login")
    look(stranger, "login")


def test_charts_keep_the_policy_and_show_what_users_wrote_as_it_is(page: Page, api: Api) -> None:
    page.evaluate(
        """async hostile => {
            const page = document.querySelector("script[type=module]").src;
            const { chart, numbers } = await import(new URL("../charts/charts.js", page));
            const figure = document.createElement("figure");
            figure.className = "card chart";
            figure.append(document.createElement("figcaption"));
            figure.firstChild.textContent = "Charts";
            document.getElementById("main").append(figure);
            const [text, color] = [hostile, "--series-2"];
            const bars = { color, shape: "bars", width: 0.9, values: [3, 2] };
            window.drawn = chart(figure, {
                kind: "plot",
                x: { at: [1, 2], head: () => text, from: 0, to: 3, marks: [{ at: 1, text }] },
                y: {},
                series: [{ name: text, ...bars }],
                lines: [{ at: 1, text }],
                bands: [{ from: 2, to: 3, color, text }],
            });
            numbers(figure, ["Screen", "Users"], [[hostile, "3"], ["Cart", "2"]]);
            const node = { top: 0, size: 90, color, name: text, text };
            window.redraw = () => chart(figure, {
                kind: "streams",
                heightPx: 100,
                columns: 2,
                nodes: [0, 1].map((column) => ({ column, ...node })),
                links: [{ from: 0, to: 1, fromTop: 0, toTop: 0, size: 90, color, text }],
            });
        }""",
        HOSTILE,
    )
    page.evaluate("window.drawn")
    figure = page.locator("figure.chart")
    expect(figure.locator(".plot canvas")).to_be_visible()
    assert figure.locator(".plot-label").all_text_contents() == [HOSTILE, HOSTILE]
    figure.locator(".u-over").hover()
    expect(figure.locator(".tip-head")).to_have_text(HOSTILE)
    page.evaluate("window.redraw()")
    expect(figure.locator(".stream-node text")).to_have_text([f"{HOSTILE[:23]}…"] * 2)
    assert figure.locator(".plot canvas").count() == 0
    figure.locator(".stream-link").hover()
    expect(figure.locator(".tip-text")).to_have_text(HOSTILE)
    assert figure.locator(".plot").locator("a, img, script").count() == 0
    assert page.evaluate("window.owned") is None
    # Without uPlot's own rules its layers would be below each other.
    assert page.locator("link[href$='/uPlot.min.css']").count() == 1
    assert page.locator("style").count() == 0


def test_without_uplot_a_card_says_what_helps_and_shows_its_numbers(
    page: Page, api: Api, complaints: list[str]
) -> None:
    detail = "uPlot is missing: run `make install`"
    page.route("**/uPlot.*", lambda route: route.fulfill(status=404, json={"detail": detail}))
    page.evaluate(
        """async () => {
            const main = document.getElementById("main");
            main.innerHTML = `<section id="card"><p class="trouble"></p><div class="told">
                <figure><figcaption></figcaption><div class="plot"></div></figure></div></section>`;
            const page = document.querySelector("script[type=module]").src;
            const { Card } = await import(new URL("../ui/cards.js", page));
            await new Card("card", () => {}).draw("Two users.", {
                drawing: { kind: "plot" },
                table: { heads: ["Screen", "Users"], rows: [["Cart", "2"]] },
            });
        }"""
    )
    expect(page.locator("figcaption")).to_contain_text(detail)
    expect(page.locator("details td")).to_have_text(["2"])
    complaints.clear()  # Chromium reports every 404
