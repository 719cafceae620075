"""What becomes of a device as its sockets come and go (design, section 4). PURE."""

from __future__ import annotations

from typing import Final

from deploy.audit.naming import has_connection
from deploy.audit.presence import Presence
from deploy.audit.states import Device, Lost, User
from schemas.log.events import Connect, Disconnect, Heartbeat

MAX_CONNECTIONS: Final = 8


def sign_of_life(
    presence: Presence, device: Device, connection: str | None, deadline: int, *, extends: bool
) -> None:
    """The device was heard of; ``extends`` its time until ``deadline``."""
    now = presence.state.now
    if connection is not None:
        open_ones = [c for c in device.connections if c[0] != connection and now < c[1]]
        later = now + presence.policy.offline_after_ms
        device.connections = [*open_ones, (connection, later)][-MAX_CONNECTIONS:]
        if device.http_deadline is not None and device.http_deadline <= now:
            device.http_deadline = None
    device.last_active = now
    device.lost = None
    device.signed_out = False
    if extends:
        device.silence_deadline = deadline


def disconnect(presence: Presence, user_id: str, user: User, event: Disconnect) -> None:
    """A socket is gone."""
    now, policy = presence.state.now, presence.policy
    for device in user.devices.values():
        if not has_connection(device, event.connection, now):
            continue
        others = any(one != event.connection and now < until for one, until in device.connections)
        lost = None
        if not others and not event.by_server:
            http = device.http_deadline or 0
            after_http = http if http > now else 0
            grace = max(now + policy.disconnect_grace_ms, after_http, presence.state.kept_until)
            if device.deadline > grace:
                lost = Lost(now, event.silent_ms, grace)
        device.lost = lost
        forget_connection(device, event.connection)
        user.touched = presence.offset
        presence.enqueue(user_id, device)
        return


def left_by(user: User, event: Heartbeat, named: str | None, now: int) -> Device | None:
    """The device that a connect of another name takes its connection from."""
    if not isinstance(event, Connect) or not named:
        return None
    for device in user.devices.values():
        if has_connection(device, event.connection, now):
            return None if named in (device.device, device.named) else device
    return None


def end_if_left(
    presence: Presence, user_id: str, user: User, left: Device, name: str | None
) -> None:
    """Its connection is another device's now; ``name`` is what the user was called before."""
    now = presence.state.now
    over_http = left.http_deadline is not None and now < left.http_deadline
    kept = over_http or any(now < until for _, until in left.connections)
    if not kept and left.online:
        presence.gone(user_id, user, left, "disconnected", now, moved=True, name=name)


def forget_connection(device: Device, connection: str) -> None:
    device.connections = [one for one in device.connections if one[0] != connection]
