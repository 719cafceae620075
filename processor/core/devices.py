"""The devices of a user: which one an event belongs to, and what changes with one of them. PURE.

An event of a connection that one of the user's devices remembers belongs to that device, whatever
it names; but a connect that names another one moves its connection there (``moves``). Any other
belongs to the device that it names: ``device_id`` of its body, else of its token (``device_id`` or
``sid`` claim), else its ``device_info``. What tells phones apart that give themselves the same name
is said in ``twins``; it may part the sockets of a device, too. An event that names none belongs to
the device last seen with its token, else to one that a logout of this token signed out, else to
``default``.

A logout signs out the device that its body names, if the user has it; else that of its connection;
else the one of its token's claim, if the user has it; else those last seen with its token; else
those on which its token has given way to another one (``twins``); else all. Where several phones
bear the name it is, of these, the one of its connection, else those last seen with its token, else
all of them. A token that has expired signs out its own devices only: those that it was last seen
with, gave way on or claims, whatever its body names; else none.

A seventeenth device takes the place of the least recently active one, offline ones first
(``evicted`` if it was online).
"""

from __future__ import annotations

from msgspec.structs import replace

from processor.core.model import DEFAULT_DEVICE, MAX_DEVICES, Changed, Device, User, visible_device
from processor.core.sockets import device_of_connection, open_connections
from processor.core.timers import timer_left
from processor.core.twins import device_of_name, devices_of_name, gave_way_on, naming_of
from schemas.log.changes import Reason
from schemas.log.events import Connect, Heartbeat, Logout, Renew

#: Reasons that close the device's sockets: their changes name the open connections.
SIGNING_OUT: frozenset[Reason] = frozenset({"logged_out"})


def device_of(user: User, event: Heartbeat | Renew, now_ms: int) -> tuple[str, Device | None]:
    """The name of the device that ``event`` belongs to, and the device if the user has it."""
    if event.connection is not None:
        device = device_of_connection(user, event.connection, now_ms)
        moves = device is not None and names_another(event, device)
        if device is not None and not moves and not gave_way_on(device, event):
            return device.device, device
    elif len(user.devices) == 1:
        # The usual heartbeat: of the only phone, which says what it said before.
        device, info = user.devices[0], event.device_info
        if (
            device.token == event.token
            and (info is None or info == device.device_info)
            and device.device == (event.device_id or event.claimed_device or info)
        ):
            return device.device, device
    naming = naming_of(event)
    if naming is not None:
        return device_of_name(user, naming, event.token)
    seen = [d for d in user.devices if d.token == event.token]
    if not seen:
        mine = [s for s in user.sign_outs if s.token == event.token and s.alive(now_ms)]
        by_token = {key for sign_out in mine for key in sign_out.devices}
        seen = [d for d in user.devices if d.signed_out and d.device in by_token]
    if not seen:
        return DEFAULT_DEVICE, find(user, DEFAULT_DEVICE)
    last = min(seen, key=lambda device: (-device.last_active_ms, device.device))
    return last.device, last


def names_another(event: Heartbeat | Renew, device: Device) -> bool:
    """Is this a connect that names another device than the one that remembers its connection?"""
    naming = naming_of(event) if isinstance(event, Connect) else None
    return naming is not None and naming.name not in (device.device, device.twin_of)


def devices_of_logout(user: User, event: Logout, now_ms: int) -> list[Device]:
    """The devices that ``event`` signs out."""
    expires_ms = event.token_expires_ms
    expired = expires_ms is not None and expires_ms <= now_ms
    connected: list[Device] = []
    if event.connection is not None:
        device = device_of_connection(user, event.connection, now_ms)
        connected = [device] if device is not None else []
    named = devices_of_name(user, event.device_id) if event.device_id else []
    if expired:
        named = [device for device in named if _is_its_own(user, device, event)]
    claimed = devices_of_name(user, event.claimed_device) if event.claimed_device else []
    return (
        _meant(named, connected, event.token)
        or connected
        or _meant(claimed, connected, event.token)
        or [d for d in user.devices if d.token == event.token]
        or [d for d in user.devices if any(r.mark == event.token for r in d.replaced)]
        or ([] if expired else list(user.devices))
    )


