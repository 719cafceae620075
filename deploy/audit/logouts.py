"""Who is logged out, and whom that keeps out (promise 5). PURE."""

from __future__ import annotations

from typing import Final

from deploy.audit.naming import alike, has_connection, is_in_force, name_of, named_by_text
from deploy.audit.presence import Presence
from deploy.audit.states import Device, SignOut, User
from schemas.log.events import Heartbeat, Logout

MAX_SIGN_OUTS: Final = 16


def log_out(presence: Presence, user_id: str, user: User, event: Logout) -> None:
    """The devices that it concerns go offline, and are fenced."""
    now = presence.state.now
    has = list(user.devices.values())
    expired = event.token_expires_ms is not None and event.token_expires_ms <= now
    connected = [d for d in has if has_connection(d, event.connection, now)]
    bearing = [d for d in has if d.token == event.token]
    given_up = [d for d in has if event.token in [one.mark for one in d.gave_way]]
    claimed = alike(user, event.claimed_device) if event.claimed_device else []
    told = alike(user, event.device_id) if event.device_id else []
    if expired:
        own = [d.device for d in (*claimed, *bearing, *given_up)]
        told = [d for d in told if d.device in own]

    def among(like: list[Device]) -> list[Device]:
        for few in (connected, bearing):
            narrowed = [d for d in like if d in few]
            if narrowed and len(like) > 1:
                return narrowed
        return like

    everything = [] if expired else has
    out = among(told) or connected or among(claimed) or bearing or given_up or everything
    fences = [one for one in user.sign_outs if now < one.fence_until and event.token in one.tokens]
    names = sorted(d.device for d in out)
    names = [n for n in names if all(n in one.spared for one in fences)]
    if fences and not names:
        return
    presence.meets(user, event)
    presence.state.users[user_id] = user
    user.touched = presence.offset
    tokens = {event.token} | {user.devices[n].token for n in names}
    for one_name in names:
        presence.gone(user_id, user, user.devices[one_name], "logged_out", now)
    user.sign_outs = [
        one for one in user.sign_outs if not (one.token == event.token and now >= one.fence_until)
    ]
    user.sign_outs.append(
        SignOut(
            event.token,
            tokens,
            now + presence.policy.logout_fence_ms,
            event.token_expires_ms,
            names,
            [d.device for d in user.devices.values() if d.online],
        )
    )
    # One that is over now is over for good: no step back of log time brings it back.
    in_force = [o for o in user.sign_outs if is_in_force(o.fence_until, o.expires, now)]
    user.sign_outs = in_force[-MAX_SIGN_OUTS:]


def is_fenced(user: User, token: str, device: str, now: int) -> bool:
    """Does a logout keep everything of the token out?"""
    return any(
        now < one.fence_until and token in one.tokens and device not in one.spared
        for one in user.sign_outs
    )


def wants_evidence(user: User, event: Heartbeat, name: str, now: int) -> bool:
    """Has its token been logged out, and the device with it, or one that we do not know?"""
    if not any(
        one.token == event.token and is_in_force(one.fence_until, one.expires, now)
        for one in user.sign_outs
    ):
        return False
    device = user.devices.get(name)
    signed_out = device is not None and device.signed_out
    if named_by_text(event):
        return device is None or device.token != event.token or signed_out
    return signed_out or (name_of(event) is None and device is None)
