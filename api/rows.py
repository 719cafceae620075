"""Users as the queries give them. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user as lists show them."""

    user_id: str
    name: str | None
    state: str
    reason: str
    screen: str | None
    changed_at: datetime
    online_since: datetime | None
    last_active: datetime | None
    device_count: int
    app_version: str | None
    device_info: str | None
    platform: str | None


@dataclass(frozen=True, slots=True)
class UserWithDevices(UserRow):
    """``devices`` is ``None`` for a user of one device, which is the row itself, or of none: then
    ``device`` is ``None`` too."""

    device: str | None
    devices: list[dict[str, Any]] | None
