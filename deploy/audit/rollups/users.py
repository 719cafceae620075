"""How many users began a visit on each screen, by the hour and by the day. PURE.

The tables hold the estimate of a sketch (HyperLogLog with 4,096 registers, relative standard error
1.6 %), which nobody can make again without its key: so it is held against the exact number, within
six standard errors. Up to five users it is exact but for once in ten million times.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import ceil, sqrt
from typing import Final

from deploy.audit.differences import Differences
from deploy.audit.rollups.tables import differ

_ERRORS: Final = 6 * 1.04 / sqrt(4096)
_SURELY_EXACT: Final = 5
_OTHER: Final = "(other)"


def compare_users(
    table: str,
    at: str,
    visitors: Iterable[tuple[str | None, int]],
    stored: dict[str, int],
    differences: Differences,
    bounds: Collection[str] = (),
) -> int:
    """``visitors``: how many there were by screen; ``bounds``: screens of which the table knows no
    number. Where names are beyond the cap, which ones are ``(other)`` is known to maintenance
    alone: then none may have more users than it had. How many rows were compared."""
    exact: dict[str, int] = {}
    for screen, users in visitors:
        name = called(screen)
        exact[name] = exact.get(name, 0) + users
    capped = _OTHER in stored or _OTHER in exact
    checked = 0
    for screen in sorted(exact.keys() | stored.keys()):
        wanted, has = exact.get(screen, 0), stored.get(screen, 0)
        if screen in bounds or (capped and screen == _OTHER):
            continue
        checked += screen in stored
        allowed = 0 if wanted <= _SURELY_EXACT else ceil(wanted * _ERRORS)
        if has > wanted + allowed or (has < wanted - allowed and not capped):
            log = {"users": wanted} if wanted else None
            found = {"users": has} if screen in stored else None
            differ(table, (screen,), at, log, found, differences)
    return checked


def called(name: str | None) -> str:
    """As sums call it: an app's own is never one of ours."""
    if name is None:
        return "(none)"
    return _OTHER if name in ("(none)", "(start)", "(end)") else name
