"""One record of ``presence.changes``: a change of a device's state or screen (design, section 5).

The JSON Schema beside this module, ``changes.schema.json``, is the published contract; a test
holds the two together.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

State: TypeAlias = Literal["foreground", "background", "offline"]
Reason: TypeAlias = Literal[
    "started",
    "resumed",
    "navigated",
    "backgrounded",
    "logged_out",
    "timed_out",
    "disconnected",
    "opted_out",
    "erased",
    "evicted",
]
#: Why a span or a session ended; `continued`: it was open for 24 h, and goes on in another.
Ending: TypeAlias = Reason | Literal["continued"]
#: Those of them that are silence: how long somebody looked on is not known.
SILENT_ENDS: Final = ("timed_out", "disconnected")
#: The same as SQL, in queries ``{silent_ends}``.
SILENT_ENDS_SQL: Final = "({})".format(", ".join(f"'{end}'" for end in SILENT_ENDS))


class Change(msgspec.Struct, frozen=True):
    """``id`` is ``partition:offset:index:ordinal``: the same change always has the same id, so a
    consumer that remembers the last one of each partition drops repeats. Index -1 stands for what
    happened because time passed, before the record's first event. ``at`` is log time, RFC 3339
    with milliseconds. ``connections`` are the ids of the sockets that the change signed out. What
    the user showed before is ``None`` where it is not known: in records of 0.1, and in a few that
    are published once more after a crash."""

    id: str
    at: str
    user_id: str
    device: str
    reason: Reason
    previous_state: State
    state: State
    previous_screen: str | None
    screen: str | None
    user_state: State
    user_screen: str | None
    app_version: str | None
    platform: str | None
    connections: list[str]
    previous_user_state: State | None = None
    previous_user_screen: str | None = None