def _is_its_own(user: User, device: Device, event: Logout) -> bool:
    """Whether the token that signs out was that device's, as far as it is remembered."""
    return (
        (event.claimed_device is not None and device in devices_of_name(user, event.claimed_device))
        or device.token == event.token
        or any(replaced.mark == event.token for replaced in device.replaced)
    )


def _meant(alike: list[Device], connected: list[Device], token: str) -> list[Device]:
    """Those of one name that a logout with ``token`` means."""
    if len(alike) < 2:
        return alike
    return [d for d in alike if d in connected] or [d for d in alike if d.token == token] or alike


def make_room(user: User, now_ms: int) -> tuple[User, tuple[Changed, ...], int]:
    """Room for one more device; how many were forgotten for it."""
    if len(user.devices) < MAX_DEVICES:
        return user, (), 0
    oldest = min(user.devices, key=lambda d: (d.online, d.last_active_ms, d.device))
    changes: tuple[Changed, ...] = ()
    if oldest.online:
        user, change = end_session(user, oldest, "evicted", now_ms)
        changes = (change,)
    rest = tuple(d for d in user.devices if d.device != oldest.device)
    return replace(user, devices=rest), changes, 1


def end_session(user: User, device: Device, reason: Reason, at_ms: int) -> tuple[User, Changed]:
    """``user`` with ``device``, which is online, offline as of ``at_ms``."""
    signing_out = reason in SIGNING_OUT
    ended = replace(
        device,
        state="offline",
        reason=reason,
        changed_ms=at_ms,
        online_since_ms=None,
        screen=None,
        signed_out=signing_out,
        sockets=None,
        ended_in_foreground=device.state == "foreground",
        replaced=(),
        timer=timer_left(device, reason),
    )
    closing = tuple(c.id for c in open_connections(device, at_ms)) if signing_out else ()
    return change(user, device, ended, reason, at_ms, closing)


def change(
    user: User,
    before: Device | None,
    after: Device,
    reason: Reason,
    at_ms: int,
    connections: tuple[str, ...] = (),
) -> tuple[User, Changed]:
    """``user`` with ``after`` in the place of ``before``, and the change that this is."""
    was = user
    devices = with_device(user.devices, after)
    shown = visible_device(devices)
    assert shown is not None  # noqa: S101  (there is at least `after`)
    if shown.state != user.state or shown.screen != user.screen:
        since = user.online_since_ms if user.online else at_ms
        user = replace(
            user,
            devices=devices,
            state=shown.state,
            screen=shown.screen,
            reason=reason,
            changed_ms=at_ms,
            online_since_ms=since if shown.online else None,
        )
    else:
        user = replace(user, devices=devices)
    return user, Changed(
        at_ms=at_ms,
        user_id=user.user_id,
        device=after.device,
        reason=reason,
        previous_state=before.state if before else "offline",
        state=after.state,
        previous_screen=before.screen if before else None,
        screen=after.screen,
        user_state=user.state,
        user_screen=user.screen,
        app_version=after.app_version,
        platform=after.platform,
        connections=connections,
        previous_user_state=was.state,
        previous_user_screen=was.screen,
    )


def find(user: User, key: str) -> Device | None:
    """The device of that name, if the user has it."""
    for device in user.devices:
        if device.device == key:
            return device
    return None


def with_device(devices: tuple[Device, ...], device: Device) -> tuple[Device, ...]:
    """``devices`` with this one in the place of the one of its name, or at the end."""
    if len(devices) == 1 and devices[0].device == device.device:
        return (device,)
    if all(d.device != device.device for d in devices):
        return (*devices, device)
    return tuple(device if d.device == device.device else d for d in devices)
