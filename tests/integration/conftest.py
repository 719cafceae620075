"""Fixtures of several modules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import fresh_database
from tests.rigs.ingest_process import Process


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """Processes to be ended with the test."""
    started: list[Process] = []
    yield started
    for process in started:
        process.end()


@pytest.fixture(scope="module")
def shared_database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """URL of a database that the tests of a module share: making one costs more than most tests."""
    with fresh_database(postgres_url, template_database) as url:
        yield url
