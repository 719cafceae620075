"""Of screens: trends beside the range before, how long visits last, and where people go next."""

from __future__ import annotations

from typing import Final

from api.analytics.described.screens import BY_VERSION_SHOWN, TAG
from api.analytics.splits import BY_VERSION
from api.http.call import Call
from api.http.parameters import LIMIT, TABLE_LIMIT, name_parameter, number_parameter, word_parameter
from api.http.words import range_in_one_piece, range_shown
from api.periods.parameters import RANGE, bucket
from schemas.openapi.answers import QUALITY, ok, table
from schemas.openapi.forms import (
    Json,
    instant,
    many,
    nullable,
    number,
    record,
    ref,
    text,
    whole,
    word,
)

COUNTED: Final = ("views", "dwell", "exits")
#: Screens that keep their names at most where the rest are folded.
MAX_TOP: Final = 100
SCHEMAS: Final[dict[str, Json]] = {
    "Trend": record(
        {
            "screen": text("The screen.", "Home"),
            "total": whole("In the range; of `dwell` milliseconds.", 8123),
            "compared": whole("In its buckets that are over.", 8123),
            "compared_before": whole("In as many of the range before.", 7601),
            "change": nullable(
                {
                    "type": "number",
                    "description": "`compared / compared_before - 1`; `null` if nothing was "
                    "before, or not all of the range before is kept.",
                    "minimum": -1,
                    "examples": [0.0687],
                }
            ),
            "series": many(whole("Of a bucket.", 4010), "Bucket by bucket."),
            "series_before": many(whole("Of a bucket.", 3807), "Of the range before."),
        }
    ),
    "Trends": record(
        {
            "items": many(ref("Trend"), "The most first."),
            **range_shown(),
            "of": word("As asked.", COUNTED),
            "before": record(
                {
                    "from": instant("Its first instant.", "2026-03-30T07:00:00.000Z"),
                    "to": instant("The first one after it.", "2026-03-30T09:00:00.000Z"),
                },
                about="The range before.",
            ),
            "kept_from": nullable(
                instant("The first instant of which figures are kept.", "2026-01-30T00:00:00.000Z")
            ),
            "compared_buckets": whole("How many of them are over.", 2),
            "compared_to": nullable(
                instant(
                    "The end of the last bucket that is over; `null`: none is.",
                    "2026-03-30T11:00:00.000Z",
                )
            ),
            **QUALITY,
        }
    ),
    "DwellRow": record(
        {
            "from_ms": whole("At least so long, in milliseconds.", 841),
            "to_ms": nullable(whole("Below that; `null`: or longer.", 1000)),
            "visits": whole("Visits that lasted so long.", 20),
            "share": nullable(number("Of all visits.", 0.4, maximum=1)),
        }
    ),
    "Dwell": record(
        {
            "items": many(ref("DwellRow"), "From the shortest; four for each doubling."),
            **range_in_one_piece(),
            "screen": nullable(text("As asked.", "Cart")),
            "visits": whole("Visits that ended in the range.", 50),
            **QUALITY,
        },
        sometimes=BY_VERSION_SHOWN,
    ),
    "Flow": record(
        {
            "from_screen": text("`(start)`: the session began.", "Home"),
            "to_screen": text("`(end)`: the session ended.", "Cart"),
            "transitions": whole("From one view to the next, so often.", 1311),
            "from_share": nullable(number("Of all that left `from_screen`.", 0.1614, maximum=1)),
            "to_share": nullable(number("Of all that came to `to_screen`.", 0.6243, maximum=1)),
        }
    ),
    "Flows": record(
        {
            "items": many(ref("Flow"), "The most frequent first."),
            **range_in_one_piece(),
            "top": nullable(whole("As asked.", 12)),
            "folded": nullable(
                whole("Screens that are `(other)` together; `null` without `top`.", 6)
            ),
            **QUALITY,
        }
    ),
}


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
