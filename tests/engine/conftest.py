"""The images of others, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.engine import missing
from tests.engine.images import Images


@pytest.fixture(scope="session")
def images(pytestconfig: pytest.Config) -> Iterator[Images]:
    if lacking := missing():
        pytest.fail(lacking, pytrace=False)
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n  {line}", end="", flush=True)  # noqa: T201

    images = Images(say)
    try:
        images.get()
        yield images
    finally:
        images.forget_stand_ins()
