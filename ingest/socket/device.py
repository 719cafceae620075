"""The one device of a socket, and the events that it writes. PURE.

Every event names the device as the socket's first frames did, whatever later ones say, so that the
processor finds it even where it has forgotten the connection (design, section 4).
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import asdict, replace

from ingest.body.field_warnings import FieldWarning
from ingest.body.phone_events import heartbeat_event, logout_event
from ingest.body.validate import Sent
from schemas.log.events import Connect, Disconnect, Heartbeat, Logout, Renew
from schemas.tokens.identity import Identity


@dataclass(frozen=True, slots=True)
class SocketDevice:
    """``device_id`` and ``device_info`` are those of the frame that named it, ``claimed`` is the
    token's claim at that time; ``connection`` is the socket's random id."""

    connection: str
    device_id: str | None
    device_info: str | None
    claimed: str | None

    @property
    def name(self) -> str | None:
        """What tells it from the user's other devices (design, section 2)."""
        return self.device_id or self.claimed or self.device_info

    def connect(self, identity: Identity, sent: Sent) -> Connect:
        return Connect(**asdict(self.heartbeat(identity, sent)))

    def heartbeat(self, identity: Identity, sent: Sent) -> Heartbeat:
        named_by_info = self.device_id is None and self.claimed is None
        return replace(
            heartbeat_event(identity, sent),
            device_id=self.device_id,
            claimed_device=self.claimed,
            # The text that names the device stays; else it only describes it and may change.
            device_info=(self.device_info if named_by_info else None)
            or sent.device_info
            or self.device_info,
            connection=self.connection,
        )

    def renew(self, identity: Identity) -> Renew:
        return Renew(
            user=identity.user,
            token=identity.token,
            connection=self.connection,
            device_id=self.device_id,
            claimed_device=self.claimed,
            device_info=self.device_info,
            canary=identity.canary,
        )

    def logout(self, identity: Identity) -> Logout:
        return logout_event(identity, self.device_id, self.claimed, self.connection)

    def disconnect(
        self, identity: Identity, *, by_server: bool, silent_seconds: float
    ) -> Disconnect:
        return Disconnect(
            user=identity.user,
            connection=self.connection,
            by_server=by_server,
            silent_ms=int(silent_seconds * 1000),
        )

    def checked(self, sent: Sent) -> Sent:
        """``sent`` with a warning if it names another device."""
        if sent.device_id is None or sent.device_id == self.device_id:
            return sent
        return replace(sent, warnings=(*sent.warnings, FieldWarning("device_id", "other_device")))
