"""The dashboard in a real browser, over a real API process and a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from deploy.local.ports import free_port
from tests.integration.api_harness import SECRET, Table, token

DEADLINE_SECONDS = 30.0
HOSTILE = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>'

Browser = webdriver.Chrome


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition that nothing announces; ``what`` names it in the failure."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            if condition():
                return
        except StaleElementReferenceException:
            pass  # the page moved on between two looks
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.05)


class Api:
    """``python -m api`` as a process of its own, at the same address each time it starts."""

    def __init__(self, database_url: str) -> None:
        self.port, self._admin_port = free_port(), free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **os.environ,
            "ROLLCALL_DATABASE_URL": database_url,
            "ROLLCALL_JWT_SECRET": SECRET,
            "ROLLCALL_API_PORT": str(self.port),
            "ROLLCALL_API_ADMIN_PORT": str(self._admin_port),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "api"], env=self._environment, stderr=subprocess.DEVNULL
        )
        wait_until(self._is_ready, "the API is ready")

    def stop(self) -> int | None:
        """Its exit status."""
        if self._process is None:
            return None
        self._process.send_signal(signal.SIGTERM)
        process, self._process = self._process, None
        return process.wait(DEADLINE_SECONDS)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._admin_port}/readyz", timeout=5):
                return True
        except (URLError, OSError):
            return False


def chromium() -> tuple[str, str]:
    """The browser and its driver; installs Debian's where that can be done."""
    names = ("chromium", "chromedriver")
    found = [shutil.which(name) for name in names]
    if not all(found) and shutil.which("apt-get") and os.geteuid() == 0:
        for command in (["update"], ["install", "-y", "chromium", "chromium-driver"]):
            subprocess.run(["apt-get", *command], capture_output=True, check=False)
        found = [shutil.which(name) for name in names]
    browser, driver = found
    if browser is None or driver is None:
        pytest.skip("needs chromium and chromedriver: apt-get install chromium chromium-driver")
    return browser, driver


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    binary, driver = chromium()
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--window-size=1200,900",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield started
    finally:
        started.quit()


@pytest.fixture
def api(database_url: str) -> Iterator[Api]:
    running = Api(database_url)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def table(database_url: str) -> Iterator[Table]:
    opened = Table(database_url)
    opened.deployment(1)
    opened.offsets(0)
    yield opened
    opened.close()


@pytest.fixture
def page(browser: Browser, api: Api, table: Table) -> Browser:
    """The dashboard, opened by the link that ``rollcall up`` prints."""
    browser.execute("getLog", {"type": "browser"})
    browser.get("about:blank")
    browser.get(f"{api.origin}/login#token={token()}")
    wait_until(lambda: browser.current_url == f"{api.origin}/", "the link signs in")
    return browser


def text(page: Browser, selector: str) -> str:
    return page.find_element(By.CSS_SELECTOR, selector).text


def shown(page: Browser, selector: str) -> bool:
    return page.find_element(By.CSS_SELECTOR, selector).is_displayed()


def rows(page: Browser) -> list[str]:
    return [row.text for row in page.find_elements(By.CSS_SELECTOR, "#rows tr")]


def wait_for_rows(page: Browser, number: int) -> None:
    wait_until(lambda: len(rows(page)) == number, f"{number} rows")


def complaints(page: Browser) -> list[str]:
    """What the browser's console says: errors of scripts, and of the content security policy."""
    return [entry["message"] for entry in page.execute("getLog", {"type": "browser"})["value"]]


def test_without_a_session_the_way_leads_to_the_login(browser: Browser, api: Api) -> None:
    browser.get(api.origin)
    browser.delete_all_cookies()
    browser.get(api.origin)
    assert browser.current_url == f"{api.origin}/login"


def test_a_link_signs_in_and_leaves_no_token_in_the_address_bar_or_to_scripts(
    page: Browser, api: Api
) -> None:
    assert page.execute_script("return document.cookie") == ""
    [cookie] = page.get_cookies()
    assert cookie["httpOnly"] is True
    assert cookie["sameSite"] == "Strict"
    assert cookie["path"] == "/"
    page.back()
    wait_until(lambda: page.current_url != f"{api.origin}/", "back")
    assert "token" not in page.current_url


def test_a_pasted_token_signs_in_and_a_bad_one_is_told_why(browser: Browser, api: Api) -> None:
    browser.get(f"{api.origin}/login")
    browser.find_element(By.ID, "token").send_keys(token(scope="other"))
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    wait_until(lambda: "presence:read" in text(browser, "[role=alert]"), "the reason")
    browser.find_element(By.ID, "token").send_keys(token())
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    wait_until(lambda: browser.current_url == f"{api.origin}/", "signed in")


def test_logging_out_ends_the_session(page: Browser, api: Api) -> None:
    page.find_element(By.CSS_SELECTOR, "form[action='/logout'] button").click()
    wait_until(lambda: page.current_url == f"{api.origin}/login", "signed out")
    page.get(api.origin)
    assert page.current_url == f"{api.origin}/login"


