"""Which screens, versions and platforms a share link tells apart. PURE.

The top ten, and the rest as one sum. Where ``ROLLCALL_MIN_GROUP_SIZE`` is set, a screen of fewer
users is in the rest, which is then of two screens and as many users at least as everywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from api.analytics.small_groups import merged_places
from api.http.documents import Row

TOP: Final = 10


def told_apart(rows: Sequence[Row], least: int, users: str = "foreground") -> list[Row]:
    """Of all groups with users, most users first, those that are shown."""
    merged = merged_places([row[users] for row in rows], least) if least > 1 else set()
    return [row for place, row in enumerate(rows) if place not in merged][:TOP]


def values_apart(rows: Sequence[Row], least: int, other: str) -> tuple[list[Row], int]:
    """Of a breakdown those values that are shown, in its order, and the users of all others.
    ``other`` is what it calls those that it does not tell apart itself."""
    most_first = sorted(rows, key=lambda row: -row["users"])
    chosen = [id(row) for row in told_apart(most_first, least, "users") if row["value"] != other]
    shown = [row for row in rows if id(row) in chosen]
    return shown, sum(row["users"] for row in rows) - sum(row["users"] for row in shown)
