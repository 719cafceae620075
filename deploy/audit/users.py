"""``presence`` and ``user_days`` held against what the log says of users. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from deploy.audit.columns import IN_PART, PRESENCE
from deploy.audit.differences import Difference, Differences, date_text
from deploy.audit.presence import visible
from deploy.audit.states import Device, PartitionState, User
from deploy.audit.timers import SURE_BEATS, timer_of

_TIMES: Final = ("changed_at", "online_since", "last_active", "expires_at")
_DEVICE: Final = (
    *("device", "state", "reason", "screen", "app_version", "device_info", "platform", "token"),
    *("signed_out", "changed_ms", "online_since_ms", "last_active_ms", "expires_ms"),
    "timer",
)


def compare_presence(
    state: PartitionState,
    rows: Iterable[tuple[Any, ...]],
    kept_from: int,
    differences: Differences,
) -> int:
    """How many rows were compared. ``kept_from``: whoever went before may have been removed."""
    checked = 0
    seen: set[str] = set()
    for _, *values in rows:
        row = dict(zip(PRESENCE, values, strict=True))
        user_id = row.pop("user_id")
        user = state.users.get(user_id)
        if user is None:
            if state.full:
                differences.add(_of_user(state, user_id, None, None, row))
            continue
        seen.add(user_id)
        if not state.full and user.known_from < 0:
            continue
        checked += 1
        log, stored = _as_row(user), _normal(row)
        names = list(PRESENCE[1:]) if state.full else list(IN_PART["presence"])
        _leave_out(state, user, names, log, stored)
        differing = [name for name in names if log[name] != stored[name]]
        if differing:
            told = {name: log[name] for name in differing}
            has = {name: stored[name] for name in differing}
            differences.add(_of_user(state, user_id, user, told, has))
    for user_id in state.users.keys() - seen:
        user = state.users[user_id]
        if user.state == "offline" and user.changed < kept_from:
            del state.users[user_id]  # new on coming back
        elif state.full or user.known_from >= 0:
            differences.add(_of_user(state, user_id, user, _as_row(user), None))
    return checked


def _leave_out(
    state: PartitionState,
    user: User,
    names: list[str],
    log: dict[str, Any],
    stored: dict[str, Any],
) -> None:
    """What is not in the row because it came to all users at once: the processor adds it when it
    reads the row."""
    stepped = user.touched <= state.step_offset
    graced = stepped or user.touched <= state.outage_offset
    gone = [*_TIMES] if stepped else ["expires_at"] if graced else []
    if user.state == "offline":
        gone.append("expires_at")
    names[:] = [name for name in names if name not in gone]
    for device in (*(log["devices"] or ()), *(stored["devices"] or ())):
        if graced or device["state"] == "offline":
            device["expires_ms"] = None
        if stepped:
            device |= dict.fromkeys(("changed_ms", "online_since_ms", "last_active_ms"))


def _as_row(user: User) -> dict[str, Any]:
    shown = visible(user)
    devices = list(user.devices.values())
    online = user.state != "offline"
    return {
        "name": user.name or None,
        "state": user.state,
        "screen": user.screen,
        "reason": user.reason,
        "changed_at": user.changed,
        "online_since": user.online_since,
        "last_active": max((d.last_active for d in devices), default=None),
        "device_count": sum(d.online for d in devices),
        "device": shown.device if shown else None,
        "app_version": shown.app_version if shown else None,
        "device_info": shown.device_info if shown else None,
        "platform": shown.platform if shown else None,
        "token": shown.token if shown else None,
        "expires_at": shown.deadline if shown and online else None,
        "signed_out": shown is not None and shown.signed_out,
        "ended_in_foreground": shown is not None and not online and shown.ended_in_foreground,
        "first_day": user.first_day,
        "active_day": user.active_day,
        "timer": timer_of(shown) if shown else None,
        "running_timers": sum(d.timer_beats == SURE_BEATS for d in devices),
        "devices": [_device(device) for device in devices] if len(devices) > 1 else None,
        "canary": user.canary,
    }


def _device(device: Device) -> dict[str, Any]:
    return {
        "device": device.device,
        "state": device.state,
        "reason": device.reason,
        "screen": device.screen,
        "app_version": device.app_version,
        "device_info": device.device_info,
        "platform": device.platform,
        "token": device.token,
        "signed_out": device.signed_out,
        "changed_ms": device.changed,
        "online_since_ms": device.online_since if device.online else None,
        "last_active_ms": device.last_active,
        "expires_ms": device.deadline if device.online else None,
        "timer": timer_of(device),
    }


def _normal(row: dict[str, Any]) -> dict[str, Any]:
    devices = msgspec.json.decode(row["devices"]) if row["devices"] else None
    kept = [{name: one.get(name) for name in _DEVICE} for one in devices or ()]
    timer = msgspec.json.decode(row["timer"]) if row["timer"] else None
    return {**row, "timer": timer, "devices": kept if len(kept) > 1 else None}


def _of_user(
    state: PartitionState,
    user_id: str,
    user: User | None,
    log: dict[str, Any] | None,
    stored: dict[str, Any] | None,
) -> Difference:
    return Difference(
        table="presence",
        partition=state.partition,
        row=f"user {user_id}",
        offset=user.touched if user is not None else None,
        user=user_id,
        log=log,
        stored=stored,
    )


def compare_days(
    state: PartitionState,
    found: dict[tuple[int, str], tuple[Any, ...]],
    rows: Iterable[tuple[Any, ...]],
    began_on: int,
    kept_from: int,
    is_known: Callable[[str], bool],
    differences: Differences,
) -> int:
    """``found``: is_new and what was used, by day and user. How many rows were compared."""
    checked = 0
    wanted = {key: row for key, row in found.items() if is_known(key[1]) and key[0] >= kept_from}
    for day, user_id, *stored in rows:
        log = wanted.pop((day, user_id), None)
        if log is not None:
            checked += 1
            # Whether a day is the first, and what was used before, only the whole log tells.
            if state.full and tuple(stored) != tuple(log):
                differences.add(_of_day(state, day, user_id, log, stored))
        elif state.full and (day, user_id) not in found:
            user = state.users.get(user_id)
            before = (
                user is not None
                and user.first_day is not None
                and user.active_day is not None
                and user.first_day <= day <= user.active_day
                and day <= began_on
            )
            if not before:
                differences.add(_of_day(state, day, user_id, None, stored))
    for (day, user_id), log in wanted.items():
        differences.add(_of_day(state, day, user_id, log, None))
    return checked


def _of_day(state: PartitionState, day: int, user_id: str, log: Any, stored: Any) -> Difference:
    columns = ("is_new", "app_version", "device_info", "platform")
    as_text = f"{date_text(day)} of user {user_id}"
    return Difference(
        table="user_days",
        partition=state.partition,
        row=as_text,
        user=user_id,
        log=dict(zip(columns, log, strict=True)) if log is not None else None,
        stored=dict(zip(columns, stored, strict=True)) if stored is not None else None,
    )
