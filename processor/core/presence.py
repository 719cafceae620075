"""Presence of one user: what each event does to their devices. PURE.

The policy, in the order of the code (design, sections 1 to 4). What a heartbeat says is read in
``heartbeats``. Which device an event belongs to is said in ``devices``, what becomes of a device's
sockets in ``sockets``, what a logout ends and keeps out in ``sign_outs``, what tells of a timer
that runs on in the background in ``timers``.

    offline     + heartbeat             a session begins (``started``), screen null until named,
                                        but see ``twins``
    foreground  + background heartbeat  ``backgrounded``, the screen stays
    background  + foreground heartbeat  ``resumed``, on the screen known before unless it names one
    foreground  + another screen        ``navigated``
    online      + silence               ``timed_out`` once log time reaches ``expires_ms``
    online      + the last socket lost  ``disconnected`` if that is the end of the grace after it

A connect is a heartbeat that opens a connection; it is evidence that somebody uses the app,
whatever it says.

A renewal is a sign of life of a phone whose socket answers pings. It extends the deadline of a
device in the foreground only: an app in the background goes offline although its system keeps the
socket open. On an offline device whose last session ended ``timed_out`` or ``disconnected`` while
in the foreground it opens a new session (``started``, screen null); on any other offline or unknown
device it does nothing. It brings the device's token, which may be a new one.

A disconnect removes its connection, and is ignored if no device of the user remembers it. It is no
sign of life and has no token, so no fence concerns it.
"""

from __future__ import annotations

from msgspec.structs import replace

from processor.core.devices import change, device_of, end_session, make_room, with_device
from processor.core.heartbeats import is_background, is_evidence, real_screen
from processor.core.model import Changed, Device, Policy, Replaced, Timer, User, shared
from processor.core.moves import device_left, end_if_left
from processor.core.outcome import DEVICE_INFO, FENCED, IGNORED, SIGNED_OUT, TIMER, TOKEN, Outcome
from processor.core.sign_outs import fenced, needs_evidence, without_dead_sign_outs
from processor.core.sockets import (
    device_of_connection,
    disconnected,
    heard_on,
    heard_over_http,
    silence_expires_ms,
    without_connection,
)
from processor.core.timers import is_timers_beat, timer_after
from processor.core.twins import named_by_text, naming_of, part, replaced_after
from schemas.log.changes import SILENT_ENDS, Reason, State
from schemas.log.events import Disconnect, Heartbeat, Renew


def apply_heartbeat(user: User | None, event: Heartbeat, now_ms: int, policy: Policy) -> Outcome:
    """What ``event`` at log time ``now_ms`` makes of the user (``None``: not known yet)."""
    if user is None:
        user = _unknown(event.user, "started", now_ms)
    key, device = device_of(user, event, now_ms)
    if device is not None and is_timers_beat(device, event, now_ms, policy.background_timer_ms):
        return Outcome(user, verdict=TIMER)
    if user.sign_outs:
        if fenced(user, key, event.token, now_ms):
            return Outcome(user, verdict=FENCED)
        if needs_evidence(user, device, event, now_ms) and not is_evidence(event):
            return Outcome(user, verdict=SIGNED_OUT)
        user = without_dead_sign_outs(user, now_ms)
    if event.name is not None and (event.name or None) != user.name:
        user = replace(user, name=event.name or None)

    left = device_left(user, event, now_ms)
    background = is_background(event)
    screen = None if background else real_screen(event)
    expires_ms = now_ms + policy.offline_after_ms
    forgotten = 0
    changes: tuple[Changed, ...] = ()
    parted: Replaced | None = None
    if device is None:
        user, parted = part(user, event)
        user, changes, forgotten = make_room(user, now_ms)
        if parted is not None and screen is None:
            screen = parted.screen
    if device is None or device.state == "offline":
        if left is not None and screen is None:
            screen = left.screen
        reason: Reason | None = "started"
        online_since_ms: int | None = now_ms
    else:
        online_since_ms = device.online_since_ms
        if screen is None:
            screen = device.screen
        if background:
            reason = "backgrounded" if device.state == "foreground" else None
        elif device.state == "background":
            reason = "resumed"
        else:
            reason = "navigated" if screen != device.screen else None
    if event.connection is not None:
        if device is None or len(user.devices) > 1:
            user = without_connection(user, event.connection, key)
        sockets = heard_on(event.connection, device, now_ms, policy)
    elif device is None or device.sockets is None:
        sockets = None
    else:
        sockets = heard_over_http(device, expires_ms, now_ms)
    timer: Timer | None = None
    period_ms = policy.background_timer_ms
    if background or period_ms or (device is not None and device.timer is not None):
        timer = timer_after(device, event, now_ms, period_ms)
    state: State = "background" if background else "foreground"
    changed_ms = now_ms if reason or device is None else device.changed_ms
    if parted is not None and (parted.state, parted.screen) == (state, screen):
        changed_ms = parted.changed_ms
    replaced: tuple[Replaced, ...] = ()
    if device is None:
        twin_of = _twin_of(event, key)
    else:
        twin_of = device.twin_of
        info = event.device_info
        same = device.token == event.token and (info is None or info == device.device_info)
        replaced = device.replaced if same else replaced_after(device, event)
    info = shared(event.device_info) or (device.device_info if device else None)
    beaten = Device(
        device=info if info is not None and info == key else key,
        state=state,
        reason=reason or (device.reason if device else "started"),
        changed_ms=changed_ms,
        last_active_ms=now_ms,
        expires_ms=expires_ms,
        online_since_ms=online_since_ms,
        screen=shared(screen),
        app_version=shared(event.app_version) or (device.app_version if device else None),
        device_info=info,
        platform=shared(event.platform) or (device.platform if device else None),
        token=event.token,
        sockets=sockets,
        stay=device.stay if device else None,
    )
    if twin_of is not None or replaced or timer is not None:
        # Few devices have any of these.
        beaten = replace(beaten, twin_of=twin_of, replaced=replaced, timer=timer)
    if reason is None and left is None:
        # The usual heartbeat: nothing that anybody sees has changed.
        return Outcome(replace(user, devices=with_device(user.devices, beaten)), changes)
    if reason is None:
        user = replace(user, devices=with_device(user.devices, beaten))
    else:
        user, changed = change(user, device, beaten, reason, now_ms)
        changes = (*changes, changed)
    if left is not None:
        user, ended = end_if_left(user, left.device, now_ms)
        changes = (*changes, *ended)
    mark = None if parted is None else TOKEN if named_by_text(event) else DEVICE_INFO
    return Outcome(user, changes, forgotten=forgotten, told_apart_by=mark)


