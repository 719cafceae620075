"""The app of the published guide: its bodies, byte for byte, and what the log has of them.

These bytes are in the field: they never change. docs/integration.md shows them, a contract test
sends them to ingest, a unit test tells what is shown after each, and the end-to-end tests speak
them.
"""

from __future__ import annotations

from typing import Any, Final

from schemas.log.events import Heartbeat, Logout

APP_VERSION: Final = "1.0.0"
DEVICE_INFO: Final = "Flutter App"
TIMER_SECONDS: Final = 120

#: What it says at start, from its timer and on resume.
UNKNOWN: Final = b'{"app_version":"1.0.0","device_info":"Flutter App","screen":"Unknown"}'
BACKGROUND: Final = b'{"app_version":"1.0.0","device_info":"Flutter App","screen":"background"}'
MOVIE_DETAILS: Final = (
    b'{"app_version":"1.0.0","device_info":"Flutter App","screen":"MovieDetails"}'
)
BODIES: Final = {UNKNOWN: "Unknown", BACKGROUND: "background", MOVIE_DETAILS: "MovieDetails"}


def event_of(body: bytes, **identity: Any) -> Heartbeat:
    """What the log has of a body; ``identity`` is what the token tells."""
    return Heartbeat(
        device_info=DEVICE_INFO, app_version=APP_VERSION, screen=BODIES[body], **identity
    )


def logout_of(**identity: Any) -> Logout:
    """What the log has of its logout, which has no body."""
    return Logout(**identity)
