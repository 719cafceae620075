"""A connection that moves to the device that its phone names. PURE.

A socket whose first frame is late belongs to the device that its token names, often ``default``
(design, section 4). Once a frame names another device, ingest writes a second connect of the same
connection, which names that one: the connection is that device's from then on.

The device that it leaves has no grace, because its socket is not lost. If nothing else keeps it
(another open connection, an HTTP heartbeat of the last ``offline_after``), it was the phone all
along: its session ends with the move (``disconnected``). The one that begins in its place takes
over the screen unless the connect names one, so that what the user shows does not change.
"""

from __future__ import annotations

from processor.core.devices import end_session, find, names_another
from processor.core.model import Changed, Device, User
from processor.core.sockets import device_of_connection, open_connections
from schemas.log.events import Connect, Heartbeat


def device_left(user: User, event: Heartbeat, now_ms: int) -> Device | None:
    """The device that a connect takes its connection from, because it names another one."""
    if not isinstance(event, Connect) or event.connection is None:
        return None
    device = device_of_connection(user, event.connection, now_ms)
    return device if device is not None and names_another(event, device) else None


def end_if_left(user: User, key: str, now_ms: int) -> tuple[User, tuple[Changed, ...]]:
    """``user`` after the device ``key`` has lost a connection to another one."""
    device = find(user, key)
    if device is None or not device.online or device.sockets is None:
        return user, ()  # it made room for the other one
    http_ms = device.sockets.http_expires_ms
    if open_connections(device, now_ms) or (http_ms is not None and now_ms < http_ms):
        return user, ()
    user, changed = end_session(user, device, "disconnected", now_ms)
    return user, (changed,)
