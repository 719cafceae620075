"""The dashboard as a person sees it: a real Chromium, over a real API process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal
from urllib.error import URLError

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from deploy.local.ports import free_port
from tests.rigs.api_harness import SECRET, token
from tests.suite.forks import Process, start_python
from tests.waiting import pause

DEADLINE_SECONDS: Final = 90.0
#: What users may send as a name, a screen or a device.
HOSTILE: Final = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>'
#: Not in the repository: for people to look at.
SCREENSHOTS: Final = Path(__file__).parents[2] / "screenshots"
#: The first is a third cheaper, and all that a test needs.
BROWSERS: Final = ("chromium-headless-shell", "chromium")
ARGUMENTS: Final = (
    *("--disable-quic", "--disable-component-update", "--disable-dev-shm-usage"),
    # A test has one page at a time: the next one goes on in the process of the last.
    "--renderer-process-limit=1",
    # Two processes less to start and to tell of each answer and frame: a sixteenth of the CPU.
    *("--in-process-gpu", "--enable-features=NetworkServiceInProcess2"),
)
DESK: Final = (1280, 900)
PHONE: Final = (360, 780)
#: By day, by night and on a phone.
LOOKS: Final[tuple[tuple[str, tuple[int, int], Literal["light", "dark"]], ...]] = (
    ("light", DESK, "light"),
    ("dark", DESK, "dark"),
    ("phone", PHONE, "light"),
    ("phone-dark", PHONE, "dark"),
)
_SERIOUS: Final = ("serious", "critical")
#: What colours and room decide: all other rules find the same by night and on a phone.
_RULES_OF_LOOKS: Final = (
    *("color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable"),
)
#: Rows and items look like those before them, and axe looks at each node for itself.
_MORE_OF_THE_SAME: Final = ("tbody tr:nth-child(n + 7)", "li:nth-child(n + 7)")
#: The pages whose colours are looked at by night every day: they have a list, a strip, charts and a
#: form between them, and all others have their colours from the same sheet. Those are looked at
#: by night in `make test-long` and in `make screenshots`.
_BY_NIGHT: Final = ("live", "login", "screen", "user-24h", "users")

expect.set_options(timeout=DEADLINE_SECONDS * 1000)


class Api:
    """``python -m api`` as a process of its own, at the same address each time it starts.
    ``settings`` are variables without ``ROLLCALL_``."""

    def __init__(self, database_url: str, **settings: str) -> None:
        self.port, self._admin_port = free_port(), free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        values = {
            "DATABASE_URL": database_url,
            "JWT_SECRET": SECRET,
            "API_PORT": str(self.port),
            "API_ADMIN_PORT": str(self._admin_port),
            "DRAIN_SECONDS": "0",
            # On a machine that stands still pages wait for their answers; nobody turns them away.
            "API_POOL_WAIT_SECONDS": "30",
            "API_STATEMENT_TIMEOUT_SECONDS": "60",
            "ADMIN_TARGETS": f"127.0.0.1:{self._admin_port}",
            **settings,
        }
        self._environment = {**os.environ, **{f"ROLLCALL_{k}": v for k, v in values.items()}}
        self._process: Process | None = None

    def start(self) -> None:
        self._process = start_python(
            ["-m", "api"], env=self._environment, stderr=subprocess.DEVNULL
        )
        try:
            wait_until(self._is_ready, "the API is ready")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> int | None:
        """Its exit status."""
        if self._process is None:
            return None
        self._process.send_signal(signal.SIGTERM)
        process, self._process = self._process, None
        return process.wait(DEADLINE_SECONDS)

    def metric(self, name: str) -> float:
        """A metric without labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._admin_port}/metrics") as answer:
            lines: list[str] = answer.read().decode().splitlines()
        [value] = [line.split()[1] for line in lines if line.startswith(f"{name} ")]
        return float(value)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._admin_port}/readyz", timeout=5):
                return True
        except (URLError, OSError):
            return False


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition that nothing announces; ``what`` names it in the failure."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() < started + DEADLINE_SECONDS, f"not in time: {what}"
        time.sleep(pause(started))


def chromium() -> str:
    """The browser; installs Debian's where that can be done."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        for command in (["update"], ["install", "-y", BROWSERS[0]]):
            subprocess.run(["apt-get", *command], capture_output=True, check=False)
        found = shutil.which(BROWSERS[0])
    if found is None:
        pytest.skip(f"needs a browser: apt-get install {BROWSERS[0]}")
    return found


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A Chromium without a window."""
    expect.set_options(timeout=DEADLINE_SECONDS * 1000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium(), args=ARGUMENTS, chromium_sandbox=False
        )
        try:
            yield started
        finally:
            started.close()


@contextmanager
def context_of_its_own(browser: Browser) -> Iterator[BrowserContext]:
    """A person's: cookies, what pages keep, and a cache, in which a page takes half the CPU that it
    takes the first time."""
    context = browser.new_context(
        # What moves for as long as it is looked at is painted for as long, which nobody sees.
        reduced_motion="reduce",
        locale="en-GB",
        viewport={"width": DESK[0], "height": DESK[1]},
    )
    context.set_default_timeout(DEADLINE_SECONDS * 1000)
    try:
        yield context
    finally:
        context.close()


