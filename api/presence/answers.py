"""From rows to what callers see (design, section 8): names, times, null for unknown. PURE."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeAlias

from msgspec import UNSET, UnsetType
from msgspec.structs import asdict

from api.freshness import Freshness
from api.http import words
from api.http.answers import (
    Answer,
    AsOf,
    MembersAway,
    NextCursor,
    Stale,
    count,
    described,
    instant,
    one_of,
    told,
)
from api.periods.instants import rfc3339
from api.presence.rows import UserRow, UserWithDevicesRow, own_name
from schemas.log.changes import Reason, State

_STATE_RANK: Final = {"foreground": 0, "background": 1, "offline": 2}

WindowSeconds: TypeAlias = Annotated[
    float,
    told("The silence after which a device is offline, in seconds.", 300, exclusiveMinimum=0),
]


class CountByState(Answer):
    foreground: Annotated[int, count("With the app in front.", 1031)]
    background: Annotated[int, count("With the app in the background.", 252)]


class Count(Answer):
    count: Annotated[int, count("Users who are online: the sum of `by_state`.", 1283)]
    by_state: CountByState
    as_of: AsOf
    window_seconds: WindowSeconds
    stale: Stale
    members_away: MembersAway = UNSET


_State: TypeAlias = Annotated[State, one_of("`foreground`, `background` or `offline`.", State)]
_Reason: TypeAlias = Annotated[
    Reason | None,
    one_of("Why the state or the screen is what it is; `null`: not kept so far back.", Reason),
]
_Screen: TypeAlias = Annotated[
    str | None,
    told("The screen shown; in the background the last one. `null`: none was named.", "Cart"),
]
_LastActive: TypeAlias = Annotated[
    str | None,
    instant(
        "Log time of the last sign of life; `null` at an instant of the past.",
        "2026-03-30T11:59:41.007Z",
    ),
]
_OnlineSince: TypeAlias = Annotated[
    str | None,
    instant("Since when without a break; `null` if offline.", "2026-03-30T11:42:10.250Z"),
]
_ChangedAt: TypeAlias = Annotated[
    str | None, instant("When state or screen changed last.", "2026-03-30T11:58:02.114Z")
]

_At: TypeAlias = Annotated[
    str, instant("The instant that was asked for, if one was.", "2026-03-30T11:50:00.000Z")
]


class User(Answer):
    """A user; screen, version, device and platform are one device's."""

    user_id: Annotated[str, described(words.USER_ID)]
    name: Annotated[str | None, told("The token's name claim.", "Ada Lovelace")]
    state: _State
    reason: _Reason
    screen: _Screen
    app_version: words.AppVersion
    device_info: words.DeviceInfo
    platform: words.Platform
    last_active: _LastActive
    online_since: _OnlineSince
    changed_at: _ChangedAt
    device_count: Annotated[int, count("Devices that are online.", 1)]
    canary: (
        Annotated[bool, told("Always `true`: a synthetic user, who is in no count.", True)]
        | UnsetType
    ) = UNSET


#: What every user has, in the order of a file's columns.
USER_FIELDS: Final = tuple(name for name in User.__struct_fields__ if name != "canary")


class Device(Answer):
    """A device of a user."""

    device: Annotated[str, told("The device's key.", "phone-1")]
    state: _State
    reason: _Reason
    screen: _Screen
    app_version: words.AppVersion
    device_info: words.DeviceInfo
    platform: words.Platform
    last_active: _LastActive
    online_since: _OnlineSince
    changed_at: _ChangedAt
    timer_runs_on: Annotated[
        bool | None,
        told(
            "The app's timer runs on in the background: the device looks as if it were in the "
            "foreground, and nothing tells of a person. `null` at an instant of the past.",
            False,
        ),
    ]
    twin_of: Annotated[
        str | None,
        told(
            "The name that the phone gives itself, if another phone of the user bore it first: an "
            "installation id that a restored backup brought along, or a `device_info` that both "
            "say and nothing else. `null` at an instant of the past.",
            "phone-1",
        ),
    ]
    other_users: Annotated[
        list[Annotated[str, described(words.USER_ID)]] | None,
        told(
            "Other users who began a session under the same installation id within the days that "
            "changes are kept, the latest first, at most eight, and have not logged out there: one "
            "phone whose user changed without a logout, or a copied id. `null` at an instant of "
            "the past."
        ),
    ]


