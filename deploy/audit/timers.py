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


#: A beat that is not further from the grid is the timer's.
NEAR_MS: Final = 2_000


def is_left_on(device: Device, event: Heartbeat, now: int, period: int) -> bool:
    """Is it the timer of an app that has gone to the background?"""
    if not period or not device.timer_grid or device.state == "foreground":
        return False
    if now < device.timer_grid + period - NEAR_MS:
        return False
    return device.token == event.token and _says_nothing(event) and _is_near(device, now, period)


def note_beat(device: Device, event: Heartbeat, now: int, period: int) -> None:
    """Before the beat is noted otherwise."""
    _note_grid(device, event, now, period)
    _note_rhythm(device, event, now)


def _says_nothing(event: Heartbeat) -> bool:
    quiet = event.app_state is None and event.connection is None
    return quiet and not names_screen(event) and not in_background(event)


def _is_near(device: Device, now: int, period: int) -> bool:
    past = (now - (device.timer_grid or device.online_since)) % period
    return past <= NEAR_MS or past >= period - NEAR_MS


def _note_grid(device: Device, event: Heartbeat, now: int, period: int) -> None:
    start = device.online_since if device.online else now
    grid = device.timer_grid if device.online and device.timer_grid else start
    if not period:
        grid = start
    elif (
        device.state == "foreground" and _says_nothing(event) and not _is_near(device, now, period)
    ):
        grid = now
    if in_background(event):
        of_the_kind = event.app_state is None and event.connection is None
        device.timer_grid = grid if period and of_the_kind else 0
    else:
        device.timer_grid = 0 if grid == start else grid


def _note_rhythm(device: Device, event: Heartbeat, now: int) -> None:
    beats, period = device.timer_beats, device.timer_period
    gap = now - device.last_active
    device.timer_beats, device.timer_period = -1, 0
    if event.app_state is not None or event.connection is not None:
        return
    if in_background(event):
        device.timer_beats = 0
        return
    if beats == 0 and device.state != "background":
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
    if device.timer_beats < 0 and not device.timer_grid:
        return None
    found: dict[str, int | bool] = {}
    if device.timer_grid:
        found["beat_ms"] = device.timer_grid
    if device.timer_beats > 0:
        found["beats"] = device.timer_beats
    if device.timer_period:
        found["period_ms"] = device.timer_period
    if device.timer_beats == SURE_BEATS:
        found["runs_on"] = True
    return found
