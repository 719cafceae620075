"""Of screens: trends beside the range before, how long visits last, and where people go next."""

from __future__ import annotations

from typing import Final, get_args

from api.analytics.answers.screen_habits import Counted, Dwell, Flows, Trends
from api.analytics.described.screens import TAG
from api.analytics.splits import BY_VERSION
from api.http.answers import schemas_of
from api.http.call import Call
from api.http.parameters import LIMIT, TABLE_LIMIT, name_parameter, number_parameter, word_parameter
from api.periods.parameters import RANGE, bucket
from schemas.openapi.answers import ok, table
from schemas.openapi.forms import ref

COUNTED: Final[tuple[Counted, ...]] = get_args(Counted)
#: Screens that keep their names at most where the rest are folded.
MAX_TOP: Final = 100
SCHEMAS: Final = schemas_of(Trends, Dwell, Flows)


READ_TRENDS: Final = Call(
    "GET",
    "/api/v1/trends",
    "trends",
    TAG,
    operation="readTrends",
    summary="Trends of screens",
    about="The top screens of a range, bucket by bucket, beside the equal range that ends where "
    "it begins; with `bucket=1d` as many days earlier. Only buckets that are over are "
    "compared, up to `compared_to`.",
    answers=ok(ref("Trends"), "Trends."),
    parameters=(
        *RANGE,
        bucket(otherwise="Without it: `15m` up to 8 hours, `1h` up to 2 days, else `1d`."),
        word_parameter("of", "What is counted, and the order.", COUNTED, default=COUNTED[0]),
        name_parameter("screen", "Of this one only.", "Cart"),
        LIMIT,
    ),
)
READ_DWELL: Final = Call(
    "GET",
    "/api/v1/dwell",
    "dwell",
    TAG,
    operation="readDwell",
    summary="How long visits last",
    about="The visits that ended in a range, by how long they were: of one screen, or of all.",
    answers=table(ref("Dwell"), "`DwellRow`", "The distribution."),
    parameters=(*RANGE, name_parameter("screen", "Of this one only.", "Cart"), *BY_VERSION),
)
LIST_FLOWS: Final = Call(
    "GET",
    "/api/v1/flows",
    "flows",
    TAG,
    operation="listFlows",
    summary="Where people go",
    about="Transitions from one view to the next, the most frequent first.",
    answers=table(ref("Flows"), "`Flow`", "Transitions."),
    parameters=(
        *RANGE,
        name_parameter("from_screen", "The ways out of this one.", "Home", "screen"),
        name_parameter("to_screen", "The ways into this one.", "Cart", "screen"),
        name_parameter("screen", "Both of this one.", "Cart"),
        number_parameter(
            "top",
            "Only so many screens keep their names, those with the most transitions, "
            "and whoever is asked for; the others are `(other)` together.",
            12,
            MAX_TOP,
        ),
        TABLE_LIMIT,
    ),
)
CALLS: Final = (
    READ_TRENDS,
    READ_DWELL,
    LIST_FLOWS,
)
