"""Opting out and in, and erasures (promise 8). PURE."""

from __future__ import annotations

from deploy.audit.presence import Presence, shown_by
from deploy.audit.states import User
from schemas.log.events import Erase, OptIn, OptOut


def apply_privacy(presence: Presence, event: OptOut | OptIn | Erase) -> None:
    """Whoever leaves has never been."""
    state, user_id = presence.state, event.user
    if isinstance(event, OptIn):
        state.opted_out.discard(user_id)
        presence.find("privacy_flags", (user_id, False, state.now, None))
        return
    older = event.before_ms if isinstance(event, Erase) else None
    if isinstance(event, OptOut):
        state.opted_out.add(user_id)
    elif older is None:
        state.erasure_fences[user_id] = state.now + presence.policy.logout_fence_ms
    erased_until = older if older is not None else state.now
    flag = (user_id, user_id in state.opted_out, state.now, erased_until)
    presence.find("privacy_flags", flag)
    kind = "opted_out" if isinstance(event, OptOut) else "erased"
    user = state.users.get(user_id)
    if (
        older is not None
        and user is not None
        and any(d.last_active >= older for d in user.devices.values())
    ):
        presence.find("left", (user_id, older, event.request, kind))
        _cut(presence, user_id, user, older)
        return
    presence.find("left", (user_id, None, event.request, kind))
    if user is None:
        return
    _leave(presence, user_id, user, kind)


def _cut(presence: Presence, user_id: str, user: User, older: int) -> None:
    """Devices that were last heard of before then have never been, and nobody hears of it."""
    state = presence.state
    user.touched = presence.offset
    gone = [device for device in user.devices.values() if device.last_active < older]
    for device in gone:
        shown = user.shown
        if device.online:
            presence.counts_until(user, device, user_id, "erased")
        presence.count_device(user, device, -1)
        presence.count(user, -1)
        del user.devices[device.device]
        user.state, user.screen = shown_by(user)
        if user.shown != shown:
            user.changed, user.reason = state.now, "erased"
            if user.state == "offline":
                user.online_since = None
        presence.count(user, 1)
    names = {device.device for device in gone}
    user.sign_outs = [
        one for one in user.sign_outs if not one.devices or not names.issuperset(one.devices)
    ]
    for one in user.sign_outs:
        one.devices = [name for name in one.devices if name not in names]
        one.spared = [name for name in one.spared if name not in names]
    user.first_day = user.active_day


def _leave(presence: Presence, user_id: str, user: User, kind: str) -> None:
    """What the user was counted in stays, and ends here."""
    state = presence.state
    for device in sorted(user.devices.values(), key=lambda d: d.device):
        if device.online:
            presence.counts_until(user, device, user_id, kind)
    presence.count(user, -1)
    for device in user.devices.values():
        presence.count_device(user, device, -1)
    del state.users[user_id]
