"""The columns of ``presence``, stated once. PURE.

:class:`PresenceRow` is a row as it is copied to PostgreSQL and read from there, in this order. From
it come the types of the COPY, the table that is copied to, and the parts of ``queries.sql`` that
insert, update and read: :data:`PRESENCE_PARTS`. A new column is a field here and a migration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Final, NamedTuple, get_type_hints

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
#: Unix milliseconds here, ``timestamptz`` there.
_TIME: Final = Kind("bigint", "int8", "from_ms({})", "to_ms({})")
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


def _kinds() -> dict[str, Kind]:
    hints = get_type_hints(PresenceRow, include_extras=True)
    return {name: hints[name].__metadata__[0] for name in PresenceRow._fields}


def _parts() -> dict[str, str]:
    kinds = _kinds()
    batch = {field: f'"{field}"' for field in kinds}
    stored = {field: f'"{kind.name or field}"' for field, kind in kinds.items()}
    return {
        "batch_presence_columns": ", ".join(f"{batch[f]} {kind.type}" for f, kind in kinds.items()),
        "presence_columns": ", ".join(stored.values()),
        "presence_values": ", ".join(k.stored.format(batch[f]) for f, k in kinds.items()),
        "presence_updates": ", ".join(
            f"{name} = EXCLUDED.{name}" for field, name in stored.items() if field != "user_id"
        ),
        "presence_read": ", ".join(k.read.format(stored[f]) for f, k in kinds.items()),
    }


#: PostgreSQL's types of the COPY columns.
PRESENCE_TYPES: Final = [kind.copied for kind in _kinds().values()]
#: What ``{name}`` stands for in ``queries.sql``.
PRESENCE_PARTS: Final = _parts()
