"""What tests of pages share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import fresh_database
from tests.e2e.browser import (
    Api,
    next_person,
    sign_in,
    watched_page,
)
from tests.e2e.stacks import back_end, plain_up, short_stack, staffed_up
from tests.rigs.api_harness import Table

__all__ = ["back_end", "plain_up", "short_stack", "staffed_up"]  # fixtures


@pytest.fixture(scope="package")
def pages_database(postgres_url: str, template_database: str) -> Iterator[str]:
    """URL of the database of :func:`api`."""
    with fresh_database(postgres_url, template_database) as url:
        yield url


@pytest.fixture(scope="package")
def api(pages_database: str) -> Iterator[Api]:
    """One for all files that follow each other in a process; a test that stops it starts it again.
    Who must not be told of what the last minute's tests have done stops and starts it, too."""
    running = Api(pages_database)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def table(pages_database: str) -> Iterator[Table]:
    """A deployment of one partition in which nothing has happened yet."""
    opened = Table(pages_database)
    opened.clear()
    opened.deployment(1)
    opened.offsets(0)
    yield opened
    opened.close()


@pytest.fixture
def own_clock() -> None:
    """For tests that set a page's clock, which is that of all pages of a context."""


@pytest.fixture
def watched(request: pytest.FixtureRequest, browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    if "own_clock" in request.fixturenames:
        with watched_page(browser) as pair:
            yield pair
    else:
        with next_person(request.getfixturevalue("context")) as pair:
            yield pair


@pytest.fixture
def complaints(watched: tuple[Page, list[str]]) -> list[str]:
    """What the page's console said so far; a test that expects some clears it."""
    return watched[1]


@pytest.fixture
def stranger(watched: tuple[Page, list[str]], complaints: list[str]) -> Iterator[Page]:
    """Whoever is not signed in. The test fails if the console complains."""
    yield watched[0]
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def signed_in(stranger: Page, api: Api, table: Table) -> Page:
    """Whoever has a session, and has opened no page yet."""
    sign_in(stranger, api.origin)
    return stranger


@pytest.fixture
def page(signed_in: Page, api: Api) -> Page:
    """The dashboard."""
    signed_in.goto(f"{api.origin}/")
    return signed_in