def test_an_empty_deployment_says_how_to_send_the_first_heartbeat(page: Browser, api: Api) -> None:
    wait_until(lambda: shown(page, "#waiting"), "the empty state")
    assert "Waiting for the first heartbeat" in text(page, "#waiting")
    assert f"{api.origin}/api/update-online-status" in text(page, "#curl")
    assert "$TOKEN" in text(page, "#curl")
    assert "TOKEN=$(.venv/bin/rollcall token --user ada)" in text(page, "#curl")
    assert f"baseUrl = '{api.origin}/api'" in text(page, "#dart")
    assert "Uri.parse('$baseUrl/update-online-status')" in text(page, "#dart")
    assert text(page, "#count") == "0"


def test_the_table_follows_who_comes_changes_and_goes(page: Browser, table: Table) -> None:
    wait_until(lambda: shown(page, "#waiting"), "the empty state")
    table.user("u1", name="Ada", screen="Home", app_version="1.0.0", device_info="Pixel 9")
    table.offsets(0, foreground=1)
    wait_for_rows(page, 1)
    for part in ("Ada", "u1", "Foreground", "Home", "1.0.0", "Pixel 9"):
        assert part in rows(page)[0]
    assert not shown(page, "#waiting")
    table.user("u1", "background", name="Ada", screen="Home", reason="backgrounded")
    wait_until(lambda: "Background" in rows(page)[0], "a new state")
    table.user("u1", "offline", name="Ada")
    wait_for_rows(page, 0)
    wait_until(lambda: shown(page, "#nobody"), "nobody is online")
    assert not shown(page, "#waiting")


def test_the_count_tells_states_and_how_fresh_it_is(page: Browser, table: Table) -> None:
    table.offsets(0, foreground=1200, background=34)
    wait_until(lambda: text(page, "#count") == "1,234", "the count")
    assert text(page, "#foreground") == "1,200"
    assert text(page, "#background") == "34"
    assert "5 min" in text(page, "#quality")
    table.offsets(0, age_seconds=120, foreground=1)
    wait_until(lambda: "Stale" in text(page, "#quality"), "said to be stale")


def test_the_first_fifty_are_shown_and_how_many_more_there_are(page: Browser, table: Table) -> None:
    for number in range(53):
        table.user(f"u{number:02}")
    table.offsets(0, foreground=53)
    wait_for_rows(page, 50)
    wait_until(lambda: text(page, "#more") == "and 3 more", "how many more")


def test_hostile_names_are_text(page: Browser, table: Table) -> None:
    hostile = dict.fromkeys(("name", "screen", "app_version", "device_info"), HOSTILE)
    table.user(HOSTILE, **hostile)
    wait_for_rows(page, 1)
    assert rows(page)[0].count(HOSTILE) == 5
    assert page.find_elements(By.CSS_SELECTOR, "#rows img, #rows script") == []
    assert page.execute_script("return window.owned") is None
    assert complaints(page) == []


def test_the_page_breaks_no_rule_of_its_own_policy(page: Browser, table: Table) -> None:
    table.user("u1")
    table.offsets(0, foreground=1)
    wait_for_rows(page, 1)
    assert complaints(page) == []
    page.get(f"{page.current_url}login")
    assert complaints(page) == []


def test_a_restart_of_the_server_is_said_and_survived(
    page: Browser, api: Api, table: Table
) -> None:
    table.user("before")
    wait_for_rows(page, 1)
    assert api.stop() == 0
    wait_until(lambda: "retrying" in text(page, "#connection"), "the loss is said")
    table.user("after")
    api.start()
    wait_for_rows(page, 2)
    wait_until(lambda: "retrying" not in text(page, "#connection"), "the loss is over")


def test_a_hidden_page_asks_nothing_and_a_shown_one_at_once(page: Browser, table: Table) -> None:
    wait_until(lambda: shown(page, "#waiting"), "the first answer")
    hide = (
        "Object.defineProperty(document, 'hidden', {{value: {0}, configurable: true}});"
        "document.dispatchEvent(new Event('visibilitychange'));"
        "return performance.getEntriesByType('resource').length"
    )
    page.execute_script(hide.format("true"))
    # A refresh that was under way may still end.
    wait_until(lambda: page.execute_script("return !window.fetching"), "quiet")
    table.user("u1")
    before = requests_so_far(page)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:  # more than two intervals
        assert requests_so_far(page) - before <= 2
        time.sleep(0.2)
    assert rows(page) == []
    page.execute_script(hide.format("false"))
    wait_for_rows(page, 1)


def requests_so_far(page: Browser) -> int:
    count: int = page.execute_script(
        "return performance.getEntriesByType('resource')"
        ".filter(entry => entry.name.includes('/api/')).length"
    )
    return count


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_it_fits_phones_and_desks_by_day_and_night(
    page: Browser, table: Table, width: int, scheme: str, tmp_path: Path
) -> None:
    for number in range(3):
        table.user(f"{number}-" + "u" * 120, name="Ada Lovelace", screen="s" * 128)
    table.offsets(0, foreground=3)
    emulate = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", emulate)
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        wait_for_rows(page, 3)
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        ground = page.execute_script(
            "return getComputedStyle(document.documentElement).backgroundColor"
        )
        levels = [float(n) for n in ground.strip("rgba()").split(",")[:3]]
        assert (sum(levels) / 3 > 128) == (scheme == "light")
        page.save_screenshot(str(tmp_path / f"{width}-{scheme}.png"))
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
