"""Of journeys: how far sessions get through steps, and whether people come back."""

from __future__ import annotations

from typing import Final

from schemas.openapi.answers import OF_READERS, QUALITY, READERS, refusals, table
from schemas.openapi.forms import (
    Json,
    Part,
    day,
    flag,
    many,
    nullable,
    number,
    operation,
    query,
    record,
    ref,
    text,
    whole,
    word,
)
from schemas.openapi.words import RANGE, a_screen, range_in_one_piece

BYS: Final = ("app_version", "platform")
MAX_WEEKS: Final = 9
_TAG: Final = {
    "name": "Journeys",
    "description": "How far sessions get, from the visits that are over (kept 14 days), and "
    "whether people come back, from the days of users (kept 62 days).",
}
_EXAMPLES: Final = ("Cart", "Checkout", "Payment", "Receipt", "Home", "Offers", "Film", "Help")

_SCHEMAS: Final[dict[str, Json]] = {
    "FunnelStep": record(
        {
            "value": nullable(
                text(
                    "The version or platform; `(other)`: beyond the ten with the most; "
                    "`(suppressed)`: those of too few users, where the operator wants that.",
                    "1.10.0",
                )
            ),
            "step": whole("From 1.", 2),
            "screen": text("As asked.", "Checkout"),
            "sessions": whole("That reached it, after the steps before it.", 412),
            "users": whole("Whose they are.", 390),
            "from_first": number("Of the sessions of the first step.", 0.6134, maximum=1),
            "from_before": nullable(
                number("Of those of the step before; `null`: the first.", 0.6134, maximum=1)
            ),
            "p50_ms": nullable(whole("From the step before, half of the sessions.", 41_200)),
            "p90_ms": nullable(whole("Nine in ten.", 180_300)),
        }
    ),
    "Funnel": record(
        {
            "items": many(ref("FunnelStep"), "Step by step; the value with the most first."),
            **range_in_one_piece(),
            "by": nullable(word("As asked.", BYS)),
            **QUALITY,
        }
    ),
    "RetentionWeek": record(
        {
            "first_week": day("The Monday of the week of their first day.", "2026-03-23"),
            "new_users": whole("Users whose first day was in it.", 1200),
            "weeks_later": whole("0: the same week.", 1),
            "active_users": whole("Of them, in the foreground in that week.", 480),
            "share": number("Of `new_users`.", 0.4, maximum=1),
            "complete": flag("Whether that week is over.", True),
        }
    ),
    "Retention": record(
        {
            "items": many(ref("RetentionWeek"), "By first week, then by week."),
            "weeks": whole("As asked.", MAX_WEEKS),
            "tz": text("The reporting zone, whose weeks they are.", "Europe/Berlin"),
            **QUALITY,
        }
    ),
}

_PATHS: Final[dict[str, Json]] = {
    "/api/v1/funnel": {
        "get": operation(
            "readFunnel",
            "How far sessions get",
            "The sessions that viewed these screens in this order, other screens between them or "
            "not. Views that begin in the range count, of visits that are over; of a screen the "
            "first view after the step before. A range of 14 days at most.",
            {
                **table(ref("Funnel"), "`FunnelStep`", "The steps; none if nobody began."),
                **refusals("BadParameter"),
                **OF_READERS,
            },
            security=READERS,
            parameters=(
                *RANGE,
                *(
                    query(f"step{n}", a_screen(f"The screen of step {n}.", name), required=n <= 2)
                    for n, name in enumerate(_EXAMPLES, 1)
                ),
                query("by", word("Split by what the first step was viewed with.", BYS)),
            ),
        )
    },
    "/api/v1/retention": {
        "get": operation(
            "readRetention",
            "Whether people come back",
            "Users by the week of their first day, and how many of them were active in each week "
            "since. Only weeks whose every day is kept have a row.",
            {
                **table(ref("Retention"), "`RetentionWeek`", "The weeks."),
                **refusals("BadParameter"),
                **OF_READERS,
            },
            security=READERS,
            parameters=(
                query(
                    "weeks",
                    whole(
                        "How many first weeks, the one that runs included.",
                        4,
                        minimum=1,
                        maximum=MAX_WEEKS,
                        default=MAX_WEEKS,
                    ),
                ),
            ),
        )
    },
}

PART: Final = Part(_TAG, _PATHS, _SCHEMAS)
