"""Of journeys: how far sessions get through steps, and whether people come back."""

from __future__ import annotations

from typing import Final

from api.http.call import Call
from api.http.parameters import name_parameter, number_parameter, word_parameter
from api.http.words import range_in_one_piece
from api.periods.parameters import RANGE
from schemas.openapi.answers import QUALITY, table
from schemas.openapi.forms import (
    Json,
    day,
    flag,
    many,
    nullable,
    number,
    record,
    ref,
    text,
    whole,
    word,
)

TAG: Final = {
    "name": "Journeys",
    "description": "How far sessions get, from the visits that are over (kept 14 days), and "
    "whether people come back, from the days of users (kept 62 days).",
}
BYS: Final = ("app_version", "platform")
#: The days of users that are kept, and the week that runs.
MAX_WEEKS: Final = 9
_EXAMPLES: Final = ("Cart", "Checkout", "Payment", "Receipt", "Home", "Offers", "Film", "Help")

SCHEMAS: Final[dict[str, Json]] = {
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


READ_FUNNEL: Final = Call(
    "GET",
    "/api/v1/funnel",
    "funnel",
    TAG,
    operation="readFunnel",
    summary="How far sessions get",
    about="The sessions that viewed these screens in this order, other screens between them or "
    "not. Views that begin in the range count, of visits that are over; of a screen the "
    "first view after the step before. A range of 14 days at most.",
    answers=table(ref("Funnel"), "`FunnelStep`", "The steps; none if nobody began."),
    parameters=(
        *RANGE,
        *(
            name_parameter(f"step{n}", f"The screen of step {n}.", name, "screen", required=n <= 2)
            for n, name in enumerate(_EXAMPLES, 1)
        ),
        word_parameter("by", "Split by what the first step was viewed with.", BYS),
    ),
)
READ_RETENTION: Final = Call(
    "GET",
    "/api/v1/retention",
    "retention",
    TAG,
    operation="readRetention",
    summary="Whether people come back",
    about="Users by the week of their first day, and how many of them were active in each week "
    "since. Only weeks whose every day is kept have a row.",
    answers=table(ref("Retention"), "`RetentionWeek`", "The weeks."),
    parameters=(
        number_parameter(
            "weeks",
            "How many first weeks, the one that runs included.",
            4,
            MAX_WEEKS,
            default=MAX_WEEKS,
        ),
    ),
)
CALLS: Final = (
    READ_FUNNEL,
    READ_RETENTION,
)
