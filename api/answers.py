"""From rows to what callers see (design, section 8): names, times, null for unknown. PURE."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from api.freshness import Freshness
from api.rows import UserRow, UserWithDevices

_STATE_RANK: Final = {"foreground": 0, "background": 1, "offline": 2}


def rfc3339(at: datetime | None) -> str | None:
    """UTC with milliseconds and ``Z``."""
    if at is None:
        return None
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def count_answer(
    freshness: Freshness, *, stale_after_seconds: float, offline_after_seconds: float
) -> dict[str, Any]:
    """``/api/online-users-count``. Without a deployment the count is 0 and stale."""
    return {
        "count": freshness.foreground + freshness.background,
        "by_state": {"foreground": freshness.foreground, "background": freshness.background},
        "as_of": rfc3339(freshness.as_of),
        "window_seconds": freshness.window_seconds(offline_after_seconds),
        "stale": freshness.stale(stale_after_seconds),
    }


def user_answer(row: UserRow) -> dict[str, Any]:
    """A user as in lists."""
    return {
        "user_id": row.user_id,
        "name": row.name,
        "state": row.state,
        "reason": row.reason,
        "screen": row.screen,
        "app_version": row.app_version,
        "device_info": row.device_info,
        "platform": row.platform,
        "last_active": rfc3339(row.last_active),
        "online_since": rfc3339(row.online_since),
        "changed_at": rfc3339(row.changed_at),
        "device_count": row.device_count,
    }


def single_user_answer(row: UserWithDevices) -> dict[str, Any]:
    """A user with every device remembered, those online first, then the last active ones."""
    if row.devices is not None:
        devices = [_stored_device(device) for device in row.devices]
    else:
        devices = [_only_device(row)] if row.device is not None else []
    devices.sort(key=lambda device: device["device"])
    devices.sort(key=lambda device: device["last_active"] or "", reverse=True)
    devices.sort(key=lambda device: _STATE_RANK[device["state"]])
    return {
        **user_answer(row),
        "devices": devices,
        "offline_since": rfc3339(row.changed_at) if row.state == "offline" else None,
    }


def _only_device(row: UserWithDevices) -> dict[str, Any]:
    return {
        "device": row.device,
        "state": row.state,
        "reason": row.reason,
        "screen": row.screen,
        "app_version": row.app_version,
        "device_info": row.device_info,
        "platform": row.platform,
        "last_active": rfc3339(row.last_active),
        "online_since": rfc3339(row.online_since),
        "changed_at": rfc3339(row.changed_at),
        "timer_runs_on": row.timer_runs_on,
    }


def _stored_device(stored: dict[str, Any]) -> dict[str, Any]:
    """Of an item of ``presence.devices``; its token identity stays where it is."""
    return {
        "device": stored["device"],
        "state": stored["state"],
        "reason": stored["reason"],
        "screen": stored.get("screen"),
        "app_version": stored.get("app_version"),
        "device_info": stored.get("device_info"),
        "platform": stored.get("platform"),
        "last_active": _rfc3339_of_ms(stored.get("last_active_ms")),
        "online_since": _rfc3339_of_ms(stored.get("online_since_ms")),
        "changed_at": _rfc3339_of_ms(stored.get("changed_ms")),
        "timer_runs_on": _timer_runs_on(stored),
    }


def _timer_runs_on(stored: dict[str, Any]) -> bool | None:
    """``None`` at an instant of the past: it is not kept."""
    if "timer" not in stored:
        return None
    return bool(stored["timer"]) and bool(stored["timer"].get("runs_on"))


def _rfc3339_of_ms(ms: int | None) -> str | None:
    if ms is None:
        return None
    at = datetime.fromtimestamp(ms // 1000, UTC)
    return rfc3339(at.replace(microsecond=ms % 1000 * 1000))
