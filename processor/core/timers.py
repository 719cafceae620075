"""Timers that run on in the background: a session that looks in use because of one. PURE.

The guide's app does not stop its timer when it goes to the background, and its timer says what a
resume says: ``Unknown``. Two rules of the policy say what such a beat is (decision 14).

**By its grid**, where the policy has a ``background_timer_ms``. The timer is periodic from the
first beat of its session: what comes whole periods later, exact to 2 s, is on its grid. A beat
without news of the screen that comes over HTTP, in the foreground and off the grid, is the timer's
all the same (a phone that slept, an app that went on from an earlier session): the grid is that of
this beat from then on. After ``background``, until the next session begins, a beat on the grid
counts for nothing: no resume, and no sign of life. One off the grid is a resume, or a start.

**By a mark**, in any case. A beat that counts is a person who came back, and such a session is
shown in the foreground although perhaps nobody looks at it. It stays shown so (design, section 1:
people who watch a film must not look offline), but it is marked.

That timer is told by its rhythm. A person who comes back sends a beat of their own, out of step
with the timer; a timer that runs on sends nothing else. So, over HTTP and without ``app_state``,
after a heartbeat that says ``background``:

1. a first beat without news of the screen may be the timer or a resume. It is no timer's if it
   comes later than the timer's period can be;
2. a second one, 60 to 200 s after it and no sooner than the first came after ``background``: this
   is the period, if it is a timer;
3. a third one, a period after it, and the session is marked ``runs_on``.

A period is exact to 10 s, and twice of it is as good: a heartbeat was lost. All else ends the mark:
a beat out of step, a screen, an ``app_state``, a socket's frame, another token, the session's end;
and with the next ``background`` it begins again. Somebody who comes back within 10 s of a timer's
beat and then shows no other screen is marked too.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from processor.core.heartbeats import is_background, real_screen
from processor.core.model import Device, Timer
from schemas.log.changes import Reason
from schemas.log.events import Heartbeat

SHORTEST_PERIOD_MS: Final = 60_000
LONGEST_PERIOD_MS: Final = 200_000
TOLERANCE_MS: Final = 10_000
OFF_GRID_MS: Final = 2_000


def timer_after(
    device: Device | None, event: Heartbeat, now_ms: int, period_ms: int
) -> Timer | None:
    """What is known of the timer of ``device`` after ``event``; ``period_ms`` is the policy's, 0
    for none. ``None``: nothing that would tell of one that runs on."""
    marked = _marked(device, event, now_ms)
    if not period_ms:
        return marked
    since_ms = device.online_since_ms if device is not None else None
    beat_ms = now_ms
    if device is not None and since_ms is not None:
        beat_ms = _beat_ms(device)
        if (
            device.state == "foreground"
            and _is_plain(event)
            and not is_on_grid(device, now_ms, period_ms)
        ):
            beat_ms = now_ms
    if is_background(event):
        return Timer(beat_ms=beat_ms) if marked is not None else None
    if beat_ms == (now_ms if since_ms is None else since_ms):
        return marked
    return Timer(beat_ms=beat_ms) if marked is None else replace(marked, beat_ms=beat_ms)


def timer_left(device: Device, reason: Reason) -> Timer | None:
    """What is known of the timer of ``device`` once its session has ended by ``reason``."""
    timer = device.timer
    if timer is None or not timer.beat_ms or reason != "timed_out" or device.state != "background":
        return None
    return Timer(beat_ms=timer.beat_ms)


def is_timers_beat(device: Device, event: Heartbeat, now_ms: int, period_ms: int) -> bool:
    """Is ``event`` the timer of ``device``, which has gone to the background?"""
    timer = device.timer
    return (
        period_ms > 0
        and timer is not None
        and timer.beat_ms > 0
        and device.state != "foreground"
        and device.token == event.token
        and _is_plain(event)
        and now_ms - timer.beat_ms >= period_ms - OFF_GRID_MS
        and is_on_grid(device, now_ms, period_ms)
    )


def is_on_grid(device: Device, now_ms: int, period_ms: int) -> bool:
    """Would a timer of ``period_ms`` on ``device`` beat now?"""
    off_ms = (now_ms - _beat_ms(device)) % period_ms
    return min(off_ms, period_ms - off_ms) <= OFF_GRID_MS


def has_grid_alone(device: Device) -> bool:
    """Of a device in the foreground: is no more known than a grid that is not its session's?"""
    timer = device.timer
    return timer is not None and not timer.beats and timer.beat_ms != device.online_since_ms


def _beat_ms(device: Device) -> int:
    timer = device.timer
    return timer.beat_ms if timer is not None and timer.beat_ms else device.online_since_ms or 0


def _is_plain(event: Heartbeat) -> bool:
    """Is it what the guide's timer says?"""
    return (
        event.app_state is None
        and event.connection is None
        and real_screen(event) is None
        and not is_background(event)
    )


def _marked(device: Device | None, event: Heartbeat, now_ms: int) -> Timer | None:
    if event.app_state is not None or event.connection is not None:
        return None
    if is_background(event):
        return Timer()
    timer = device.timer if device is not None else None
    if device is None or timer is None or device.token != event.token:
        return None
    if real_screen(event) is not None or (timer.beats == 0 and device.state != "background"):
        return None
    gap_ms = now_ms - device.last_active_ms
    if timer.beats == 0:
        return Timer(1, gap_ms) if gap_ms <= LONGEST_PERIOD_MS else None
    if timer.beats == 1:
        least_ms = max(SHORTEST_PERIOD_MS, timer.period_ms - TOLERANCE_MS)
        return Timer(2, gap_ms) if least_ms <= gap_ms <= LONGEST_PERIOD_MS else None
    off_ms = min(abs(gap_ms - timer.period_ms), abs(gap_ms - 2 * timer.period_ms))
    return Timer(3, timer.period_ms, runs_on=True) if off_ms <= TOLERANCE_MS else None
