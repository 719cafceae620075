"""Whose event it is: which device of the user (design, section 2, and promise 5). PURE."""

from __future__ import annotations

from deploy.audit.states import Device, GaveWay, User
from schemas.log.events import Connect, Heartbeat, Renew

_FOREGROUND = ("foreground", "resumed", "inactive")
_BACKGROUND = ("background", "hidden", "paused", "detached")


def name_of(event: Heartbeat | Renew) -> str | None:
    """What the phone calls itself."""
    return event.device_id or event.claimed_device or event.device_info


def in_background(event: Heartbeat) -> bool:
    return (event.app_state is not None and event.app_state.lower() in _BACKGROUND) or (
        event.screen is not None and event.screen.strip().lower() == "background"
    )


def names_screen(event: Heartbeat) -> bool:
    """Is its screen news?"""
    screen = event.screen
    if screen is None or screen.strip().lower() in ("", "unknown"):
        return False
    return not in_background(event)


def is_evidence(event: Heartbeat) -> bool:
    """Does it tell that somebody uses the app, and not only that a timer runs?"""
    if isinstance(event, Connect) or names_screen(event):
        return True
    says_foreground = event.app_state is not None and event.app_state.lower() in _FOREGROUND
    return says_foreground and not in_background(event)


def named_by_text(event: Heartbeat | Renew) -> bool:
    """Is the device named by ``device_info`` alone?"""
    return not (event.device_id or event.claimed_device) and bool(event.device_info)


def mark_of(event: Heartbeat | Renew) -> str | None:
    return event.token if named_by_text(event) else event.device_info


def alike(user: User, named: str) -> list[Device]:
    """The devices whose phones call themselves so."""
    return [d for d in user.devices.values() if named in (d.device, d.named)]


def has_connection(device: Device, connection: str | None, now: int) -> bool:
    if connection is None:
        return False
    return any(one == connection and now < until for one, until in device.connections)


def device_of(user: User, event: Heartbeat | Renew, now: int) -> str:
    """The name of the device that the event belongs to, whether or not there is one so far."""
    named = name_of(event)
    if event.connection is not None:
        for device in user.devices.values():
            if not has_connection(device, event.connection, now):
                continue
            of_name = named is not None and named in (device.device, device.named)
            gave_way = isinstance(event, Heartbeat) and mark_of(event) in [
                one.mark for one in device.gave_way
            ]
            moves = bool(named) and isinstance(event, Connect) and not of_name
            if not (of_name and gave_way) and not moves:
                return device.device
    return _of_name(user, event, named) if named else _of_token(user, event, now)


def _latest_first(devices: list[Device]) -> list[Device]:
    return sorted(devices, key=lambda device: (-device.last_active, device.device))


def _of_name(user: User, event: Heartbeat | Renew, named: str) -> str:
    like, mark = _latest_first(alike(user, named)), mark_of(event)
    if mark is None:
        of_token = [d for d in like if d.token == event.token]
        return of_token[0].device if of_token else like[0].device if like else named
    by_text = named_by_text(event)
    for device in like:
        if (device.token if by_text else device.device_info) == mark:
            return device.device
    if any(one.mark == mark for device in like for one in device.gave_way):
        return _free_name(user, named)
    for device in like:
        if device.signed_out:
            return device.device
    online = [device for device in like if device.online]
    if len(online) == 1:
        return online[0].device
    return like[0].device if like and not online else _free_name(user, named)


def _free_name(user: User, named: str) -> str:
    number, name = 1, named
    while name in user.devices:
        number += 1
        name = f"{named} ({number})"
    return name


def _of_token(user: User, event: Heartbeat | Renew, now: int) -> str:
    fits = [d for d in user.devices.values() if d.token == event.token]
    if not fits:
        gone = {
            device
            for one in user.sign_outs
            if is_in_force(one.fence_until, one.expires, now) and one.token == event.token
            for device in one.devices
        }
        fits = [d for d in user.devices.values() if d.device in gone and d.signed_out]
    return _latest_first(fits)[0].device if fits else "default"


def is_in_force(fence_until: int, expires: int | None, now: int) -> bool:
    """Does a logout still keep events out?"""
    return now < fence_until or expires is None or now < expires


def parted_from(user: User, event: Heartbeat) -> GaveWay | None:
    """What was shown of this phone when another one of its name took its device over."""
    named, mark = name_of(event), mark_of(event)
    if not named:
        return None
    found = [one for d in alike(user, named) for one in d.gave_way if one.mark == mark]
    return found[0] if found else None
