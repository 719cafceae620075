"""A device's sockets: which are open, and the grace after the last of them. PURE.

The policy (design, section 4):

A device remembers its open connections, at most 8: the least recently seen goes. A connection is
open from the first event of it that counts (connect, heartbeat or renewal); each refreshes it. It
is forgotten when nothing was heard of it for ``offline_after``, when its disconnect comes, and with
all others when the device's session ends, or when another device of the user takes it over
(``twins``).

When the last open connection of a device is lost, its deadline becomes the later of now +
``disconnect_grace`` and the last HTTP heartbeat + ``offline_after``, as moved by outages; while the
grace after an outage runs, it is no earlier than the end of that (promise 3). A
disconnect is no sign of life: where the device would go offline by then anyway, its deadline stays
and silence ends it. A disconnect by the server says nothing of the phone: it starts no grace. Any
sign of life ends the grace; that of a device in the background, if it is a renewal, leaves the
deadline that there was before it.

An HTTP deadline that has passed is forgotten with the next sign of life of a socket; one that is
remembered is moved by an outage as any deadline is.
"""

from __future__ import annotations

from msgspec.structs import replace

from processor.core.model import MAX_CONNECTIONS, Connection, Device, Lost, Policy, Sockets, User
from schemas.log.events import Disconnect


def open_connections(device: Device, now_ms: int) -> tuple[Connection, ...]:
    """Those of the device that are not forgotten, the least recently seen first."""
    if device.sockets is None:
        return ()
    return tuple(c for c in device.sockets.connections if now_ms < c.forgotten_ms)


def device_of_connection(user: User, connection: str, now_ms: int) -> Device | None:
    """The device that remembers the connection."""
    for device in user.devices:
        if device.sockets is not None:
            for one in device.sockets.connections:
                if one.id == connection and now_ms < one.forgotten_ms:
                    return device
    return None


def without_connection(user: User, connection: str, device: str) -> User:
    """``user`` whose other devices do not remember the connection: it is of ``device`` now."""
    if not any(_remembers(d, connection) for d in user.devices if d.device != device):
        return user
    devices = tuple(
        replace(
            d,
            sockets=replace(
                d.sockets, connections=tuple(c for c in d.sockets.connections if c.id != connection)
            ),
        )
        if d.device != device and d.sockets is not None
        else d
        for d in user.devices
    )
    return replace(user, devices=devices)


def _remembers(device: Device, connection: str) -> bool:
    sockets = device.sockets
    return sockets is not None and any(c.id == connection for c in sockets.connections)


def heard_on(connection: str, device: Device | None, now_ms: int, policy: Policy) -> Sockets:
    """The sockets of ``device``, as it was before, after a sign of life on one of them."""
    this = Connection(connection, now_ms + policy.offline_after_ms)
    if device is None or not device.online:
        return Sockets((this,))
    others = tuple(c for c in open_connections(device, now_ms) if c.id != connection)
    # Without sockets its deadline is that of its last HTTP heartbeat.
    http_ms = device.sockets.http_expires_ms if device.sockets is not None else device.expires_ms
    if http_ms is not None and http_ms <= now_ms:
        http_ms = None
    return Sockets((*others[-(MAX_CONNECTIONS - 1) :], this), http_ms)


def heard_over_http(device: Device, expires_ms: int, now_ms: int) -> Sockets | None:
    """The sockets of ``device`` after an HTTP heartbeat that keeps it until ``expires_ms``."""
    connections = open_connections(device, now_ms)
    return Sockets(connections, expires_ms) if connections else None


def disconnected(
    device: Device, event: Disconnect, now_ms: int, policy: Policy, kept_until_ms: int
) -> Device:
    """``device`` after one of its open connections is gone. Until ``kept_until_ms`` an outage's end
    keeps everybody."""
    assert device.sockets is not None  # noqa: S101  (it has an open connection)
    rest = tuple(c for c in open_connections(device, now_ms) if c.id != event.connection)
    http_ms = device.sockets.http_expires_ms
    left = Sockets(rest, http_ms)
    if event.by_server or rest:
        return replace(device, sockets=left)
    grace_ends_ms = max(now_ms + policy.disconnect_grace_ms, http_ms or 0, kept_until_ms)
    if device.expires_ms <= grace_ends_ms:
        return replace(device, sockets=left)
    lost = Lost(now_ms, event.silent_ms, silence_expires_ms=device.expires_ms)
    return replace(device, expires_ms=grace_ends_ms, sockets=replace(left, lost=lost))


def silence_expires_ms(device: Device) -> int:
    """The deadline of ``device`` if no grace after a lost socket ran."""
    if device.sockets is not None and device.sockets.lost is not None:
        return device.sockets.lost.silence_expires_ms
    return device.expires_ms


def kept_until(device: Device, until_ms: int) -> Device:
    """``device`` with all its deadlines at ``until_ms`` at the earliest."""
    sockets = device.sockets
    if sockets is not None:
        http_ms, lost = sockets.http_expires_ms, sockets.lost
        sockets = Sockets(
            sockets.connections,
            None if http_ms is None else max(http_ms, until_ms),
            None
            if lost is None
            else replace(lost, silence_expires_ms=max(lost.silence_expires_ms, until_ms)),
        )
    return replace(device, expires_ms=max(device.expires_ms, until_ms), sockets=sockets)


def kept_online(user: User, until_ms: int) -> User:
    """``user`` whose devices that are online stay so until then at least."""
    devices = tuple(kept_until(d, until_ms) if d.online else d for d in user.devices)
    return replace(user, devices=devices)
