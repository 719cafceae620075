"""What a heartbeat says (design, section 1). PURE.

A heartbeat is *background* if its screen is ``background`` or its ``app_state`` is one of the
background ones; every other is *foreground*. A foreground heartbeat's screen is news unless it is
missing, blank or ``Unknown``: the sample's timer and its resume both send that. A background
heartbeat brings no news of the screen.
"""

from __future__ import annotations

from schemas.log.events import (
    BACKGROUND_APP_STATES,
    FOREGROUND_APP_STATES,
    Connect,
    Heartbeat,
)


def is_background(event: Heartbeat) -> bool:
    """Design, section 1: by screen or by app state, case-insensitively."""
    app_state, screen = event.app_state, event.screen
    return (app_state is not None and app_state.lower() in BACKGROUND_APP_STATES) or (
        screen is not None and screen.strip().lower() == "background"
    )


def real_screen(event: Heartbeat) -> str | None:
    """The screen that a foreground heartbeat names; ``None`` for "no news of the screen"."""
    screen = event.screen
    if screen is None or not screen.strip() or screen.strip().lower() == "unknown":
        return None
    return screen


def is_evidence(event: Heartbeat) -> bool:
    """Does it show that somebody uses the app, and not only that a timer runs?"""
    if isinstance(event, Connect):
        return True
    if is_background(event):
        return False
    explicit = event.app_state is not None and event.app_state.lower() in FOREGROUND_APP_STATES
    return explicit or real_screen(event) is not None
