"""Screens: who is on which now, what people do there over time, one by itself."""

from __future__ import annotations

from typing import Final

from api.analytics.engagement import SORTS
from api.analytics.recent_users import MOST_VISITS
from api.analytics.splits import BY_VERSION, BYS
from api.http.call import Call
from api.http.parameters import TABLE_LIMIT, name_parameter, word_parameter
from api.http.words import EDGES, range_shown
from api.periods.parameters import AT, RANGE, bucket
from api.periods.ranges import MINUTE_BUCKETS
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

TAG: Final = {
    "name": "Screens",
    "description": "A *visit* is a device in the foreground on a screen, unbroken; a *view* is a "
    "visit of another screen than the session's visit before. Views count where the visit starts; "
    "visits, dwell and exits where it ends. A screen that was never named is `(none)`; one beyond "
    "the 200 names a minute (for each partition of the log) is `(other)`. Lists merge those of too "
    "few users into `(suppressed)` where the operator wants that (`ROLLCALL_MIN_GROUP_SIZE`).",
}

#: What answers say of it.
BY_VERSION_SHOWN: Final[dict[str, Json]] = {
    "app_version": nullable(text("As asked.", "1.10.0")),
    "platform": nullable(text("As asked, in lower case.", "android")),
    "kept_from": nullable(
        instant(
            "From when on versions and platforms are kept; `null`: from the first hour on.",
            "2026-01-29T00:00:00.000Z",
        )
    ),
}


_METRICS: Final = {
    "views": whole("Visits of another screen than the visit before.", 8123),
    "visits": whole("Visits that ended.", 9011),
    "unique_users": nullable(
        whole(
            "Users who began a visit: an estimate, relative standard error 1.6 %; not additive. "
            "Of a row over two hours of late at most they are counted, unless more than "
            f"{MOST_VISITS:,} visits began. Else `null` unless the time is of whole hours (UTC) "
            "and days that are rolled up, and where the two below differ.",
            2210,
        )
    ),
    "users_at_least": nullable(
        whole(
            "At least so many users, within the error of `unique_users`, and equal to it where it "
            "is known. Users of two calendar months (UTC) are counted apart, because the ids in a "
            "month's sketches are under a key of its own: those who came in both are counted once "
            "here, as if all had, and twice in `users_at_most`.",
            2210,
        )
    ),
    "users_at_most": nullable(whole("At most so many users, as above.", 2210)),
    "dwell_ms": whole("Time on the screen of the visits that ended.", 271_224_100),
    "dwell_mean_ms": nullable(whole("Its mean over the visits.", 30_099)),
    "dwell_p50_ms": nullable(whole("Its median, within 9.1 %.", 17_448)),
    "dwell_p90_ms": nullable(whole("Its 90th percentile, within 9.1 %.", 69_792)),
    "dwell_p95_ms": nullable(whole("Its 95th percentile, within 9.1 %.", 98_701)),
    "exits": whole("Sessions that ended on the screen.", 911),
    "exit_share": nullable(
        number("`exits` by `views`; may pass 1 in short ranges.", 0.1122),
    ),
    "bounces": whole("Of the exits those of sessions with one view.", 204),
    "silent_share": nullable(
        number(
            "Share of the dwell whose visits ended by silence. It is counted up to the last sign "
            "of life: a lower bound.",
            0.0713,
            maximum=1,
        )
    ),
}
_NAMED: Final = text("The screen.", "Cart")


def _neighbour(share_of: str) -> Json:
    return record(
        {
            "screen": text("Its name; `(start)` and `(end)` are a session's ends.", "Home"),
            "transitions": whole("How often.", 1311),
            "share": nullable(number(share_of, 0.6243, maximum=1)),
        }
    )


