"""Devices of one name: phones that call themselves alike. PURE.

Many phones may say the same of themselves. Every phone with the guide's app says ``Flutter App``
and nothing else; and an installation id is on two phones once a backup is restored on another one.
What tells them apart is their *mark*:

- where they are known by their ``device_info`` alone, the token. But one phone has another token
  too, once its token was refreshed;
- where they have an id (``device_id``, or the token's claim), the ``device_info`` beside it. But
  one phone says something else too, once its system or the app was updated. Tokens tell nothing
  here: an app may well use two. An event that has the id and no ``device_info`` has no mark.

The order in which the marks are heard tells these apart: A, A, B, B is one phone with another mark,
A, B, A is two phones. So an event belongs, of the devices of the name,

1. to the one that has its mark: that token was last seen with it, that ``device_info`` last said;
2. else, if its mark gave way to another one on one of them, in the session that runs, to a new
   device: two phones are there. The other mark keeps the device that it has taken over. The new
   one begins with what was shown when its mark gave way: if the event tells nothing else, its
   state and screen last changed when they did then, so that a timer's beat does not move the user
   to the screen of this phone;
3. else its mark is new. It is that of a phone that has signed out and logs in again, if there is
   one; else the only device online has a new mark, or, where none is online, the one last heard of
   has; else, of several online, nobody can tell whose it is: a new device.

One without a mark belongs to the device of the name that was last seen with its token, else to the
one last heard of. An event of an open socket belongs to the device that remembers the socket; but
if its mark gave way there it is told apart as any other, and its socket goes with it. A renewal
tells nobody apart.

The first device of a name bears it, further ones are called ``name (2)``, ``name (3)`` and so on:
the first name that the user has no device of. A name stays with its device for as long as the
user's devices are remembered, whichever marks follow.

Marks that gave way are remembered by their device until its session ends, the latest four: phones
that take turns more evenly than that stay one device. A logout is no evidence of a second phone:
one phone may well log out with the token before its last. What this cannot know it decides for one
phone, which is what most users have: a second phone whose first heartbeat is its last before the
other one logs out is signed out with it, until its next heartbeat after the fence.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

import msgspec
from msgspec.structs import replace

from processor.core.model import MAX_REPLACED, Device, Replaced, User
from schemas.log.events import Heartbeat, Renew


class Naming(msgspec.Struct, frozen=True, gc=False):
    """The name that an event gives its device, and the mark that tells it from others of that
    name: the ``device_info`` where ``by_id``, else the token."""

    name: str
    mark: str | None
    by_id: bool


def naming_of(event: Heartbeat | Renew) -> Naming | None:
    """``None``: it names no device."""
    named = event.device_id or event.claimed_device
    if named:
        return Naming(named, event.device_info or None, by_id=True)
    if event.device_info:
        return Naming(event.device_info, event.token, by_id=False)
    return None


def named_by_text(event: Heartbeat | Renew) -> bool:
    """Does ``event`` name its device by ``device_info``, and by nothing else?"""
    return bool(event.device_info) and not event.device_id and not event.claimed_device


def device_of_name(user: User, naming: Naming, token: str) -> tuple[str, Device | None]:
    """The name of the device that an event with ``token`` belongs to, and the device if the user
    has it."""
    name, mark, by_id = naming.name, naming.mark, naming.by_id
    alike = devices_of_name(user, name)
    if not alike:
        return name, None
    alike.sort(key=lambda device: (-device.last_active_ms, device.device))
    if mark is None:
        device = next((d for d in alike if d.token == token), alike[0])
        return device.device, device
    for device in alike:
        if mark == _mark(device, by_id=by_id):
            return device.device, device
    if _replaced(alike, mark) is None:
        for device in alike:
            if device.signed_out:
                return device.device, device
        online = [device for device in alike if device.online]
        if len(online) < 2:
            device = (online or alike)[0]
            return device.device, device
    return _free_name(user, name), None


def devices_of_name(user: User, name: str) -> list[Device]:
    """Those that bear ``name``, or share it with another one."""
    return [d for d in user.devices if d.device == name or d.twin_of == name]


def gave_way_on(device: Device, event: Heartbeat | Renew) -> bool:
    """Does ``event``, of a socket of ``device``, come from another phone of its name?"""
    if not device.replaced or not isinstance(event, Heartbeat):
        return False
    naming = naming_of(event)
    if naming is None or naming.mark is None or naming.name not in (device.device, device.twin_of):
        return False
    return _replaced((device,), naming.mark) is not None


def replaced_after(device: Device, event: Heartbeat | Renew) -> tuple[Replaced, ...]:
    """The marks that have given way on ``device`` once ``event`` was heard, which has another token
    or says something else of its phone than was known."""
    info = event.device_info if isinstance(event, Heartbeat) else None
    if not device.online or device.token is None:
        return ()
    others = tuple(r for r in device.replaced if r.mark not in (event.token, info))
    naming = naming_of(event)
    if naming is None or (naming.by_id and info is None):
        return others
    mark = _mark(device, by_id=naming.by_id)
    if mark is None or mark == naming.mark:
        return others
    gave_way = Replaced(mark, device.state, device.screen, device.changed_ms)
    return (*others, gave_way)[-MAX_REPLACED:]


def part(user: User, event: Heartbeat) -> tuple[User, Replaced | None]:
    """``event`` begins a new device: if its mark has given way on another one, ``user`` without
    it there, and what was shown then."""
    naming = naming_of(event)
    if naming is None or naming.mark is None:
        return user, None
    mark = naming.mark
    alike = devices_of_name(user, naming.name)
    found = _replaced(alike, mark)
    if found is None:
        return user, None
    devices = tuple(
        replace(d, replaced=tuple(r for r in d.replaced if r.mark != mark))
        if d.replaced and d in alike
        else d
        for d in user.devices
    )
    return replace(user, devices=devices), found


def _mark(device: Device, *, by_id: bool) -> str | None:
    return device.device_info if by_id else device.token


def _replaced(devices: Iterable[Device], mark: str) -> Replaced | None:
    return next((r for d in devices for r in d.replaced if r.mark == mark), None)


def _free_name(user: User, name: str) -> str:
    taken = {device.device for device in user.devices}
    if name not in taken:
        return name
    return next(free for n in count(2) if (free := f"{name} ({n})") not in taken)
