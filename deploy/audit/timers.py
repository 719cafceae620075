"""Timers that run on in the background, told by their rhythm (design, section 1). PURE."""

from __future__ import annotations

from typing import Final

from deploy.audit.naming import in_background, names_screen
from deploy.audit.states import Device
from schemas.log.events import Heartbeat

SHORTEST_MS: Final = 60_000
LONGEST_MS: Final = 200_000
EXACT_MS: Final = 10_000
#: With so many beats it is one.
SURE_BEATS: Final = 3


def note_beat(device: Device, event: Heartbeat, now: int) -> None:
    """Before the beat is noted otherwise."""
    beats, period = device.timer_beats, device.timer_period
    gap = now - device.last_active
    device.timer_beats, device.timer_period = -1, 0
    if event.app_state is not None or event.connection is not None:
        return
    if in_background(event):
        device.timer_beats = 0
        return
    if beats < 0 or names_screen(event) or device.token != event.token:
        return
    if beats == 0 and gap <= LONGEST_MS:
        device.timer_beats, device.timer_period = 1, gap
    elif beats == 1 and max(SHORTEST_MS, period - EXACT_MS) <= gap <= LONGEST_MS:
        device.timer_beats, device.timer_period = 2, gap
    elif beats > 1 and any(abs(gap - times * period) <= EXACT_MS for times in (1, 2)):
        device.timer_beats, device.timer_period = SURE_BEATS, period


def timer_of(device: Device) -> dict[str, int | bool] | None:
    """As rows have it: what is 0 or false is left out."""
    if device.timer_beats < 0:
        return None
    found: dict[str, int | bool] = {}
    if device.timer_beats:
        found["beats"] = device.timer_beats
    if device.timer_period:
        found["period_ms"] = device.timer_period
    if device.timer_beats == SURE_BEATS:
        found["runs_on"] = True
    return found
