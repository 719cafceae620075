"""Fixtures of several modules."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from tests.conftest import fresh_database
from tests.rigs.api_harness import clear
from tests.rigs.database_role import fresh_role
from tests.rigs.debian_postgres import DebianPostgres, running_debian_postgres
from tests.rigs.ingest_process import Process
from tests.rigs.rig import rows


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


@pytest.fixture
def cleared_database_url(shared_database_url: str) -> str:
    """The same, as if nothing had ever been in it: a millisecond where a copy takes eighty of CPU.

    A module whose tests change rows alone makes it their ``database_url``.
    """
    clear(partial(rows, shared_database_url))
    return shared_database_url


@pytest.fixture(scope="session")
def debian_postgres(unit_resources: ExitStack) -> DebianPostgres:
    """That of a group of files (``tests/suite/groups.py``)."""
    return unit_resources.enter_context(running_debian_postgres())


@pytest.fixture
def role(database_url: str) -> Iterator[str]:
    """The name of a role that has no right yet."""
    with fresh_role(database_url, f"api_{uuid.uuid4().hex[:8]}") as name:
        yield name