class UserWithDevices(User, kw_only=True):
    """A user with every device. `at`, `as_of` and `stale` are there if `at` was given."""

    devices: Annotated[
        list[Device],
        told(
            "All that are remembered, those online first; at an instant of the past those that "
            "were online."
        ),
    ]
    offline_since: Annotated[
        str | None, instant("`null` while online.", "2026-03-30T12:03:10.000Z")
    ]
    at: _At | UnsetType = UNSET
    as_of: AsOf | UnsetType = UNSET
    stale: Stale | UnsetType = UNSET


class Users(Answer, kw_only=True):
    """A page of users."""

    items: list[User]
    next_cursor: NextCursor
    at: _At | UnsetType = UNSET
    count: (
        Annotated[int, count("Users in the whole list, if `count` was `true`.", 37)] | UnsetType
    ) = UNSET
    count_is_exact: (
        Annotated[bool, told("`false`: there are more than `count`.", True)] | UnsetType
    ) = UNSET
    as_of: AsOf
    stale: Stale


class LookedUp(Answer):
    items: Annotated[list[User], told("Those who are known, in the order asked for.")]
    unknown: Annotated[
        list[Annotated[str, told("A user id.", "bob")]], told("Those who are not known.")
    ]
    as_of: AsOf
    stale: Stale


def count_answer(
    freshness: Freshness, *, stale_after_seconds: float, offline_after_seconds: float
) -> Count:
    """``/api/online-users-count``. Without a deployment the count is 0 and stale."""
    return Count(
        count=freshness.foreground + freshness.background,
        by_state=CountByState(freshness.foreground, freshness.background),
        as_of=rfc3339(freshness.as_of),
        window_seconds=freshness.window_seconds(offline_after_seconds),
        stale=freshness.stale(stale_after_seconds),
        members_away=UNSET if freshness.members_away is None else freshness.members_away,
    )


def user_answer(row: UserRow) -> User:
    """A user as in lists."""
    return User(
        user_id=row.user_id,
        name=row.name,
        state=row.state,
        reason=row.reason,
        screen=row.screen,
        app_version=row.app_version,
        device_info=row.device_info,
        platform=row.platform,
        last_active=rfc3339(row.last_active),
        online_since=rfc3339(row.online_since),
        changed_at=rfc3339(row.changed_at),
        device_count=row.device_count,
        canary=row.canary or UNSET,
    )


def single_user_answer(row: UserWithDevicesRow, **travelled: Any) -> UserWithDevices:
    """A user with every device remembered, those online first, then the last active ones.
    ``travelled`` is what is said of an instant of the past."""
    if row.devices is not None:
        devices = [_stored_device(device, row.other_users) for device in row.devices]
    else:
        devices = [_only_device(row, row.device)] if row.device is not None else []
    devices.sort(key=lambda device: device.device)
    devices.sort(key=lambda device: device.last_active or "", reverse=True)
    devices.sort(key=lambda device: _STATE_RANK[device.state])
    return UserWithDevices(
        **asdict(user_answer(row)),
        devices=devices,
        offline_since=rfc3339(row.changed_at) if row.state == "offline" else None,
        **travelled,
    )


def _only_device(row: UserWithDevicesRow, name: str) -> Device:
    return Device(
        device=name,
        state=row.state,
        reason=row.reason,
        screen=row.screen,
        app_version=row.app_version,
        device_info=row.device_info,
        platform=row.platform,
        last_active=rfc3339(row.last_active),
        online_since=rfc3339(row.online_since),
        changed_at=rfc3339(row.changed_at),
        timer_runs_on=row.timer_runs_on,
        twin_of=None,
        other_users=None if row.other_users is None else row.other_users.get(name, []),
    )


def _stored_device(stored: dict[str, Any], other_users: dict[str, list[str]] | None) -> Device:
    """Of an item of ``presence.devices``; its token identity stays where it is."""
    return Device(
        device=stored["device"],
        state=stored["state"],
        reason=stored["reason"],
        screen=stored.get("screen"),
        app_version=stored.get("app_version"),
        device_info=stored.get("device_info"),
        platform=stored.get("platform"),
        last_active=_rfc3339_of_ms(stored.get("last_active_ms")),
        online_since=_rfc3339_of_ms(stored.get("online_since_ms")),
        changed_at=_rfc3339_of_ms(stored.get("changed_ms")),
        timer_runs_on=_timer_runs_on(stored),
        twin_of=stored.get("twin_of"),
        other_users=None if other_users is None else other_users.get(own_name(stored), []),
    )


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
