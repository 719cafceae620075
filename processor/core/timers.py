"""Timers that run on in the background: a session that looks in use because of one. PURE.

The guide's app does not stop its timer when it goes to the background, and its timer says what a
resume says: ``Unknown``. Where the system lets the timer run, such a session is shown in the
foreground although perhaps nobody looks at it. It stays shown so (design, section 1: people who
watch a film must not look offline), but it is marked.

The timer is told by its rhythm. A person who comes back sends a beat of their own, out of step with
the timer; a timer that runs on sends nothing else. So, over HTTP and without ``app_state``, after a
heartbeat that says ``background``:

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

from processor.core.model import Device, Timer
from schemas.log.events import Heartbeat

SHORTEST_PERIOD_MS: Final = 60_000
LONGEST_PERIOD_MS: Final = 200_000
TOLERANCE_MS: Final = 10_000


def timer_after(
    device: Device | None, event: Heartbeat, now_ms: int, *, background: bool, named: bool
) -> Timer | None:
    """What is known of the timer of ``device`` after ``event``, which means ``background`` or has
    ``named`` a screen; ``None``: nothing that would tell of one that runs on."""
    if event.app_state is not None or event.connection is not None:
        return None
    if background:
        return Timer()
    timer = device.timer if device is not None else None
    if device is None or timer is None or named or device.token != event.token:
        return None
    gap_ms = now_ms - device.last_active_ms
    if timer.beats == 0:
        return Timer(1, gap_ms) if gap_ms <= LONGEST_PERIOD_MS else None
    if timer.beats == 1:
        least_ms = max(SHORTEST_PERIOD_MS, timer.period_ms - TOLERANCE_MS)
        return Timer(2, gap_ms) if least_ms <= gap_ms <= LONGEST_PERIOD_MS else None
    off_ms = min(abs(gap_ms - timer.period_ms), abs(gap_ms - 2 * timer.period_ms))
    return Timer(3, timer.period_ms, runs_on=True) if off_ms <= TOLERANCE_MS else None
