"""What else a batch writes, as rows: changes, erasures, flags. PURE.

The types are those of the binary COPY, which has no casts.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from processor.core.effects import LoggedChange
from processor.core.privacy import Erasure, FlagChange

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
