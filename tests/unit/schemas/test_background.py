"""What goes on in the background until its process ends goes on whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging

import pytest
from prometheus_client import CollectorRegistry

from schemas.service.background import Background


def test_an_error_nobody_thought_of_is_logged_with_its_traceback_counted_and_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = CollectorRegistry()
    background = Background(registry, "rollcall_thing", ("looking",))
    with background.goes_on("looking"):
        raise LookupError("nobody thought of this")
    [line] = caplog.records
    assert line.levelno == logging.ERROR
    assert "looking" in line.getMessage()
    assert "nobody thought of this" in (line.exc_text or "")
    name = "rollcall_thing_background_errors_total"
    assert registry.get_sample_value(name, {"work": "looking"}) == 1


def test_what_goes_well_is_not_counted_and_a_cancellation_is_no_error() -> None:
    registry = CollectorRegistry()
    background = Background(registry, "rollcall_thing", ("looking",))
    with background.goes_on("looking"):
        pass
    with pytest.raises(asyncio.CancelledError), background.goes_on("looking"):
        raise asyncio.CancelledError
    name = "rollcall_thing_background_errors_total"
    assert registry.get_sample_value(name, {"work": "looking"}) == 0
