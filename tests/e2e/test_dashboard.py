"""The dashboard's frame in a real browser: the way in and out, and what holds for every page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import HOSTILE, Api, look, wait_until
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
            const { chart, numbers } = await import(new URL("charts.js", page));
            const figure = document.createElement("figure");
            figure.className = "card chart";
            figure.append(document.createElement("figcaption"));
            figure.firstChild.textContent = "Charts";
            document.getElementById("main").append(figure);
            window.drawn = chart(figure, [
                { type: "bar", x: [hostile, "Cart"], y: [3, 2], marker: { color: "--series-2" } },
            ]);
            numbers(figure, ["Screen", "Users"], [[hostile, "3"], ["Cart", "2"]]);
            window.redrawn = window.drawn.then(() => chart(figure, [
                { type: "sankey", node: { label: [hostile, "b", "c"] },
                  link: { source: [0, 0], target: [1, 2], value: [3, 2] } },
                { type: "scatter", name: hostile, mode: "lines", x: ["2024-05-17", "2024-05-18"],
                  y: [1, 2], fill: "tozeroy", xaxis: "x2", yaxis: "y2" },
            ], { xaxis2: { domain: [0.6, 1] }, yaxis2: { anchor: "x2" }, showlegend: true }));
        }""",
        HOSTILE,
    )
    page.evaluate("window.drawn")
    figure = page.locator("figure.chart")
    expect(figure.locator(".plot svg").first).to_be_visible()
    page.evaluate("window.redrawn")
    wait_until(lambda: HOSTILE in (figure.locator(".plot").text_content() or ""), "the labels")
    assert figure.locator(".plot a, .plot img, .plot script").count() == 0
    assert page.evaluate("window.owned") is None
    # Without Plotly's own rules its layers would be below each other.
    assert page.evaluate(
        "getComputedStyle(document.querySelector('.chart .main-svg')).position"
    ) == ("absolute")
    assert page.locator("style").count() == 0
