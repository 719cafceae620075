"""A change as it is published."""

from __future__ import annotations

from schemas.log.changes import Change

CHANGE = Change(
    id="0:1:0:0",
    at="2026-03-23T10:00:00.000Z",
    user_id="ada",
    device="phone",
    reason="navigated",
    previous_state="foreground",
    state="foreground",
    previous_screen="Home",
    screen="Cart",
    user_state="foreground",
    user_screen="Cart",
    app_version="1.2",
    platform="ios",
    connections=[],
)