def apply_renew(user: User | None, event: Renew, now_ms: int, policy: Policy) -> Outcome:
    """A socket answers pings."""
    if user is None:
        return Outcome(_unknown(event.user, "started", now_ms), verdict=IGNORED)
    key, device = device_of(user, event, now_ms)
    if fenced(user, key, event.token, now_ms):
        return Outcome(user, verdict=FENCED)
    if device is None or not (device.online or _was_cut_off(device)):
        return Outcome(user, verdict=IGNORED)
    user = without_dead_sign_outs(user, now_ms)
    in_background = device.state == "background"
    renewed = replace(
        device,
        last_active_ms=now_ms,
        expires_ms=silence_expires_ms(device)
        if in_background
        else now_ms + policy.offline_after_ms,
        token=event.token,
        sockets=heard_on(event.connection, device, now_ms, policy),
        replaced=device.replaced if device.token == event.token else replaced_after(device, event),
    )
    if device.online:
        return Outcome(replace(user, devices=with_device(user.devices, renewed)))
    started = replace(
        renewed,
        state="foreground",
        reason="started",
        changed_ms=now_ms,
        online_since_ms=now_ms,
        ended_in_foreground=False,
    )
    user, changed = change(user, device, started, "started", now_ms)
    return Outcome(user, (changed,))


def apply_disconnect(
    user: User | None, event: Disconnect, now_ms: int, policy: Policy, kept_until_ms: int = 0
) -> Outcome:
    """A socket is gone; ``kept_until_ms`` as in ``sockets.disconnected``."""
    if user is None:
        return Outcome(_unknown(event.user, "started", now_ms), verdict=IGNORED)
    device = device_of_connection(user, event.connection, now_ms)
    if device is None:
        return Outcome(user, verdict=IGNORED)
    left = disconnected(device, event, now_ms, policy, kept_until_ms)
    return Outcome(replace(user, devices=with_device(user.devices, left)))


def expire(user: User, device: Device, at_ms: int) -> tuple[User, Changed]:
    """``device`` of ``user`` goes offline as of ``at_ms``: silence for too long, or the end of the
    grace after its last socket was lost."""
    lost = device.sockets is not None and device.sockets.lost is not None
    return end_session(user, device, "disconnected" if lost else "timed_out", at_ms)


def _unknown(user_id: str, reason: Reason, now_ms: int) -> User:
    return User(user_id=user_id, state="offline", reason=reason, changed_ms=now_ms)


def _twin_of(event: Heartbeat, key: str) -> str | None:
    naming = naming_of(event)
    return naming.name if naming is not None and naming.name != key else None


def _was_cut_off(device: Device) -> bool:
    """Did silence or a lost socket end a session that was in use?"""
    return device.ended_in_foreground and not device.signed_out and device.reason in SILENT_ENDS
