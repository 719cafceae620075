"""The usual heartbeat, before all others: the only phone of a user is still there. PURE.

Nearly every event is one. It comes over HTTP, from the one device that its token was last seen on,
in the foreground, on the screen that is known, and reports nothing new. It gives the device another
deadline, and there is nothing else to look for. ``presence``, ``spans_and_sessions`` and ``twins``
make the same of such an event; any other event is theirs.

With it an event costs the reducer less than half (``make bench-reducer``).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from processor.core.analytics.spans_and_sessions import LONGEST_SPAN_MS
from processor.core.model import User
from processor.core.timers import has_grid_alone, is_on_grid
from schemas.log.events import FOREGROUND_APP_STATES, Heartbeat

#: Words that are never a screen's name (``presence``).
_NO_SCREENS: Final = ("background", "unknown", "")


def still_there(
    user: User, event: Heartbeat, now_ms: int, expires_ms: int, timer_ms: int
) -> User | None:
    """``user`` after a heartbeat that is no connect, if it is a usual one; ``expires_ms`` is the
    deadline that it gives, ``timer_ms`` the policy's ``background_timer_ms``."""
    devices = user.devices
    if len(devices) != 1 or user.sign_outs or event.connection is not None:
        return None
    device, info, screen = devices[0], event.device_info, event.screen
    stay = device.stay
    if (
        device.token != event.token
        or device.state != "foreground"
        or device.sockets is not None
        or (device.timer is not None and not (timer_ms and has_grid_alone(device)))
        or device.signed_out
        or device.ended_in_foreground
        or stay is None
        or now_ms - stay.since_ms >= LONGEST_SPAN_MS
        or (info is not None and info != device.device_info)
        or device.device != (event.device_id or event.claimed_device or info)
        or (event.name is not None and (event.name or None) != user.name)
        or (event.app_version and event.app_version != device.app_version)
        or (event.platform and event.platform != device.platform)
        or (event.app_state is not None and event.app_state not in FOREGROUND_APP_STATES)
    ):
        return None
    # `Unknown` is no news of the screen.
    if screen is None or screen == "Unknown":
        if timer_ms and not is_on_grid(device, now_ms, timer_ms):
            return None
    elif screen != device.screen or screen.strip().lower() in _NO_SCREENS:
        return None
    beaten = replace(device, last_active_ms=now_ms, expires_ms=expires_ms)
    return replace(user, devices=(beaten,))
