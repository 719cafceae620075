"""Users as rows of ``presence`` and back. PURE.

A one-device user is one flat row; ``devices`` is written only for the others (design, section 7),
and for a device of which more is to be remembered than the row has columns for.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from processor.core.effects import LoggedChange
from processor.core.model import Device, SignOut, Sockets, Stay, Timer, User, visible_device
from processor.core.privacy import Erasure, FlagChange

#: PostgreSQL's types of the COPY columns: the binary format has no casts.
PRESENCE_TYPES: Final = [
    "text",
    "int4",
    "text",
    "text",
    "text",
    "text",
    "int8",
    "int8",
    "int8",
    "int2",
    "text",
    "text",
    "text",
    "text",
    "text",
    "int8",
    "bool",
    "text",
    "text",
    "text",
    "bool",
    "int8",
    "text",
    "int4",
    "int4",
    "text",
    "int2",
]
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


def presence_row(user: User, partition: int, log_offset: int) -> tuple[Any, ...]:
    """The row of ``batch_presence`` in queries.sql; ``log_offset`` is of the last record that
    changed the user."""
    shown = visible_device(user.devices)
    sign_outs = msgspec.json.encode(user.sign_outs).decode() if user.sign_outs else None
    head = (user.user_id, partition, user.name, user.state, user.reason, user.screen)
    if shown is None:
        nothing = (None,) * 6
        times = (user.changed_ms, None, None, 0)
        rest = (False, "[]", sign_outs, None, False, log_offset, None)
        return (*head, *times, *nothing, *rest, user.first_day, user.active_day, None, 0)
    several = len(user.devices) > 1
    in_columns = not several and not shown.replaced
    return (
        *head,
        user.changed_ms,
        user.online_since_ms,
        max(d.last_active_ms for d in user.devices) if several else shown.last_active_ms,
        sum(d.online for d in user.devices) if several else int(user.state != "offline"),
        shown.device,
        shown.app_version,
        shown.device_info,
        shown.platform,
        shown.token,
        shown.expires_ms,
        shown.signed_out,
        None if in_columns else msgspec.json.encode(user.devices).decode(),
        sign_outs,
        msgspec.json.encode(shown.sockets).decode() if shown.sockets is not None else None,
        shown.ended_in_foreground,
        log_offset,
        msgspec.json.encode(shown.stay).decode() if shown.stay is not None else None,
        user.first_day,
        user.active_day,
        msgspec.json.encode(shown.timer).decode() if shown.timer is not None else None,
        sum(d.timer is not None and d.timer.runs_on for d in user.devices),
    )


def user_of_row(row: tuple[Any, ...]) -> tuple[User, int]:
    """The user of a row of ``load_online`` or ``load_users``, and the row's ``log_offset``."""
    (
        user_id,
        name,
        state,
        reason,
        screen,
        changed_ms,
        online_since_ms,
        last_active_ms,
        device,
        app_version,
        device_info,
        platform,
        token,
        expires_ms,
        signed_out,
        devices,
        sign_outs,
        sockets,
        ended_in_foreground,
        log_offset,
        stay,
        first_day,
        active_day,
        timer,
    ) = row
    if devices is not None:
        remembered = _devices.decode(devices)
    else:
        remembered = (
            Device(
                device=device,
                state=state,
                reason=reason,
                changed_ms=changed_ms,
                last_active_ms=last_active_ms,
                expires_ms=expires_ms,
                online_since_ms=online_since_ms,
                screen=screen,
                app_version=app_version,
                device_info=device_info,
                platform=platform,
                token=token,
                signed_out=signed_out,
                sockets=_sockets.decode(sockets) if sockets is not None else None,
                ended_in_foreground=ended_in_foreground,
                stay=_stay.decode(stay) if stay is not None else None,
                timer=_timer.decode(timer) if timer is not None else None,
            ),
        )
    user = User(
        user_id=user_id,
        state=state,
        reason=reason,
        changed_ms=changed_ms,
        name=name,
        screen=screen,
        online_since_ms=online_since_ms,
        devices=remembered,
        sign_outs=_sign_outs.decode(sign_outs) if sign_outs is not None else (),
        first_day=first_day,
        active_day=active_day,
    )
    return user, log_offset


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
