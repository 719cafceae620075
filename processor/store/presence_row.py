"""The columns of ``presence`` and ``signs_of_life``, stated once, and users as rows and back. PURE.

:class:`PresenceRow` is a row as it is copied to PostgreSQL and read from there, in this order. From
it come the types of the COPY, the table that is copied to, and the parts of ``queries.sql`` that
insert, update and read: :data:`PRESENCE_PARTS`. A new column is a field here and a migration.
:class:`SignOfLifeRow` has those that a sign of life changes; what is read is the newer of both.

A one-device user is one flat row; ``devices`` is written only for the others (design, section 7),
and for a device of which more is to be remembered than the row has columns for.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, NamedTuple, cast, get_type_hints

import msgspec

from processor.core.model import Device, SignOut, Sockets, Stay, Timer, User, shared, visible_device
from processor.core.signs_of_life import is_flat
from schemas.log.changes import Reason, State


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of a column come and go: its type in ``batch_presence`` and in the binary COPY,
    which has no casts; the expressions to ``presence`` and back, in which ``{}`` is the column; and
    its name in ``presence``, where it is another."""

    type: str
    copied: str
    stored: str = "{}"
    read: str = "{}"
    name: str = ""

    def of(self, name: str) -> Kind:
        """The same, of a column with this name in ``presence``."""
        return replace(self, name=name)


_TEXT: Final = Kind("text", "text")
_SMALL: Final = Kind("smallint", "int2")
_INTEGER: Final = Kind("integer", "int4")
_BIG: Final = Kind("bigint", "int8")
_BOOLEAN: Final = Kind("boolean", "bool")
_STATE: Final = Kind("text", "text", "{}::presence_state", "{}::text")
_REASON: Final = Kind("text", "text", "{}::change_reason", "{}::text")
_JSON: Final = Kind("text", "text", "{}::jsonb", "{}::text")
#: Unix milliseconds here, ``timestamptz`` there. Read as a double, exact to less than a millisecond
#: until long after year 5000, which costs a fifth of the exact decimal that ``to_ms`` goes by.
_TIME: Final = Kind("bigint", "int8", "from_ms({})", "(date_part('epoch', {}) * 1000)::bigint")
#: Days since 1970 here, ``date`` there.
_DAY: Final = Kind("integer", "int4", "date '1970-01-01' + {}", "{} - date '1970-01-01'")


class PresenceRow(NamedTuple):
    """A user of ``presence``."""

    user_id: Annotated[str, Kind('text COLLATE "C"', "text")]
    partition: Annotated[int, _INTEGER]
    name: Annotated[str | None, _TEXT]
    state: Annotated[State, _STATE]
    reason: Annotated[Reason, _REASON]
    screen: Annotated[str | None, _TEXT]
    changed_ms: Annotated[int, _TIME.of("changed_at")]
    online_since_ms: Annotated[int | None, _TIME.of("online_since")]
    last_active_ms: Annotated[int | None, _TIME.of("last_active")]
    device_count: Annotated[int, _SMALL]
    device: Annotated[str | None, _TEXT]
    app_version: Annotated[str | None, _TEXT]
    device_info: Annotated[str | None, _TEXT]
    platform: Annotated[str | None, _TEXT]
    token: Annotated[str | None, _TEXT]
    expires_ms: Annotated[int | None, _TIME.of("expires_at")]
    signed_out: Annotated[bool, _BOOLEAN]
    devices: Annotated[str | None, _JSON]
    sign_outs: Annotated[str | None, _JSON]
    sockets: Annotated[str | None, _JSON]
    ended_in_foreground: Annotated[bool, _BOOLEAN]
    #: Of the last record that changed the user.
    log_offset: Annotated[int, _BIG]
    stay: Annotated[str | None, _JSON]
    first_day: Annotated[int | None, _DAY]
    active_day: Annotated[int | None, _DAY]
    timer: Annotated[str | None, _JSON]
    running_timers: Annotated[int, _SMALL]
    canary: Annotated[bool, _BOOLEAN]


class SignOfLifeRow(NamedTuple):
    """A user of ``signs_of_life``: fields of :class:`PresenceRow`, by the same names."""

    user_id: str
    last_active_ms: int
    expires_ms: int
    token: str | None
    sockets: str | None
    #: ``None``: as in ``presence``.
    timer: str | None
    log_offset: int


def _kinds() -> dict[str, Kind]:
    hints = get_type_hints(PresenceRow, include_extras=True)
    return {name: hints[name].__metadata__[0] for name in PresenceRow._fields}


def _parts() -> dict[str, str]:
    kinds = _kinds()
    batch = {field: f'"{field}"' for field in kinds}
    stored = {field: f'"{kind.name or field}"' for field, kind in kinds.items()}
    heard = SignOfLifeRow._fields
    return {
        "batch_presence_columns": ", ".join(f"{batch[f]} {kind.type}" for f, kind in kinds.items()),
        "presence_columns": ", ".join(stored.values()),
        "presence_values": ", ".join(k.stored.format(batch[f]) for f, k in kinds.items()),
        "presence_updates": ", ".join(
            f"{name} = EXCLUDED.{name}" for field, name in stored.items() if field != "user_id"
        ),
        "presence_read": ", ".join(k.read.format(stored[f]) for f, k in kinds.items()),
        "batch_sign_columns": ", ".join(f"{batch[f]} {kinds[f].type}" for f in heard),
        "sign_columns": ", ".join(stored[f] for f in heard),
        "sign_values": ", ".join(kinds[f].stored.format(f"b.{batch[f]}") for f in heard),
        "sign_updates": ", ".join(
            f"{stored[f]} = {kinds[f].stored.format(f'b.{batch[f]}')}"
            for f in heard
            if f != "user_id"
        ),
        "sign_upserts": ", ".join(
            f"{stored[f]} = EXCLUDED.{stored[f]}" for f in heard if f != "user_id"
        ),
    }