#: Of a row about a screen.
METRICS: Final = tuple(_METRICS)
SCHEMAS: Final[dict[str, Json]] = {
    "ScreenNow": record(
        {
            "screen": nullable(text("The screen; `null`: none was named.", "Cart")),
            "foreground": whole("Users in the foreground there.", 412, minimum=1),
            "share": number("Of all users in the foreground.", 0.3996, maximum=1),
        }
    ),
    "ScreensNow": record(
        {
            "items": many(ref("ScreenNow"), "The most people first."),
            "foreground": whole("Users in the foreground.", 1031),
            "background": whole("Users in the background.", 252),
            "screens": whole("Screens with somebody on them in the foreground.", 18),
            **QUALITY,
        },
        sometimes={"at": instant("If it was given.", "2026-03-30T11:50:00.000Z")},
    ),
    "ScreenEngagement": record({"screen": _NAMED, **EDGES, **_METRICS}),
    "SplitEngagement": record(
        {
            "screen": nullable(text("As asked; `null`: of all screens together.", "Cart")),
            "value": text(
                "The version or platform; `(none)`: the app told none; `(other)`: beyond the ten "
                "of an hour with the most visits; `(suppressed)`: those of too few users together.",
                "1.10.0",
            ),
            **EDGES,
            **_METRICS,
        },
        about="A row with `split_by`.",
    ),
    "Engagement": record(
        {
            "items": many(
                {"anyOf": [ref("ScreenEngagement"), ref("SplitEngagement")]},
                "Screens in order, the buckets of each; with `split_by` versions or platforms.",
            ),
            **range_shown(bucketed=False),
            "sort": word("As asked.", SORTS),
            "other_share": nullable(
                number(
                    "Of all views of the range those that count as `(other)`: beyond the cap of "
                    "names. `null` in series, and without views.",
                    0.0004,
                    maximum=1,
                )
            ),
            "unique_users_to": nullable(
                instant(
                    "The end of what is rolled up of unique users: let `to` be no later where they "
                    "matter.",
                    "2026-03-30T11:00:00.000Z",
                )
            ),
            **QUALITY,
        },
        sometimes={"split_by": nullable(word("As asked.", BYS)), **BY_VERSION_SHOWN},
    ),
    "Screen": record(
        {
            "screen": _NAMED,
            **range_shown(),
            "totals": record(_METRICS),
            "series": many(record({**EDGES, **_METRICS})),
            "previous": many(
                _neighbour("Of all that came here."), "The ten that most come from.", maxItems=10
            ),
            "next": many(
                _neighbour("Of all that left here."), "The ten that most go to.", maxItems=10
            ),
            **QUALITY,
        }
    ),
}


LIST_SCREENS: Final = Call(
    "GET",
    "/api/v1/screens",
    "screens",
    TAG,
    operation="listScreens",
    summary="Who is on which screen",
    about="Foreground users by screen, the most first; beyond 200 names (for each partition of "
    "the log) `(other)`. With `at`: those of that instant, by all names.",
    answers=table(ref("ScreensNow"), "`ScreenNow`", "Screens with somebody on them."),
    parameters=(AT, TABLE_LIMIT),
)
READ_ENGAGEMENT: Final = Call(
    "GET",
    "/api/v1/screens/engagement",
    "engagement",
    TAG,
    operation="readEngagement",
    summary="What people do on screens",
    about="The top screens of a range: a row for each, or with `bucket` a row for each of their "
    "buckets; with `screen` the series of this one. With `split_by` a row for each version "
    "or platform, of `screen` or of all together, and with `bucket` for each of their "
    "buckets, of an hour or a day; unique users are not known then.",
    answers=table(ref("Engagement"), "`ScreenEngagement`", "Engagement."),
    parameters=(
        *RANGE,
        bucket(MINUTE_BUCKETS, "Without it and `screen`: one row a screen."),
        word_parameter(
            "sort",
            "The most first. `unique_users` wants whole hours that are rolled up or two hours of "
            "late at most, and sorts by `users_at_least`.",
            SORTS,
            default="views",
        ),
        name_parameter("screen", "This one only.", "Cart"),
        word_parameter("split_by", "By version or by platform.", BYS),
        *BY_VERSION,
        TABLE_LIMIT,
    ),
)
READ_SCREEN: Final = Call(
    "GET",
    "/api/v1/screens/{screen}",
    "screen",
    TAG,
    operation="readScreen",
    summary="One screen",
    about="Totals, a series, and the screens before and after it. One that is called "
    "`engagement` is `%65ngagement`.",
    answers=ok(ref("Screen"), "The screen."),
    parameters=(
        name_parameter("screen", "Percent-encoded: `a/b` is `a%2Fb`.", "Cart", place="path"),
        *RANGE,
        bucket(MINUTE_BUCKETS),
    ),
)
CALLS: Final = (
    LIST_SCREENS,
    READ_ENGAGEMENT,
    READ_SCREEN,
)
