"""Fixtures of several modules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.ingest_process import Process


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """Processes to be ended with the test."""
    started: list[Process] = []
    yield started
    for process in started:
        process.end()
