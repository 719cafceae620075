"""What apps call the states of their life cycle, in whichever way their language prints them."""

from __future__ import annotations

import pytest

from ingest.body.app_states import app_state_of


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("paused", "paused"),
        ("Paused", "paused"),
        ("AppLifecycleState.paused", "paused"),
        ("flutter.AppLifecycleState.paused", "paused"),
        ("UIApplicationStateActive", "resumed"),
        ("UISceneActivationStateForegroundInactive", "inactive"),
        ("foreground-active", "resumed"),
        ("NOT_RUNNING", "detached"),
        ("dancing", None),
        ("", None),
    ],
)
def test_a_state_is_known_however_it_is_printed(text: str, state: str | None) -> None:
    assert app_state_of(text) == state
