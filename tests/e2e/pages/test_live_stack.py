"""The Live page over a real `rollcall up`: phones' heartbeats seen on it, through the one front."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from deploy.local.stack import PARTITIONS
from schemas.service.distribution import rollcall_version
from tests.e2e.browser import assert_accessible, look
from tests.e2e.driver import BACKGROUND, FRONT, PROCESSOR, Phone, Stack
from tests.e2e.stack import Up
from tests.rigs.rig import wait_for


@pytest.fixture(scope="module")
def stack(plain_up: Up) -> Stack:
    return Stack(plain_up)


@pytest.fixture
def live(stranger: Page, stack: Stack) -> Page:
    """The page, by the link that `rollcall up` printed."""
    link = re.search(r"\S+/login#token=\S+", stack.up.output)
    assert link is not None
    stranger.goto(link[0])
    stranger.wait_for_url(f"{stack.up.url}/")
    return stranger


def test_a_phone_is_followed_from_its_first_heartbeat_to_its_logout(
    live: Page, stack: Stack
) -> None:
    others = stack.count()["count"]
    expect(live.locator("#departures")).to_have_text(re.compile(r"^\d+$"))  # once it has been read
    shown = {n: int(live.locator(f"#{n}").inner_text()) for n in ("arrivals", "departures")}
    phone = Phone(stack)
    latest = live.locator("#changes li").first
    assert phone.show("Home") == 200
    expect(latest).to_contain_text(f"{phone.user} came online on Home")
    expect(live.locator("#count")).to_have_text(str(others + 1))
    expect(live.locator("#arrivals")).to_have_text(str(shown["arrivals"] + 1))
    assert phone.show("Offers of today") == 200
    expect(latest).to_contain_text(f"{phone.user} went to Offers of today")
    expect(live.locator("#screens")).to_contain_text("Offers of today")
    expect(live.locator("#versions")).to_contain_text("1.0.0")
    assert phone.beat(BACKGROUND) == 200
    expect(latest).to_contain_text(f"{phone.user} went to the background")
    expect(live.locator("#background")).to_have_text("1")
    assert phone.log_out() == 200
    expect(latest).to_contain_text(f"{phone.user} logged out")
    expect(live.locator("#count")).to_have_text(str(others))
    expect(live.locator("#departures")).to_have_text(str(shown["departures"] + 1))
    assert_accessible(live)


def test_an_audience_of_who_saw_a_screen_is_downloaded(live: Page, stack: Stack) -> None:
    """Its spans are the processor's: of who has left, and of who is on it."""
    left, stays, other = Phone(stack), Phone(stack), Phone(stack)
    for phone, screens in ((left, ("Offers", "Home")), (stays, ("Offers",)), (other, ("Home",))):
        for screen in screens:
            assert phone.show(screen) == 200
    assert left.log_out() == 200
    stack.shows(left, "offline")
    stack.settle()
    live.goto(f"{stack.up.url}/audience")
    saw = live.get_by_role("group", name="Saw a screen", exact=True)
    saw.get_by_label("Screen").fill("Offers")
    expect(live.locator("#count")).to_have_text("2")
    with live.expect_download() as download:
        live.get_by_role("button", name="Download CSV").click()
    ids = Path(download.value.path()).read_text().split()
    assert sorted(ids) == sorted(f'"{cell}"' for cell in ("user_id", left.user, stays.user))
    expect(live.locator("#exports-rows .ended")).to_have_text("completed")
    live.get_by_label("State").select_option(label="offline")
    expect(live.locator("#count")).to_have_text("1")


def test_pages_know_every_process_and_say_that_one_is_frozen_and_that_it_goes_on(
    live: Page, stack: Stack
) -> None:
    phone = Phone(stack)
    assert phone.show("Home") == 200
    live.goto(f"{stack.up.url}/health")
    findings = live.locator("#findings li")
    expect(findings).to_have_text(["All 2 processes answer and are ready."])
    front, processor = live.locator("#processes tr").all()
    expect(front).to_contain_text("Ingest and API")
    expect(processor.locator("td").last).to_have_text(f"0 to {PARTITIONS - 1}")
    expect(live.locator("#partitions tr")).to_have_count(PARTITIONS)
    expect(live.locator("#versions")).to_have_text(rollcall_version())
    expect(live.locator("#rate")).to_have_text(re.compile(r"^[\d.]+/s$"))
    expect(live.locator("#retention")).to_contain_text("Retention ran last")
    look(live, "health-stack", part="#processes")
    frozen = stack.process(PROCESSOR)
    frozen.send_signal(signal.SIGSTOP)
    try:
        expect(findings.first).to_contain_text("does not answer /metrics within")
        expect(processor.locator("[data-state=no_answer]")).to_contain_text("last at")
        expect(live.locator("#count")).to_have_text("1 of 2")
        # Who cannot be asked is still known by what it was.
        expect(processor).to_contain_text("Processor")
        watcher = live.context.new_page()
        watcher.goto(f"{stack.up.url}/")
        pill = watcher.locator("#connection")
        expect(pill).to_have_text("Late")
        expect(watcher.locator("#banner-freshness")).to_contain_text("processor is behind or down")
        late = Phone(stack)
        assert late.show("Home") == 200
    finally:
        frozen.send_signal(signal.SIGCONT)
    expect(pill).to_have_text("Live")
    expect(watcher.locator("#changes")).to_contain_text(f"{late.user} came online on Home")
    expect(findings).to_have_text(["All 2 processes answer and are ready."])
    for each in (phone, late):
        assert each.log_out() == 200


def test_a_front_that_is_killed_is_said_and_the_page_comes_back(
    live: Page, stack: Stack, complaints: list[str]
) -> None:
    expect(live.locator("#connection")).to_have_text("Live")
    front = stack.process(FRONT)
    front.kill()
    expect(live.locator("#banner-freshness")).to_contain_text("No answer.")
    wait_for("the front is another", lambda: stack.process(FRONT).pid != front.pid)
    expect(live.locator("#connection")).to_have_text("Live")
    complaints.clear()  # Chromium reports the calls that failed
