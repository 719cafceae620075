"""Whom a live audience tells: each user once in a window of log time. PURE.

1. A timer is told unless another one of the same user was told within the window, before or after
   it: a replay tells of what was long ago.
2. The very same timer is told again: it was not delivered, or its cursor was lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Telling:
    """``timer`` is the id of what is told, due at ``at_ms`` of log time."""

    user_id: str
    timer: str
    at_ms: int


def tellings(
    due: Iterable[Telling], told: Mapping[str, Sequence[Telling]], window_ms: int
) -> list[Telling]:
    """Those of ``due``, in their order, that are told. ``told``: by user, of before."""
    wanted: list[Telling] = []
    of_user = {user_id: list(found) for user_id, found in told.items()}
    for each in due:
        before = of_user.setdefault(each.user_id, [])
        if all(
            one.timer == each.timer or abs(each.at_ms - one.at_ms) >= window_ms for one in before
        ):
            wanted.append(each)
            before.append(each)
    return wanted
