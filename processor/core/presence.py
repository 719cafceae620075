"""Presence of one user: what each event does to their devices. PURE.

The policy, in the order of the code (design, sections 1 to 4). Which device an event belongs to is
said in ``devices``, what becomes of a device's sockets in ``sockets``, what tells of a timer that
runs on in the background in ``timers``.

A heartbeat is *background* if its screen is ``background`` or its ``app_state`` is one of the
background ones; every other is *foreground*. A foreground heartbeat's screen is news unless it is
missing, blank or ``Unknown``: the sample's timer and its resume both send that. A background
heartbeat brings no news of the screen.

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

A logout makes its devices offline (``logged_out``); the change names their open connections, which
ingest closes. For ``logout_fence`` events with its token, or with the last tokens of those devices,
are ignored, but not those of a device that it left online. After that its own token opens a session
on a device that is signed out only with evidence: a real screen in the foreground, an explicit
foreground ``app_state`` or a connect; another token counts at once. Where devices are named by
``device_info`` alone it needs evidence on all of them but one that it has opened again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from processor.core.devices import (
    change,
    device_of,
    devices_of_logout,
    end_session,
    make_room,
    with_device,
)
from processor.core.model import (
    MAX_SIGN_OUTS,
    Changed,
    Device,
    Policy,
    Replaced,
    SignOut,
    Timer,
    User,
    shared,
)
from processor.core.moves import device_left, end_if_left
from processor.core.sockets import (
    device_of_connection,
    disconnected,
    heard_on,
    heard_over_http,
    silence_expires_ms,
    without_connection,
)
from processor.core.timers import timer_after
from processor.core.twins import named_by_text, naming_of, part, replaced_after
from schemas.log.changes import SILENT_ENDS, Reason, State
from schemas.log.events import (
    BACKGROUND_APP_STATES,
    FOREGROUND_APP_STATES,
    Connect,
    Disconnect,
    Heartbeat,
    Logout,
    Renew,
)

#: What an event came to, for metrics: a closed set.
APPLIED, FENCED, SIGNED_OUT, IGNORED = "applied", "fenced", "signed_out", "ignored"
#: The user has opted out (``processor/core/privacy.py``).
OPTED_OUT = "opted_out"
VERDICTS = (APPLIED, FENCED, SIGNED_OUT, IGNORED, OPTED_OUT)
#: What told two phones of one name apart (``processor/core/twins.py``).
MARKS = (TOKEN, DEVICE_INFO) = "token", "device_info"


@dataclass(frozen=True, slots=True)
class Outcome:
    """``user`` is the one given where ``verdict`` is not ``applied``. ``forgotten`` devices made
    room; ``told_apart_by`` is the mark that showed another phone of the device's name."""

    user: User
    changes: tuple[Changed, ...] = ()
    verdict: str = APPLIED
    forgotten: int = 0
    told_apart_by: str | None = None


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
        user = _unknown(event.user, "started", now_ms)
    key, device = device_of(user, event, now_ms)
    if user.sign_outs:
        if _fenced(user, key, event.token, now_ms):
            return Outcome(user, verdict=FENCED)
        if _needs_evidence(user, device, event, now_ms) and not _is_evidence(event):
            return Outcome(user, verdict=SIGNED_OUT)
        user = _without_dead_sign_outs(user, now_ms)
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
    if background or (device is not None and device.timer is not None):
        named = real_screen(event) is not None
        timer = timer_after(device, event, now_ms, background=background, named=named)
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
    if _fenced(user, key, event.token, now_ms):
        return Outcome(user, verdict=FENCED)
    if device is None or not (device.online or _was_cut_off(device)):
        return Outcome(user, verdict=IGNORED)
    user = _without_dead_sign_outs(user, now_ms)
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


def apply_logout(user: User | None, event: Logout, now_ms: int, policy: Policy) -> Outcome:
    """Promise 5. A logout of an unknown user is remembered too: it may have overtaken the
    heartbeats that were sent before it."""
    if user is None:
        user = _unknown(event.user, "logged_out", now_ms)
    targets = devices_of_logout(user, event, now_ms)
    fences = [s for s in user.sign_outs if s.fences(event.token, now_ms)]
    if fences:
        # A repeat must not sign out who has come back since; it may name a device left online.
        targets = [d for d in targets if all(d.device in s.spared for s in fences)]
        if not targets:
            return Outcome(user, verdict=FENCED)

    changes: list[Changed] = []
    for device in sorted(targets, key=lambda device: device.device):
        if device.online:
            user, changed = end_session(user, device, "logged_out", now_ms)
            changes.append(changed)
        else:
            signed_out = replace(device, signed_out=True)
            user = replace(user, devices=with_device(user.devices, signed_out))
    sign_out = SignOut(
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
    return Outcome(replace(user, sign_outs=(*kept, sign_out)[-MAX_SIGN_OUTS:]), tuple(changes))


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


def _fenced(user: User, key: str, token: str, now_ms: int) -> bool:
    return any(s.fences(token, now_ms) and key not in s.spared for s in user.sign_outs)


def _without_dead_sign_outs(user: User, now_ms: int) -> User:
    alive = tuple(s for s in user.sign_outs if s.alive(now_ms))
    return user if len(alive) == len(user.sign_outs) else replace(user, sign_outs=alive)


def _needs_evidence(user: User, device: Device | None, event: Heartbeat, now_ms: int) -> bool:
    """Would this beat of a logged-out token open a session that its logout ended?

    A nameless beat that fits no device is taken for the one that signed out: a logout may be the
    first that we hear of a token. So is one of a device known by its text alone, unless that is
    the token's own again: else it would count as a beat of another phone.
    """
    if named_by_text(event):
        if device is not None and device.token == event.token and not device.signed_out:
            return False
    elif device is not None:
        if device.online or not device.signed_out:
            return False
    elif event.device_id or event.claimed_device:
        return False
    return any(s.token == event.token and s.alive(now_ms) for s in user.sign_outs)


def _is_evidence(event: Heartbeat) -> bool:
    if isinstance(event, Connect):
        return True
    if is_background(event):
        return False
    explicit = event.app_state is not None and event.app_state.lower() in FOREGROUND_APP_STATES
    return explicit or real_screen(event) is not None


def _unique(tokens: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tokens))
