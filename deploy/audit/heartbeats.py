"""What a heartbeat or a renewal makes of its device (design, sections 1 and 2). PURE."""

from __future__ import annotations

from typing import Final

from deploy.audit.logouts import is_fenced, wants_evidence
from deploy.audit.naming import (
    alike,
    device_of,
    in_background,
    is_evidence,
    name_of,
    named_by_text,
    names_screen,
    parted_from,
)
from deploy.audit.presence import Presence
from deploy.audit.sockets import end_if_left, forget_connection, left_by, sign_of_life
from deploy.audit.states import Device, GaveWay, User
from deploy.audit.timers import is_left_on, note_beat
from schemas.log.events import Heartbeat, Renew

MAX_DEVICES: Final = 16
MAX_GAVE_WAY: Final = 4


def beat(presence: Presence, user_id: str, user: User, event: Heartbeat) -> None:
    """A heartbeat or a connect."""
    state, now = presence.state, presence.state.now
    name = device_of(user, event, now)
    period = presence.policy.background_timer_ms
    if name in user.devices and is_left_on(user.devices[name], event, now, period):
        return
    if user.sign_outs:
        if is_fenced(user, event.token, name, now):
            return
        if wants_evidence(user, event, name, now) and not is_evidence(event):
            return
    presence.meets(user, event)
    named = name_of(event)
    parted: GaveWay | None = None
    like: list[Device] = []
    if named and name not in user.devices:
        like = alike(user, named)
        parted = parted_from(user, event)
    left = left_by(user, event, named, now)
    brings = left.screen if left is not None else None
    if name not in user.devices and len(user.devices) == MAX_DEVICES:
        worst = min(user.devices.values(), key=lambda d: (d.online, d.last_active, d.device))
        presence.gone(user_id, user, worst, "evicted", now)
    state.users[user_id] = user
    user.touched = presence.offset
    if event.connection is not None:
        for other in user.devices.values():
            if other.device != name:
                forget_connection(other, event.connection)
    if parted is not None:
        for other in like:
            other.gave_way = [one for one in other.gave_way if one.mark != parted.mark]
    name_before = user.name
    device = user.devices.get(name)
    if device is None:
        twin_of = named if named and named != name else None
        device = Device(name, twin_of, event.token, now)
        user.devices[name] = device
    before = (device.state, device.screen)
    told_before = device.told(name_before)
    told_of_others = (
        [(other, other.told(name_before)) for other in user.devices.values()]
        if event.name is not None and event.name != name_before
        else []
    )
    note_beat(device, event, now, period)
    _mark(device, event)
    if event.name is not None:
        user.name = event.name
    if event.device_info is not None:
        device.device_info = event.device_info
    if event.app_version is not None:
        device.app_version = event.app_version
    if event.platform is not None:
        device.platform = event.platform
    screen = device.screen
    if before[0] == "offline":
        screen = parted.screen if parted is not None else brings
        if screen is None:
            screen = brings
    if names_screen(event):
        screen = event.screen
    after = ("background" if in_background(event) else "foreground", screen)
    changed = now
    if parted is not None and (parted.state, parted.screen) == after:
        changed = parted.changed
    deadline = now + presence.policy.offline_after_ms
    if event.connection is None:
        device.http_deadline = deadline
    sign_of_life(presence, device, event.connection, deadline, extends=True)
    presence.shows(user_id, user, device, after, None, now, changed, told_before)
    if left is not None and user.devices.get(left.device) is left:
        end_if_left(presence, user_id, user, left, name_before)
    for other, told in told_of_others:
        if other is not device and other.online:
            presence.stays.told(other, told, now)


def renew(presence: Presence, user_id: str, user: User, event: Renew) -> None:
    """A socket answers pings."""
    now = presence.state.now
    device = user.devices.get(device_of(user, event, now))
    if device is None or is_fenced(user, event.token, device.device, now):
        return
    cut_off = device.reason in ("timed_out", "disconnected") and not device.signed_out
    if not device.online and not (cut_off and device.ended_in_foreground):
        return
    presence.meets(user, event)
    user.touched = presence.offset
    told = device.told(user.name)
    _mark(device, event)
    after = (device.state, device.screen) if device.online else ("foreground", None)
    deadline = now + presence.policy.offline_after_ms
    extends = device.state != "background"
    sign_of_life(presence, device, event.connection, deadline, extends=extends)
    presence.shows(user_id, user, device, after, None, now, now, told)


def _mark(device: Device, event: Heartbeat | Renew) -> None:
    """Remember the mark that this one follows on the device."""
    said = event.device_info if isinstance(event, Heartbeat) else None
    token, info = device.token, device.device_info
    if device.gave_way:
        device.gave_way = [o for o in device.gave_way if o.mark not in (event.token, said)]
    if device.online and _names_device(event):
        by_text = named_by_text(event)
        new, old = (event.token, token) if by_text else (said, info)
        if new is not None and old is not None and new != old:
            gave = GaveWay(old, device.state, device.screen, device.changed)
            device.gave_way = [*device.gave_way, gave][-MAX_GAVE_WAY:]
    device.token = event.token


def _names_device(event: Heartbeat | Renew) -> bool:
    """Does it name a device at all?"""
    return not (event.device_id is event.claimed_device is event.device_info is None)
