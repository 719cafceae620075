"""Everything that is stored of one user, for that user to read: what, where, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

#: Of a table; the latest first. A phone that navigates every ten seconds, day and night, leaves
#: fewer changes in 14 days.
MAX_ROWS: Final = 150_000


@dataclass(frozen=True, slots=True)
class Kept:
    """A table with rows of a user. ``days`` is how long maintenance keeps them unless it is set
    otherwise; ``None``: until the user is erased, or was not seen for long."""

    table: str
    about: str
    days: int | None
    until: str


TABLES: Final = (
    Kept(
        "presence",
        "Whether you are online, on which screen and device, and when you were last there.",
        None,
        "you opt out, are erased, or are not seen for long",
    ),
    Kept("changes", "When your state or screen changed, and why.", 14, "{days} days after each"),
    Kept("spans", "Which screens you had open, from when until when.", 14, "{days} days after"),
    Kept("sessions", "When you used the app, and for how long.", 14, "{days} days after each"),
    Kept("user_days", "On which days you used the app.", 62, "{days} days after each"),
    Kept(
        "erasures",
        "That you opted out or were erased, by a keyed hash of your id.",
        None,
        "the proof that it was done is not needed any more",
    ),
)
#: What cannot be listed: logs are not searched for one user.
LOGS: Final = (
    {
        "where": "the topic presence.events",
        "about": "What your app sent, in the order in which it came.",
        "until": "72 hours after each, and up to 6 more",
    },
    {
        "where": "the topic presence.changes",
        "about": "When your state or screen changed, for other systems of this operator.",
        "until": "7 days after each, and up to 14 hours more",
    },
    {
        "where": "the topic presence.privacy",
        "about": "Whether you have opted out, by a keyed hash of your id.",
        "until": "for good: else the opt-out would be forgotten",
    },
    {
        "where": "sums, such as how often a screen was shown in a quarter-hour",
        "about": "You were counted in them; they hold no ids.",
        "until": "400 days",
    },
)


def stored_answer(
    user_id: str,
    enabled: bool,
    rows: Mapping[str, list[Any]],
    kept_days: Mapping[str, int],
) -> dict[str, Any]:
    """``rows`` by table, of which there may be one more than :data:`MAX_ROWS`."""
    return {
        "user_id": user_id,
        "tracking": {"enabled": enabled},
        "stored": [
            {
                "where": f"the table {kept.table}",
                "about": kept.about,
                "until": kept.until.format(days=kept_days.get(kept.table, kept.days)),
                "rows": rows[kept.table][:MAX_ROWS],
                "complete": len(rows[kept.table]) <= MAX_ROWS,
            }
            for kept in TABLES
        ],
        "not_listed": list(LOGS),
    }
