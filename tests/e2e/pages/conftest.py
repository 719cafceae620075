"""What the pages about time share: one fleet of weeks, its API, and an analyst who looks at it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.conftest import fresh_database
from tests.e2e.browser import Api, context_of_many, running_browser, sign_in
from tests.e2e.pages.weeks import Filled, a_moment_ago, fill, fleet_of_weeks
from tests.integration.processor.small_fleet import Fleet

#: Log time stands still in these tests.
NEVER_STALE = "1000000"
KEY = "the key under which the tests encrypt secrets"


@pytest.fixture(scope="package")
def browser(postgres_url: str) -> Iterator[Browser]:
    """One for all files that follow each other in a process: its start takes two seconds of CPU."""
    with running_browser() as started:
        yield started


@pytest.fixture(scope="package")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One for all files, too: what its cache has of a page the next file need not load again."""
    with context_of_many(browser) as made:
        yield made


@pytest.fixture(scope="session")
def filled(
    postgres_url: str, template_database: str, shared_servers: Path | None
) -> Iterator[Filled]:
    """Once a run, whichever of its processes asks first: to fill it takes longer than most tests of
    it. On a server that goes on after the run each process has its own, and drops it."""
    with ExitStack() as ends:

        def made() -> Filled:
            as_of = a_moment_ago()
            url = ends.enter_context(fresh_database(postgres_url, template_database))
            fill(url, fleet_of_weeks(as_of))
            return Filled(urlsplit(url).path.removeprefix("/"), as_of)

        if shared_servers is None or os.environ.get("ROLLCALL_TEST_POSTGRES"):
            yield made()
            return
        told = shared_servers / "weeks.json"
        with told.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not told.exists():
                told.write_text(msgspec.json.encode(made()).decode())
                ends.pop_all()
        yield msgspec.json.decode(told.read_bytes(), type=Filled)


@pytest.fixture(scope="package")
def weeks_database(postgres_url: str, filled: Filled) -> Iterator[str]:
    """URL of a copy that tests may write into."""
    with fresh_database(postgres_url, filled.database) as url:
        yield url


@pytest.fixture(scope="package")
def weeks(filled: Filled) -> Fleet:
    """The fleet that is rolled up there."""
    return fleet_of_weeks(filled.as_of)


@pytest.fixture(scope="package")
def weeks_api(weeks_database: str, weeks: Fleet) -> Iterator[Api]:
    running = Api(weeks_database, STALE_AFTER_SECONDS=NEVER_STALE)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="package")
def managed_api(pages_database: str) -> Iterator[Api]:
    """One that may encrypt secrets, and to which nothing is stale."""
    running = Api(pages_database, ENCRYPTION_KEY=KEY, STALE_AFTER_SECONDS=NEVER_STALE)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def modules(stranger: Page, api: Api) -> Page:
    """The lightest page, for tests that only call what a module exports."""
    stranger.goto(f"{api.origin}/login")
    return stranger


@pytest.fixture
def analyst(stranger: Page, weeks_api: Api) -> Page:
    """Whoever has a session, and has opened no page yet."""
    sign_in(stranger, weeks_api.origin)
    return stranger
