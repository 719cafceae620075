"""What a unit test must not leave to those after it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _the_same_umask_after_it() -> Iterator[None]:
    """`rollcall up` closes the files of its whole process, which here is that of the tests."""
    before = os.umask(0o077)
    os.umask(before)
    yield
    os.umask(before)
