"""Who is logged out, and what that keeps out (promise 5). PURE.

A logout makes its devices offline (``logged_out``); the change names their open connections, which
ingest closes. For ``logout_fence`` events with its token, or with the last tokens of those devices,
are ignored, but not those of a device that it left online. After that its own token opens a session
on a device that is signed out only with evidence: a real screen in the foreground, an explicit
foreground ``app_state`` or a connect; another token counts at once. Where devices are named by
``device_info`` alone it needs evidence on all of them but one that it has opened again.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from processor.core.devices import devices_of_logout, end_session, with_device
from processor.core.model import MAX_SIGN_OUTS, Changed, Device, Policy, SignOut, User
from processor.core.outcome import FENCED, Outcome
from processor.core.twins import named_by_text
from schemas.log.events import Heartbeat, Logout


def apply_logout(user: User | None, event: Logout, now_ms: int, policy: Policy) -> Outcome:
    """Promise 5. A logout of an unknown user is remembered too: it may have overtaken the
    heartbeats that were sent before it."""
    if user is None:
        user = User(user_id=event.user, state="offline", reason="logged_out", changed_ms=now_ms)
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
            # The app stops its timer as it logs out.
            signed_out = replace(device, signed_out=True, timer=None)
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


def fenced(user: User, key: str, token: str, now_ms: int) -> bool:
    """Does a logout keep everything of the token on the device ``key`` out?"""
    return any(s.fences(token, now_ms) and key not in s.spared for s in user.sign_outs)


def without_dead_sign_outs(user: User, now_ms: int) -> User:
    alive = tuple(s for s in user.sign_outs if s.alive(now_ms))
    return user if len(alive) == len(user.sign_outs) else replace(user, sign_outs=alive)


def needs_evidence(user: User, device: Device | None, event: Heartbeat, now_ms: int) -> bool:
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


def _unique(tokens: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tokens))
