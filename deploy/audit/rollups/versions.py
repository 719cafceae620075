"""Engagement by screen, version and platform: an hour of it, from its visits and sessions. PURE.

They are read twice: which names count as themselves is known once all were counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from deploy.audit.rollups.tables import Row, Table
from deploy.audit.rollups.users import called
from deploy.audit.sums import bucket_of

#: Screens, versions, platforms that count as themselves: those with the most visits.
MOST: Final = (200, 10, 10)
_SILENT: Final = ("timed_out", "disconnected")
#: Places of the sums, in the order of the table's columns.
_VIEWS, _VISITS, _DWELL, _SILENT_DWELL, _EXITS, _BOUNCES, _USERS, _HISTOGRAM = range(8)


def versions_of_hour(ends: Callable[[], Iterable[Row]]) -> Table:
    """``ends`` gives what ended in the hour, each user's together, as often as it is called: user,
    ``visit`` or ``session``, screen, version, platform, dwell, why it ended, and views."""
    kept = _most_visited(ends())
    table: Table = {}
    user_id: str | None = None
    of_user: set[tuple[str, ...]] = set()
    for user, kind, *names, dwell_ms, ended_by, views in ends():
        if user != user_id:
            user_id, of_user = user, set()
        key = tuple(
            name if name in most else "(other)"
            for name, most in zip(map(called, names), kept, strict=True)
        )
        sums = table.setdefault(key, [*[0] * 7, []])
        if key not in of_user:
            of_user.add(key)
            sums[_USERS] += 1
        if kind == "visit":
            _add_visit(sums, dwell_ms, ended_by, views)
        else:
            sums[_EXITS] += 1
            sums[_BOUNCES] += views == 1
    return table


def _add_visit(sums: list[Any], dwell_ms: int, ended_by: str, views: int) -> None:
    sums[_VIEWS] += views
    sums[_VISITS] += 1
    sums[_DWELL] += dwell_ms
    if ended_by in _SILENT:
        sums[_SILENT_DWELL] += dwell_ms
    bucket, histogram = bucket_of(dwell_ms), sums[_HISTOGRAM]
    histogram += [0] * (bucket + 1 - len(histogram))
    histogram[bucket] += 1


def _most_visited(ends: Iterable[Row]) -> list[set[str]]:
    visits: tuple[Counter[str], ...] = (Counter(), Counter(), Counter())
    for _, kind, *names, _, _, _ in ends:
        for counts, name in zip(visits, map(called, names), strict=True):
            counts[name] += kind == "visit"
    return [
        {name for name, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:most]}
        for counts, most in zip(visits, MOST, strict=True)
    ]
