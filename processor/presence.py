"""Presence of one user: what each event does to their devices. PURE.

The policy, in the order of the code (design, sections 1 to 3):

A heartbeat belongs to the device that it names: ``device_id`` of its body, else of its token
(``device_id`` or ``sid`` claim), else its ``device_info``. One that names none belongs to the
device last seen with its token, else to one that a logout of this token signed out, else to
``default``.

It is a *background* heartbeat if its screen is ``background`` or its ``app_state`` is one of the
background ones; every other is *foreground*. A foreground heartbeat's screen is news unless it is
missing, blank or ``Unknown``: the sample's timer and its resume both send that. A background
heartbeat brings no news of the screen.

    offline     + heartbeat             a session begins (``started``), screen null until named
    foreground  + background heartbeat  ``backgrounded``, the screen stays
    background  + foreground heartbeat  ``resumed``, on the screen known before unless it names one
    foreground  + another screen        ``navigated``
    online      + silence               ``timed_out`` once log time reaches ``expires_ms``

A logout signs out the device that it names if the user has it, else those last seen with its
token, else all (``logged_out``). For ``logout_fence`` events with its token, or with the last
tokens of those devices, are ignored, but not those of a device that it left online. After that
its own token opens a session on a device that is signed out only with a real screen in the
foreground or an explicit foreground ``app_state``; another token counts at once.

A seventeenth device takes the place of the least recently active one, offline ones first
(``evicted`` if it was online).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from processor.model import (
    DEFAULT_DEVICE,
    MAX_DEVICES,
    MAX_SIGN_OUTS,
    Changed,
    Device,
    Policy,
    SignOut,
    User,
    visible_device,
)
from schemas.changes import Reason
from schemas.events import BACKGROUND_APP_STATES, FOREGROUND_APP_STATES, Heartbeat, Logout

#: What an event came to, for metrics: a closed set.
APPLIED, FENCED, SIGNED_OUT = "applied", "fenced", "signed_out"


@dataclass(frozen=True, slots=True)
class Outcome:
    """``user`` is the one given where ``verdict`` is not ``applied``."""

    user: User
    changes: tuple[Changed, ...] = ()
    verdict: str = APPLIED
    forgotten: int = 0


def is_background(event: Heartbeat) -> bool:
    """Design, section 1: by screen or by app state, case-insensitively."""
    app_state, screen = event.app_state, event.screen
    return (app_state is not None and app_state.lower() in BACKGROUND_APP_STATES) or (
        screen is not None and screen.strip().lower() == "background"
    )


def real_screen(event: Heartbeat) -> str | None:
    """The screen that a foreground heartbeat names; ``None`` for "no news of the screen"."""
    screen = event.screen
    if screen is None or not screen.strip() or screen.strip().lower() == "unknown":
        return None
    return screen


def apply_heartbeat(user: User | None, event: Heartbeat, now_ms: int, policy: Policy) -> Outcome:
    """What ``event`` at log time ``now_ms`` makes of the user (``None``: not known yet)."""
    if user is None:
        user = User(user_id=event.user, state="offline", reason="started", changed_ms=now_ms)
    key = _device_of_heartbeat(user, event, now_ms)
    device = _find(user, key)
    if user.sign_outs:
        for sign_out in user.sign_outs:
            if sign_out.fences(event.token, now_ms) and key not in sign_out.spared:
                return Outcome(user, verdict=FENCED)
        if _needs_evidence(user, device, event, now_ms) and not _is_evidence(event):
            return Outcome(user, verdict=SIGNED_OUT)
        alive = tuple(s for s in user.sign_outs if s.alive(now_ms))
        if len(alive) < len(user.sign_outs):
            user = replace(user, sign_outs=alive)
    if event.name is not None and event.name != user.name:
        user = replace(user, name=event.name)

    background = is_background(event)
    screen = None if background else real_screen(event)
    forgotten = 0
    changes: tuple[Changed, ...] = ()
    if device is None:
        user, changes, forgotten = _make_room(user, now_ms)
    if device is None or device.state == "offline":
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
    beaten = Device(
        device=key,
        state="background" if background else "foreground",
        reason=reason or (device.reason if device else "started"),
        changed_ms=now_ms if reason or device is None else device.changed_ms,
        last_active_ms=now_ms,
        expires_ms=now_ms + policy.offline_after_ms,
        online_since_ms=online_since_ms,
        screen=screen,
        app_version=event.app_version or (device.app_version if device else None),
        device_info=event.device_info or (device.device_info if device else None),
        platform=event.platform or (device.platform if device else None),
        token=event.token,
    )
    if reason is None:
        # The usual heartbeat: nothing that anybody sees has changed.
        return Outcome(replace(user, devices=_with(user.devices, beaten)), changes)
    user, change = _change(user, device, beaten, reason, now_ms)
    return Outcome(user, (*changes, change), forgotten=forgotten)


def apply_logout(user: User | None, event: Logout, now_ms: int, policy: Policy) -> Outcome:
    """Promise 5. A logout of an unknown user is remembered too: it may have overtaken the
    heartbeats that were sent before it."""
    if user is None:
        user = User(user_id=event.user, state="offline", reason="logged_out", changed_ms=now_ms)
    targets = _devices_of_logout(user, event)
    fences = [s for s in user.sign_outs if s.fences(event.token, now_ms)]
    if fences:
        # A repeat must not sign out who has come back since; it may name a device left online.
        targets = [d for d in targets if all(d.device in s.spared for s in fences)]
        if not targets:
            return Outcome(user, verdict=FENCED)

    changes: list[Changed] = []
    for device in sorted(targets, key=lambda device: device.device):
        if device.online:
            user, change = _end(user, device, "logged_out", now_ms, signed_out=True)
            changes.append(change)
        else:
            user = replace(user, devices=_with(user.devices, replace(device, signed_out=True)))
    signed_out = SignOut(
        token=event.token,
        fence_until_ms=now_ms + policy.logout_fence_ms,
        expires_ms=event.token_expires_ms,
        tokens=_unique([event.token, *(d.token for d in targets if d.token is not None)]),
        devices=tuple(d.device for d in targets),
        spared=tuple(d.device for d in user.devices if d.online),
    )
    kept = [
        s
        for s in user.sign_outs
        if s.alive(now_ms) and (s.token != event.token or now_ms < s.fence_until_ms)
    ]
    return Outcome(replace(user, sign_outs=(*kept, signed_out)[-MAX_SIGN_OUTS:]), tuple(changes))


def expire(user: User, device: Device, at_ms: int) -> tuple[User, Changed]:
    """Silence for too long: ``device`` of ``user`` goes offline as of ``at_ms``, its deadline."""
    return _end(user, device, "timed_out", at_ms, signed_out=False)


def _device_of_heartbeat(user: User, event: Heartbeat, now_ms: int) -> str:
    named = event.device_id or event.claimed_device or event.device_info
    if named:
        return named
    seen = [d for d in user.devices if d.token == event.token]
    if not seen:
        mine = [s for s in user.sign_outs if s.token == event.token and s.alive(now_ms)]
        by_token = {key for sign_out in mine for key in sign_out.devices}
        seen = [d for d in user.devices if d.signed_out and d.device in by_token]
    if not seen:
        return DEFAULT_DEVICE
    return min(seen, key=lambda device: (-device.last_active_ms, device.device)).device


def _needs_evidence(user: User, device: Device | None, event: Heartbeat, now_ms: int) -> bool:
    """Would this beat of a logged-out token open a session that its logout ended?

    A nameless beat that fits no device is taken for the one that signed out: a logout may be the
    first that we hear of a token.
    """
    if device is not None and (device.online or not device.signed_out):
        return False
    if device is None and (event.device_id or event.claimed_device or event.device_info):
        return False
    return any(s.token == event.token and s.alive(now_ms) for s in user.sign_outs)


def _is_evidence(event: Heartbeat) -> bool:
    if is_background(event):
        return False
    explicit = event.app_state is not None and event.app_state.lower() in FOREGROUND_APP_STATES
    return explicit or real_screen(event) is not None


def _devices_of_logout(user: User, event: Logout) -> list[Device]:
    for named in (event.device_id, event.claimed_device):
        device = _find(user, named) if named else None
        if device is not None:
            return [device]
    return [d for d in user.devices if d.token == event.token] or list(user.devices)


def _make_room(user: User, now_ms: int) -> tuple[User, tuple[Changed, ...], int]:
    """Room for one more device; how many were forgotten for it."""
    if len(user.devices) < MAX_DEVICES:
        return user, (), 0
    oldest = min(user.devices, key=lambda d: (d.online, d.last_active_ms, d.device))
    changes: tuple[Changed, ...] = ()
    if oldest.online:
        user, change = _end(user, oldest, "evicted", now_ms, signed_out=False)
        changes = (change,)
    rest = tuple(d for d in user.devices if d.device != oldest.device)
    return replace(user, devices=rest), changes, 1


def _end(
    user: User, device: Device, reason: Reason, at_ms: int, *, signed_out: bool
) -> tuple[User, Changed]:
    ended = replace(
        device,
        state="offline",
        reason=reason,
        changed_ms=at_ms,
        online_since_ms=None,
        screen=None,
        signed_out=signed_out,
    )
    return _change(user, device, ended, reason, at_ms)


def _change(
    user: User, before: Device | None, after: Device, reason: Reason, at_ms: int
) -> tuple[User, Changed]:
    """``user`` with ``after`` in the place of ``before``, and the change that this is."""
    devices = _with(user.devices, after)
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
    )


def _find(user: User, key: str) -> Device | None:
    for device in user.devices:
        if device.device == key:
            return device
    return None


def _with(devices: tuple[Device, ...], device: Device) -> tuple[Device, ...]:
    """``devices`` with this one in the place of the one of its name, or at the end."""
    if len(devices) == 1 and devices[0].device == device.device:
        return (device,)
    if all(d.device != device.device for d in devices):
        return (*devices, device)
    return tuple(device if d.device == device.device else d for d in devices)


def _unique(tokens: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tokens))
