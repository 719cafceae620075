"""Which screens a share link tells apart. PURE.

The top ten, and the rest as one sum. Where ``ROLLCALL_MIN_GROUP_SIZE`` is set, a screen of fewer
users is in the rest, which is then of two screens and as many users at least as everywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from api.analytics.small_groups import merged_places
from api.http.documents import Row

TOP: Final = 10


def told_apart(rows: Sequence[Row], least: int) -> list[Row]:
    """Of all screens with users in the foreground, most users first, those that are shown."""
    merged = merged_places([row["foreground"] for row in rows], least) if least > 1 else set()
    return [row for place, row in enumerate(rows) if place not in merged][:TOP]