@contextmanager
def context_of_many(browser: Browser) -> Iterator[BrowserContext]:
    """That of persons who come one after the other, by :func:`next_person`.

    Its first page is nobody's and stays open: else the process that draws pages would end with
    each person's, and to start another one takes a third of what most tests take.
    """
    with context_of_its_own(browser) as context:
        context.new_page()
        yield context


@contextmanager
def watched_page(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page of a person of its own, and what its console complains of."""
    with context_of_its_own(browser) as context:
        yield watched_page_in(context)


@contextmanager
def next_person(context: BrowserContext) -> Iterator[tuple[Page, list[str]]]:
    """A watched page in a context that somebody else had before, of which the cache is left."""
    origins: set[str] = set()
    page, complaints = watched_page_in(context)
    page.on("framenavigated", lambda frame: origins.add("/".join(frame.url.split("/")[:3])))
    try:
        yield page, complaints
    finally:
        first, *others = context.pages
        for each in others:
            each.close()
        context.clear_cookies()
        context.clear_permissions()
        forget(first, origins)


def forget(page: Page, origins: Iterable[str]) -> None:
    """What pages of these origins have kept."""
    session = page.context.new_cdp_session(page)
    for origin in origins:
        kept = {"origin": origin, "storageTypes": "local_storage"}
        session.send("Storage.clearDataForOrigin", kept)
    session.detach()


def watched_page_in(context: BrowserContext) -> tuple[Page, list[str]]:
    """A new page, and what its console complains of: errors of scripts, breaches of the policy,
    files that do not load."""
    page = context.new_page()
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.text} ({message.location.get('url', '')})")

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page, complaints


def sign_in(page: Page, origin: str, bearer: str | None = None) -> None:
    """What the login's form does, without its page and the one that it leads to: they cost as much
    as most tests. tests/e2e/pages/test_dashboard.py goes that way."""
    page.request.post(f"{origin}/login", form={"token": bearer or token()}, max_redirects=0)
    assert page.context.cookies(origin), "no session has begun"


def assert_accessible(
    page: Page, part: str | None = None, *, rules: Sequence[str] | None = None
) -> None:
    """No violation that axe calls serious or critical, by all its rules or some: on the page, or
    in that part of it. On a whole page axe takes up to a second of CPU, colours for the most."""
    options: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
    if rules is not None:
        options["runOnly"] = list(rules)
    if page.evaluate("window.axe === undefined"):
        page.evaluate(AXE_SCRIPT)
    found: list[dict[str, Any]] = page.evaluate(
        "async ([place, options]) => (await axe.run(place, options)).violations",
        [
            {"include": [[part or "html"]], "exclude": [[each] for each in _MORE_OF_THE_SAME]},
            options,
        ],
    )
    serious = [
        f"{rule['id']}: {node['html']} {node['failureSummary']}"
        for rule in found
        if rule["impact"] in _SERIOUS
        for node in rule["nodes"]
    ]
    assert not serious, "\n".join(serious)


def assert_no_sideways_scroll(page: Page) -> None:
    if page.evaluate("document.documentElement.scrollWidth - innerWidth") > 0:
        wide = page.evaluate(
            """[...document.querySelectorAll("body *")]
            .filter(each => each.getBoundingClientRect().right > innerWidth)
            .slice(-5).map(each => each.outerHTML.slice(0, 200))"""
        )
        raise AssertionError(f"wider than the window: {wide}")


def look(page: Page, name: str, *, part: str | None = None) -> None:
    """The page is accessible by day and by night, and a phone does not scroll it sideways. Where
    it was looked at already and is in another state, ``part`` selects what is new on it, of which
    by day is enough.

    With ``ROLLCALL_LOOKS=all``, which ``make test-long`` sets, all pages are looked at by night.
    With ``ROLLCALL_SCREENSHOTS``, which ``make screenshots`` sets, its looks are kept for people.
    """
    kept = bool(os.environ.get("ROLLCALL_SCREENSHOTS"))
    by_night = os.environ.get("ROLLCALL_LOOKS") == "all" or name in _BY_NIGHT
    by_night = (kept or by_night) and part is None
    for shown, (width, height), scheme in LOOKS if kept else (LOOKS[0], LOOKS[-1]):
        if kept or by_night:
            page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function("document.fonts.status === 'loaded'")
        assert_no_sideways_scroll(page)
        if shown == "light":
            assert_accessible(page, part)
        elif shown == "phone-dark" and by_night:
            assert_accessible(page, rules=_RULES_OF_LOOKS)
        if kept:
            SCREENSHOTS.mkdir(exist_ok=True)
            page.screenshot(path=SCREENSHOTS / f"{name}-{shown}.png", full_page=True)
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    page.emulate_media(color_scheme="light")
