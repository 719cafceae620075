"""Devices of one text: phones that are known by their ``device_info`` alone. PURE.

Many phones may say the same of themselves: every phone with the guide's app says ``Flutter App``.
Of two of one user only their tokens differ; but one phone has another token too, once its token was
refreshed. The order in which the tokens are heard tells these apart: A, A, B, B is a refresh, A, B,
A is two phones. So an event that names its device by ``device_info`` alone belongs, of the devices
of that text,

1. to the one that was last seen with its token;
2. else, if its token gave way to another one on one of them, in the session that runs, to a new
   device: two phones are there. The other token keeps the device that it has taken over. The new
   one begins with what was shown when its token gave way: if the event tells nothing else, its
   state and screen last changed when they did then, so that a timer's beat does not move the user
   to the screen of this phone;
3. else its token is new. It is that of a phone that has signed out and logs in again, if there is
   one; else the only device online has a new token, or, where none is online, the one last heard of
   has; else, of several online, nobody can tell whose it is: a new device.

The first device of a text has the text as its name, further ones ``text (2)``, ``text (3)`` and so
on: the first name that the user has no device of. A name stays with its device for as long as the
user's devices are remembered, whichever tokens follow.

Tokens that gave way are remembered by their device until its session ends, the latest four: phones
that take turns more evenly than that stay one device. A logout is no evidence of a second phone:
one phone may well log out with the token before its last. What this cannot know it decides for one
phone, which is what most users have: a second phone whose first heartbeat is its last before the
other one logs out is signed out with it, until its next heartbeat after the fence.
"""

from __future__ import annotations

from itertools import count

from msgspec.structs import replace

from processor.model import MAX_REPLACED, Device, Replaced, User
from schemas.events import Heartbeat, Renew


def named_by_text(event: Heartbeat | Renew) -> bool:
    """Does ``event`` name its device by ``device_info``, and by nothing else?"""
    return bool(event.device_info) and not event.device_id and not event.claimed_device


def device_of_text(user: User, text: str, token: str) -> tuple[str, Device | None]:
    """The name of the device that an event with ``token`` belongs to, and the device if the user
    has it."""
    if len(user.devices) == 1:
        # The usual phone: the only one, with the token that it had.
        device = user.devices[0]
        if device.token == token and device.device == text:
            return text, device
    alike = devices_of_text(user, text)
    if not alike:
        return text, None
    alike.sort(key=lambda device: (-device.last_active_ms, device.device))
    for device in alike:
        if device.token == token:
            return device.device, device
    if _replaced(alike, token) is None:
        for device in alike:
            if device.signed_out:
                return device.device, device
        online = [device for device in alike if device.online]
        if len(online) < 2:
            device = (online or alike)[0]
            return device.device, device
    return _free_name(user, text), None


def devices_of_text(user: User, text: str) -> list[Device]:
    """Those that are known by ``text`` alone."""
    return [d for d in user.devices if d.device == text or d.twin_of == text]


def replaced_with(device: Device, event: Heartbeat | Renew) -> tuple[Replaced, ...]:
    """The tokens that have given way on ``device``, which was not yet heard of with that of
    ``event``, after it."""
    if not device.online or device.token is None:
        return ()
    others = tuple(r for r in device.replaced if r.token != event.token)
    if not named_by_text(event):
        return others
    gave_way = Replaced(device.token, device.state, device.screen, device.changed_ms)
    return (*others, gave_way)[-MAX_REPLACED:]


def part(user: User, event: Heartbeat) -> tuple[User, Replaced | None]:
    """``event`` begins a new device: if its token has given way on another one, ``user`` without
    it there, and what was shown then."""
    if not named_by_text(event):
        return user, None
    assert event.device_info is not None  # noqa: S101  (it names the device)
    alike = devices_of_text(user, event.device_info)
    found = _replaced(alike, event.token)
    if found is None:
        return user, None
    devices = tuple(
        replace(d, replaced=tuple(r for r in d.replaced if r.token != event.token))
        if d.replaced and d in alike
        else d
        for d in user.devices
    )
    return replace(user, devices=devices), found


def _replaced(devices: list[Device], token: str) -> Replaced | None:
    return next((r for d in devices for r in d.replaced if r.token == token), None)


def _free_name(user: User, text: str) -> str:
    taken = {device.device for device in user.devices}
    if text not in taken:
        return text
    return next(name for n in count(2) if (name := f"{text} ({n})") not in taken)