#: PostgreSQL's types of the COPY columns.
PRESENCE_TYPES: Final = [kind.copied for kind in _kinds().values()]
SIGN_OF_LIFE_TYPES: Final = [_kinds()[field].copied for field in SignOfLifeRow._fields]
#: What ``{name}`` stands for in ``queries.sql``.
PRESENCE_PARTS: Final = _parts()

_devices = msgspec.json.Decoder(tuple[Device, ...])
_sign_outs = msgspec.json.Decoder(tuple[SignOut, ...])
_sockets = msgspec.json.Decoder(Sockets)
_stay = msgspec.json.Decoder(Stay)
_timer = msgspec.json.Decoder(Timer)


def presence_row(user: User, partition: int, log_offset: int) -> PresenceRow:
    """The row of a user; ``log_offset`` is of the last record that changed the user."""
    if is_flat(user):
        return _flat_row(user, user.devices[0], partition, log_offset)
    shown = visible_device(user.devices)
    several = len(user.devices) > 1
    last_active_ms = shown.last_active_ms if shown is not None else None
    device_count = int(shown is not None and user.state != "offline")
    if several:
        last_active_ms = max(d.last_active_ms for d in user.devices)
        device_count = sum(d.online for d in user.devices)
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
        devices=_text(user.devices),
        sign_outs=_text(user.sign_outs) if user.sign_outs else None,
        sockets=_text(shown.sockets if shown is not None else None),
        ended_in_foreground=shown is not None and shown.ended_in_foreground,
        log_offset=log_offset,
        stay=_text(shown.stay if shown is not None else None),
        first_day=user.first_day,
        active_day=user.active_day,
        timer=_text(shown.timer if shown is not None else None),
        running_timers=sum(d.timer is not None and d.timer.runs_on for d in user.devices),
        canary=user.canary,
    )


def _flat_row(user: User, device: Device, partition: int, log_offset: int) -> PresenceRow:
    """As :func:`presence_row`, of the usual user, in less than half of the time: every navigation
    has one."""
    sockets, stay, timer = device.sockets, device.stay, device.timer
    return PresenceRow(
        user_id=user.user_id,
        partition=partition,
        name=user.name,
        state=user.state,
        reason=user.reason,
        screen=user.screen,
        changed_ms=user.changed_ms,
        online_since_ms=user.online_since_ms,
        last_active_ms=device.last_active_ms,
        device_count=1 if user.state != "offline" else 0,
        device=device.device,
        app_version=device.app_version,
        device_info=device.device_info,
        platform=device.platform,
        token=device.token,
        expires_ms=device.expires_ms,
        signed_out=device.signed_out,
        devices=None,
        sign_outs=_text(user.sign_outs) if user.sign_outs else None,
        sockets=None if sockets is None else _text(sockets),
        ended_in_foreground=device.ended_in_foreground,
        log_offset=log_offset,
        stay=None if stay is None else _text(stay),
        first_day=user.first_day,
        active_day=user.active_day,
        timer=None if timer is None else _text(timer),
        running_timers=1 if timer is not None and timer.runs_on else 0,
        canary=user.canary,
    )


def sign_of_life_row(user: User, log_offset: int) -> SignOfLifeRow:
    """What the last sign of life of a user left of their only device, where it changed nothing
    else; ``log_offset`` is of its record."""
    device = user.devices[0]
    return SignOfLifeRow(
        user.user_id,
        device.last_active_ms,
        device.expires_ms,
        device.token,
        _text(device.sockets),
        _text(device.timer),
        log_offset,
    )


def _text(value: object | None) -> str | None:
    """JSON, as the column holds it."""
    return msgspec.json.encode(value).decode() if value is not None else None


def user_of_row(values: tuple[Any, ...]) -> tuple[User, int]:
    """The user of a row of ``load_online`` or ``load_users``, and the row's ``log_offset``."""
    row = PresenceRow._make(values)
    # A million rows say the same few words: one object for each (``model.shared``).
    state, reason = cast(State, sys.intern(row.state)), cast(Reason, sys.intern(row.reason))
    screen = shared(row.screen)
    if row.devices is None:
        remembered: tuple[Device, ...] = (_device_of(row, state, reason, screen),)
    else:
        remembered = _devices.decode(row.devices)
    user = User(
        user_id=row.user_id,
        state=state,
        reason=reason,
        changed_ms=row.changed_ms,
        name=row.name,
        screen=screen,
        online_since_ms=row.online_since_ms,
        devices=remembered,
        sign_outs=_sign_outs.decode(row.sign_outs) if row.sign_outs is not None else (),
        first_day=row.first_day,
        active_day=row.active_day,
        canary=row.canary,
    )
    return user, row.log_offset


def _device_of(row: PresenceRow, state: State, reason: Reason, screen: str | None) -> Device:
    """The only device, whose fields are in the columns of its user: none of these is null then."""
    assert row.device is not None  # noqa: S101
    assert row.last_active_ms is not None  # noqa: S101
    assert row.expires_ms is not None  # noqa: S101
    return Device(
        # Named by what it calls itself, it shares that name with all of its model.
        device=sys.intern(row.device) if row.device == row.device_info else row.device,
        state=state,
        reason=reason,
        changed_ms=row.changed_ms,
        last_active_ms=row.last_active_ms,
        expires_ms=row.expires_ms,
        online_since_ms=row.online_since_ms,
        screen=screen,
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
