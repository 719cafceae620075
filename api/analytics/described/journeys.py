"""Of journeys: how far sessions get through steps, and whether people come back."""

from __future__ import annotations

from typing import Final, get_args

from api.analytics.answers.journeys import MAX_WEEKS, Funnel, FunnelBy, Retention
from api.http.answers import schemas_of
from api.http.call import Call
from api.http.parameters import name_parameter, number_parameter, word_parameter
from api.periods.parameters import RANGE
from schemas.openapi.answers import table
from schemas.openapi.forms import ref

TAG: Final = {
    "name": "Journeys",
    "description": "How far sessions get, from the visits that are over (kept 14 days), and "
    "whether people come back, from the days of users (kept 62 days).",
}
_EXAMPLES: Final = ("Cart", "Checkout", "Payment", "Receipt", "Home", "Offers", "Film", "Help")

SCHEMAS: Final = schemas_of(Funnel, Retention)


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
        word_parameter("by", "Split by what the first step was viewed with.", get_args(FunnelBy)),
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
