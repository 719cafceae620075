"""Issue 15, line 9: a quiet socket that answers pings is online under any timing that starts."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ingest.settings import IngestSettings
from schemas.log.events import Connect, Renew
from tests.unit.ingest.socket_talk import Talk


def settings(**values: Any) -> IngestSettings:
    return IngestSettings(jwt_secret="x" * 32, **values)


@pytest.mark.parametrize(
    "timing",
    [
        {},
        {"offline_after_seconds": 20, "heartbeat_interval_seconds": 5, "allow_short_timing": True},
        {"offline_after_seconds": 80, "heartbeat_interval_seconds": 20},
        {
            "websocket_ping_interval_seconds": 150,
            "websocket_ping_timeout_seconds": 40,
        },
    ],
)
@pytest.mark.parametrize("fraction", [0.0, 0.5, 0.99])
def test_line_9_a_quiet_socket_is_never_silent_for_offline_after(
    timing: dict[str, Any], fraction: float
) -> None:
    found = settings(**timing)
    talk = Talk(fraction=fraction, policy=found.session_policy).auth(device_id="phone")
    written: list[float] = []
    for _ in range(400):
        before = len(talk.events)
        talk.wait(found.offline_after_seconds / 40)
        written += [talk.now] * (len(talk.events) - before)
    assert talk.closed is None
    assert {type(event) for event in talk.events} == {Connect, Renew}
    gaps = [later - earlier for earlier, later in zip([1000.0, *written], written, strict=False)]
    assert max(gaps) < found.offline_after_seconds


def test_line_9_pings_follow_from_the_heartbeat_interval() -> None:
    assert settings().ping_interval_seconds == 30
    quick = settings(heartbeat_interval_seconds=20, offline_after_seconds=80)
    assert (quick.ping_interval_seconds, quick.ping_timeout_seconds) == (10, 10)
    assert settings(websocket_ping_interval_seconds=50).ping_interval_seconds == 50


def test_line_9_pings_that_are_too_seldom_are_refused_with_the_sum() -> None:
    with pytest.raises(ValidationError, match=r"90 s \+ .* 400 s \+ .* 30 s \+ 20 s = 540 s"):
        settings(websocket_ping_interval_seconds=400)
    with pytest.raises(ValidationError, match="would be shown offline"):
        settings(websocket_ping_timeout_seconds=200)
