"""What a phone says, as an event of the log, whichever way it came. PURE."""

from __future__ import annotations

from ingest.body.validate import Sent
from schemas.log.events import Heartbeat, Logout
from schemas.tokens.identity import Identity


def heartbeat_event(identity: Identity, sent: Sent) -> Heartbeat:
    """A heartbeat over HTTP; a socket's names its own device (``ingest/socket/device.py``)."""
    return Heartbeat(
        user=identity.user,
        token=identity.token,
        name=identity.name,
        device_id=sent.device_id,
        claimed_device=identity.device,
        device_info=sent.device_info,
        platform=sent.platform,
        app_version=sent.app_version,
        screen=sent.screen,
        app_state=sent.app_state,
        canary=identity.canary,
    )


def logout_event(
    identity: Identity,
    device_id: str | None,
    claimed_device: str | None,
    connection: str | None = None,
) -> Logout:
    """A logout; ``connection`` is ``None`` over HTTP, and before there was a connect."""
    until = identity.accepted_until
    return Logout(
        user=identity.user,
        token=identity.token,
        device_id=device_id,
        claimed_device=claimed_device,
        token_expires_ms=None if until is None else int(until * 1000),
        connection=connection,
        canary=identity.canary,
    )
