"""The events of the phones' two calls. PURE."""

from __future__ import annotations

from ingest.body.validate import Sent
from schemas.log.events import Heartbeat, Logout
from schemas.tokens.identity import Identity


def heartbeat_event(identity: Identity, sent: Sent) -> Heartbeat:
    """What a heartbeat over HTTP says in the log."""
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
    )


def logout_event(identity: Identity, sent: Sent) -> Logout:
    """What a logout over HTTP says in the log."""
    until = identity.accepted_until
    return Logout(
        user=identity.user,
        token=identity.token,
        device_id=sent.device_id,
        claimed_device=identity.device,
        token_expires_ms=None if until is None else int(until * 1000),
    )
