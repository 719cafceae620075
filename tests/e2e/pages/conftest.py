"""What the pages about time share: one fleet of weeks, its API, and an analyst who looks at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import fresh_database
from tests.e2e.browser import Api, running_browser, sign_in
from tests.e2e.pages.weeks import fill, fleet_of_weeks
from tests.integration.processor.small_fleet import Fleet

#: Log time stands still in these tests.
NEVER_STALE = "1000000"


@pytest.fixture(scope="package")
def browser(postgres_url: str) -> Iterator[Browser]:
    """One for all files that follow each other in a process: its start takes two seconds of CPU."""
    with running_browser() as started:
        yield started


@pytest.fixture(scope="package")
def weeks_database(postgres_url: str, template_database: str) -> Iterator[str]:
    """URL of an empty database for :func:`weeks`."""
    with fresh_database(postgres_url, template_database) as url:
        yield url


@pytest.fixture(scope="package")
def weeks(weeks_database: str) -> Fleet:
    """A fleet that is rolled up."""
    fleet = fleet_of_weeks()
    fill(weeks_database, fleet)
    return fleet


@pytest.fixture(scope="package")
def weeks_api(weeks_database: str, weeks: Fleet) -> Iterator[Api]:
    running = Api(weeks_database, STALE_AFTER_SECONDS=NEVER_STALE)
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
