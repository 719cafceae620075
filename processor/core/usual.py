"""The usual events, before all others: the only phone of a user is still there, or has moved on to
another screen. PURE.

Nearly every event is one. It comes over HTTP or on the device's only socket, from the one device
that its token was last seen on, in the foreground, and reports nothing new but perhaps its screen;
or that socket is renewed. On the screen that is known it gives the device another deadline, and
there is nothing else to look for; on another one it ends a visit and begins a view. ``presence``,
``sockets``, ``spans_and_sessions`` and ``twins`` make the same of such an event; any other event is
theirs.

With it a heartbeat or a renewal costs the reducer less than half, a navigation six tenths (``make
bench-reducer``).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from processor.core.analytics.spans_and_sessions import LONGEST_SPAN_MS, Finding, moved
from processor.core.model import Changed, Connection, Device, Sockets, Timer, User, shared
from processor.core.timers import has_grid_alone, is_on_grid
from schemas.log.events import FOREGROUND_APP_STATES, Heartbeat, Renew

#: Words that are never a screen's name (``presence``).
_NO_SCREENS: Final = ("background", "unknown", "")


def still_there(
    user: User, event: Heartbeat, now_ms: int, expires_ms: int, timer_ms: int
) -> User | None:
    """``user`` after a heartbeat that is no connect, if it is a usual one; ``expires_ms`` is the
    deadline that it gives, ``timer_ms`` the policy's ``background_timer_ms``."""
    if not user.devices:
        return None
    device, screen = user.devices[0], event.screen
    timer = device.timer
    # `Unknown` is no news of the screen.
    if screen is None or screen == "Unknown":
        if timer_ms and event.connection is None and not is_on_grid(device, now_ms, timer_ms):
            if event.app_state is not None or now_ms == device.online_since_ms:
                return None
            timer = Timer(beat_ms=now_ms)
    elif screen != device.screen or screen.strip().lower() in _NO_SCREENS:
        return None
    if not _is_all_else_known(user, event, now_ms, timer_ms):
        return None
    beaten = replace(
        device,
        last_active_ms=now_ms,
        expires_ms=expires_ms,
        timer=timer,
        sockets=_still_open(device, now_ms, expires_ms),
    )
    return replace(user, devices=(beaten,))


def still_connected(user: User, event: Renew, now_ms: int, expires_ms: int) -> User | None:
    """As :func:`still_there`, after a renewal of the only socket of the only device."""
    if len(user.devices) != 1 or user.sign_outs:
        return None
    device, stay = user.devices[0], user.devices[0].stay
    if (
        not _is_only_socket(device, event.connection, now_ms)
        or device.token != event.token
        or device.state != "foreground"
        or device.replaced
        or stay is None
        or now_ms - stay.since_ms >= LONGEST_SPAN_MS
    ):
        return None
    renewed = replace(
        device,
        last_active_ms=now_ms,
        expires_ms=expires_ms,
        sockets=_still_open(device, now_ms, expires_ms),
    )
    return replace(user, devices=(renewed,))


def moved_on(
    user: User, event: Heartbeat, now_ms: int, expires_ms: int, timer_ms: int
) -> tuple[User, Changed, tuple[tuple[int, Finding], ...]] | None:
    """As :func:`still_there`, if it is a usual one but for its screen, which is another one: the
    change that this is, and what ``spans_and_sessions`` finds."""
    screen = event.screen
    if screen is None or screen.strip().lower() in _NO_SCREENS:
        return None
    if not _is_all_else_known(user, event, now_ms, timer_ms):
        return None
    device = user.devices[0]
    if screen == device.screen or user.state != "foreground" or user.screen != device.screen:
        return None
    screen = shared(screen)
    stay, findings = moved(user, device, screen, now_ms)
    navigated = replace(
        device,
        reason="navigated",
        changed_ms=now_ms,
        last_active_ms=now_ms,
        expires_ms=expires_ms,
        screen=screen,
        stay=stay,
        sockets=_still_open(device, now_ms, expires_ms),
    )
    changed = Changed(
        at_ms=now_ms,
        user_id=user.user_id,
        device=device.device,
        reason="navigated",
        previous_state="foreground",
        state="foreground",
        previous_screen=device.screen,
        screen=screen,
        user_state="foreground",
        user_screen=screen,
        app_version=device.app_version,
        platform=device.platform,
        previous_user_state="foreground",
        previous_user_screen=user.screen,
    )
    after = replace(
        user, devices=(navigated,), screen=screen, reason="navigated", changed_ms=now_ms
    )
    return after, changed, findings


def _is_all_else_known(user: User, event: Heartbeat, now_ms: int, timer_ms: int) -> bool:
    """Whether ``event`` is of the only phone, and reports nothing new but perhaps its screen."""
    devices = user.devices
    if len(devices) != 1 or user.sign_outs:
        return False
    device, info = devices[0], event.device_info
    stay = device.stay
    return not (
        device.token != event.token
        or device.state != "foreground"
        or (
            device.sockets is not None
            if event.connection is None
            else device.replaced or not _is_only_socket(device, event.connection, now_ms)
        )
        or (device.timer is not None and not (timer_ms and has_grid_alone(device)))
        or device.signed_out
        or device.ended_in_foreground
        or stay is None
        or now_ms - stay.since_ms >= LONGEST_SPAN_MS
        or (info is not None and info != device.device_info)
        or device.device
        != (
            event.device_id
            or event.claimed_device
            or info
            # A socket's device is known by its connection.
            or (device.device if event.connection is not None else None)
        )
        or (event.name is not None and (event.name or None) != user.name)
        or (event.app_version and event.app_version != device.app_version)
        or (event.platform and event.platform != device.platform)
        or (event.app_state is not None and event.app_state not in FOREGROUND_APP_STATES)
    )


def _is_only_socket(device: Device, connection: str, now_ms: int) -> bool:
    """Whether it is open, and no other one was."""
    sockets = device.sockets
    if sockets is None or len(sockets.connections) != 1:
        return False
    [only] = sockets.connections
    return only.id == connection and now_ms < only.forgotten_ms


def _still_open(device: Device, now_ms: int, expires_ms: int) -> Sockets | None:
    """The only socket of ``device``, if it has one, once it was heard of (``sockets.heard_on``)."""
    sockets = device.sockets
    if sockets is None:
        return None
    http_ms = sockets.http_expires_ms
    if http_ms is not None and http_ms <= now_ms:
        http_ms = None
    return Sockets((Connection(sockets.connections[0].id, expires_ms),), http_ms)
