"""Users as the queries give them. PURE."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from api.freshness import Freshness
from schemas.log.changes import Reason, State


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRow:
    """A user as lists show them, by the columns of ``current_presence``; one with a default is not
    known of instants of the past. ``reason`` and ``changed_at`` are known of every user but who was
    offline at an instant of which nothing is kept. A ``canary`` is no person (design, section
    2)."""

    user_id: str
    name: str | None
    state: State
    reason: Reason | None
    screen: str | None
    changed_at: datetime | None
    online_since: datetime | None
    last_active: datetime | None
    device_count: int
    app_version: str | None
    device_info: str | None
    platform: str | None
    canary: bool


#: What the processor calls a device that nothing names (design, section 2).
DEFAULT_DEVICE: Final = "default"
#: What queries select of a user: enumerations of PostgreSQL come as texts.
USER_COLUMNS: Final = ", ".join(
    f"{field.name}::text AS {field.name}" if field.name in ("state", "reason") else field.name
    for field in fields(UserRow)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserWithDevicesRow(UserRow):
    """``devices`` is ``None`` for a user of one device, which is the row itself, or of none: then
    ``device`` is ``None`` too. ``timer_runs_on`` and ``signed_out`` are of that only device.
    ``other_users`` are by the name that a device gives itself; ``None``: it is not known."""

    device: str | None
    devices: list[dict[str, Any]] | None
    timer_runs_on: bool | None
    signed_out: bool | None
    other_users: dict[str, list[str]] | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """How many users a list has; not ``is_exact``: more than that."""

    users: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Page:
    """``next_cursor`` is ``None`` on the last page; ``count`` where nobody asked for it."""

    rows: list[UserRow]
    next_cursor: str | None
    freshness: Freshness
    count: Count | None = None


def installation_ids(row: UserWithDevicesRow) -> list[str]:
    """The ids of the phones of ``row`` that have not signed out. A device's name is such an id
    unless it is a ``device_info``, or the name of devices that have none."""
    if row.devices is not None:
        devices = row.devices
    else:
        only = {"device": row.device, "device_info": row.device_info, "signed_out": row.signed_out}
        devices = [only] if row.device is not None else []
    names = [own_name(d) for d in devices if not d.get("signed_out")]
    texts = {DEFAULT_DEVICE, *(d.get("device_info") for d in devices)}
    return [name for name in dict.fromkeys(names) if name not in texts]


def own_name(stored: dict[str, Any]) -> str:
    """What the device's phone calls itself: another one of the user may have borne it first."""
    return str(stored.get("twin_of") or stored["device"])
