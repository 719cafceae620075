"""The dashboard's frame in a real browser: the way in and out, and what holds for every page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import HOSTILE, Api, look
from tests.integration.api_harness import Table, token


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


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "/%5Cevil.example", "https://evil.example"]
)
def test_the_login_leads_to_no_other_site(
    stranger: Page, api: Api, table: Table, elsewhere: str
) -> None:
    stranger.goto(f"{api.origin}/login?next={elsewhere}#token={token()}")
    expect(stranger).to_have_url(f"{api.origin}/")


def test_a_link_signs_in_and_leaves_no_token_in_the_address_bar_or_to_scripts(
    page: Page, api: Api
) -> None:
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


def test_logging_out_ends_the_session(page: Page, api: Api) -> None:
    page.click("form[action='/logout'] button")
    expect(page).to_have_url(f"{api.origin}/login")
    page.goto(api.origin)
    expect(page).to_have_url(f"{api.origin}/login")


def test_the_navigation_says_where_one_is(page: Page, api: Api) -> None:
    here = page.locator("nav [aria-current=page]")
    expect(here).to_have_text("Live")
    page.click("nav >> text=Users")
    expect(page).to_have_url(f"{api.origin}/users")
    expect(here).to_have_text("Users")


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
    expect(page.locator("#connection")).to_contain_text("retrying")
    table.user("after")
    api.start()
    expect(page.locator("#rows tr")).to_have_count(2)
    expect(page.locator("#connection")).not_to_contain_text("retrying")
    complaints.clear()  # Chromium reports the calls that failed


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
