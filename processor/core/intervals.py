"""How often a phone beats when nothing happens on it. PURE.

Only here is it known when a device was heard of before: ingest answers each call for itself, and
calls of one phone meet any of its processes. An interval counts between two heartbeats over HTTP
that changed nothing, on a device in the foreground: a change of screen is sent when it happens, and
what follows it tells how long ago that was. A lost heartbeat shows as twice the interval. Sockets
don't count: the server renews those itself.
"""

from __future__ import annotations

from processor.core.devices import device_of
from processor.core.model import User
from schemas.log.events import ClientEvent, Heartbeat


def quiet_interval(
    before: User | None, event: ClientEvent, now_ms: int
) -> tuple[str | None, int] | None:
    """App version and interval in milliseconds, if ``event`` at log time ``now_ms``, which changed
    nothing, came after another such heartbeat."""
    if before is None or type(event) is not Heartbeat or event.connection is not None:
        return None
    _, device = device_of(before, event, now_ms)
    if device is None or device.state != "foreground" or device.sockets is not None:
        return None
    if device.last_active_ms <= device.changed_ms:
        return None
    return event.app_version or device.app_version, now_ms - device.last_active_ms
