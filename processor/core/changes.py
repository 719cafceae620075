"""Changes as ``presence.changes`` has them. PURE."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from processor.core.effects import LoggedChange
from schemas.log.changes import Change

_connections = msgspec.json.Decoder(list[str])


def change_id(partition: int, offset: int, index: int, ordinal: int) -> str:
    """``partition:offset:index:ordinal`` (design, section 6)."""
    return f"{partition}:{offset}:{index}:{ordinal}"


@lru_cache(maxsize=1024)
def rfc3339(ms: int) -> str:
    """Unix milliseconds as RFC 3339 UTC with milliseconds and ``Z``."""
    seconds, rest = divmod(ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def change_of(partition: int, logged: LoggedChange) -> Change:
    """The published form of a change."""
    changed = logged.changed
    return Change(
        id=change_id(partition, logged.offset, logged.index, logged.ordinal),
        at=rfc3339(changed.at_ms),
        user_id=changed.user_id,
        device=changed.device,
        reason=changed.reason,
        previous_state=changed.previous_state,
        state=changed.state,
        previous_screen=changed.previous_screen,
        screen=changed.screen,
        user_state=changed.user_state,
        user_screen=changed.user_screen,
        app_version=changed.app_version,
        platform=changed.platform,
        connections=list(changed.connections),
        previous_user_state=changed.previous_user_state,
        previous_user_screen=changed.previous_user_screen,
    )


def published_change(partition: int, row: tuple[Any, ...]) -> Change:
    """The same from a row of ``unpublished_changes`` in queries.sql."""
    offset, index, ordinal, at_ms, *fields = row
    fields[-3] = _connections.decode(fields[-3])
    return Change(change_id(partition, offset, index, ordinal), rfc3339(at_ms), *fields)
