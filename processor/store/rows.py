"""Users as rows of ``presence`` and back. PURE.

A one-device user is one flat row; ``devices`` is written only for the others (design, section 7),
and for a device of which more is to be remembered than the row has columns for.
"""

from __future__ import annotations

import sys
from typing import Any, Final, cast

import msgspec

from processor.core.effects import LoggedChange
from processor.core.model import Device, SignOut, Sockets, Stay, Timer, User, shared, visible_device
from processor.core.privacy import Erasure, FlagChange
from processor.store.presence_row import PresenceRow
from schemas.log.changes import Reason, State

CHANGE_TYPES: Final = [
    "int8",
    "int4",
    "int8",
    "int4",
    "int4",
    "text",
    "text",
    "text",
    "text",
    "text",
    "text",
    "text",
    "text",
    "text",
    "text",
    "text",
    "text",
]
ERASURE_TYPES: Final = [*("int4", "int4", "text", "bytea", "text", "text", "int8", "int8", "int8")]
FLAG_TYPES: Final = ["bytea", "int4", "bool", *["int8"] * 4]
OFFSET_TYPES: Final = ["int4", *["int8"] * 6, *["text"] * 4]
OUTAGE_TYPES: Final = ["int4", "text", "int8", "int8"]
CLOCK_STEP_TYPES: Final = ["int4", "int8", "int8", "int8"]

_devices = msgspec.json.Decoder(tuple[Device, ...])
_sign_outs = msgspec.json.Decoder(tuple[SignOut, ...])
_sockets = msgspec.json.Decoder(Sockets)
_stay = msgspec.json.Decoder(Stay)
_timer = msgspec.json.Decoder(Timer)


def presence_row(user: User, partition: int, log_offset: int) -> PresenceRow:
    """The row of a user; ``log_offset`` is of the last record that changed the user."""
    shown = visible_device(user.devices)
    several = len(user.devices) > 1
    last_active_ms = shown.last_active_ms if shown is not None else None
    device_count = int(shown is not None and user.state != "offline")
    if several:
        last_active_ms = max(d.last_active_ms for d in user.devices)
        device_count = sum(d.online for d in user.devices)
    in_columns = shown is not None and not several and _is_in_columns(user, shown)
    return PresenceRow(
        user_id=user.user_id,
        partition=partition,
        name=user.name,
        state=user.state,
        reason=user.reason,
        screen=user.screen,
        changed_ms=user.changed_ms,
        online_since_ms=user.online_since_ms if shown is not None else None,
        last_active_ms=last_active_ms,
        device_count=device_count,
        device=shown.device if shown is not None else None,
        app_version=shown.app_version if shown is not None else None,
        device_info=shown.device_info if shown is not None else None,
        platform=shown.platform if shown is not None else None,
        token=shown.token if shown is not None else None,
        expires_ms=shown.expires_ms if shown is not None else None,
        signed_out=shown is not None and shown.signed_out,
        devices=None if in_columns else _text(user.devices),
        sign_outs=_text(user.sign_outs) if user.sign_outs else None,
        sockets=_text(shown.sockets if shown is not None else None),
        ended_in_foreground=shown is not None and shown.ended_in_foreground,
        log_offset=log_offset,
        stay=_text(shown.stay if shown is not None else None),
        first_day=user.first_day,
        active_day=user.active_day,
        timer=_text(shown.timer if shown is not None else None),
        running_timers=sum(d.timer is not None and d.timer.runs_on for d in user.devices),
    )


def _is_in_columns(user: User, only: Device) -> bool:
    """Whether the columns of ``user`` say everything of their only device: not of one that others
    left behind, by an erasure of what is older."""
    return (
        not only.replaced
        and only.twin_of is None
        and only.changed_ms == user.changed_ms
        and only.online_since_ms == user.online_since_ms
        and only.reason == user.reason
    )


def _text(value: object | None) -> str | None:
    """JSON, as the column holds it."""
    return msgspec.json.encode(value).decode() if value is not None else None


def user_of_row(values: tuple[Any, ...]) -> tuple[User, int]:
    """The user of a row of ``load_online`` or ``load_users``, and the row's ``log_offset``."""
    row = PresenceRow._make(values)
    # A million rows say the same few words: one object for each (``model.shared``).
    state, reason = cast(State, sys.intern(row.state)), cast(Reason, sys.intern(row.reason))
    several = row.devices
    remembered = (_device_of(row),) if several is None else _devices.decode(several)
    user = User(
        user_id=row.user_id,
        state=state,
        reason=reason,
        changed_ms=row.changed_ms,
        name=row.name,
        screen=shared(row.screen),
        online_since_ms=row.online_since_ms,
        devices=remembered,
        sign_outs=_sign_outs.decode(row.sign_outs) if row.sign_outs is not None else (),
        first_day=row.first_day,
        active_day=row.active_day,
    )
    return user, row.log_offset


def _device_of(row: PresenceRow) -> Device:
    """The only device, whose fields are in the columns of its user: none of these is null then."""
    assert row.device is not None  # noqa: S101
    assert row.last_active_ms is not None  # noqa: S101
    assert row.expires_ms is not None  # noqa: S101
    return Device(
        # Named by what it calls itself, it shares that name with all of its model.
        device=sys.intern(row.device) if row.device == row.device_info else row.device,
        state=cast(State, sys.intern(row.state)),
        reason=cast(Reason, sys.intern(row.reason)),
        changed_ms=row.changed_ms,
        last_active_ms=row.last_active_ms,
        expires_ms=row.expires_ms,
        online_since_ms=row.online_since_ms,
        screen=shared(row.screen),
        app_version=shared(row.app_version),
        device_info=shared(row.device_info),
        platform=shared(row.platform),
        token=row.token,
        signed_out=row.signed_out,
        sockets=_sockets.decode(row.sockets) if row.sockets is not None else None,
        ended_in_foreground=row.ended_in_foreground,
        stay=_stay.decode(row.stay) if row.stay is not None else None,
        timer=_timer.decode(row.timer) if row.timer is not None else None,
    )


def change_row(change: LoggedChange, partition: int) -> tuple[Any, ...]:
    """The row of ``batch_changes`` in queries.sql."""
    c = change.changed
    return (
        c.at_ms,
        partition,
        change.offset,
        change.index,
        change.ordinal,
        c.user_id,
        c.device,
        c.reason,
        c.previous_state,
        c.state,
        c.previous_screen,
        c.screen,
        c.user_state,
        c.user_screen,
        c.app_version,
        c.platform,
        msgspec.json.encode(c.connections).decode() if c.connections else None,
    )


def erasure_row(ordinal: int, erasure: Erasure, partition: int) -> tuple[Any, ...]:
    """The row of ``batch_erasures`` in privacy.sql."""
    return (
        ordinal,
        partition,
        erasure.user_id,
        erasure.user_hash,
        erasure.request,
        erasure.reason,
        erasure.offset,
        erasure.at_ms,
        erasure.before_ms,
    )


def flag_row(user_hash: bytes, flag: FlagChange, partition: int) -> tuple[Any, ...]:
    """The row of ``batch_flags`` in privacy.sql."""
    return (
        user_hash,
        partition,
        flag.opted_out,
        flag.offset,
        flag.at_ms,
        flag.erased_ms,
        flag.fence_until_ms,
    )
