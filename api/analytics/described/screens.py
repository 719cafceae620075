"""Screens: who is on which now, what people do there over time, one by itself."""

from __future__ import annotations

from typing import Final, get_args

from api.analytics.answers.screens import (
    Engagement,
    Screen,
    ScreenBucket,
    ScreenEngagement,
    ScreensNow,
    Sort,
    SplitBy,
    SplitEngagement,
)
from api.analytics.splits import BY_VERSION
from api.http.answers import schemas_of
from api.http.call import Call
from api.http.parameters import TABLE_LIMIT, name_parameter, word_parameter
from api.periods.parameters import AT, RANGE, bucket
from api.periods.ranges import MINUTE_BUCKETS
from schemas.openapi.answers import ok, table
from schemas.openapi.forms import ref

TAG: Final = {
    "name": "Screens",
    "description": "A *visit* is a device in the foreground on a screen, unbroken; a *view* is a "
    "visit of another screen than the session's visit before. Views count where the visit starts; "
    "visits, dwell and exits where it ends. A screen that was never named is `(none)`; one beyond "
    "the 200 names a minute (for each partition of the log) is `(other)`. Lists merge those of too "
    "few users into `(suppressed)` where the operator wants that (`ROLLCALL_MIN_GROUP_SIZE`).",
}

SCHEMAS: Final = schemas_of(
    ScreensNow, ScreenEngagement, SplitEngagement, Engagement, ScreenBucket, Screen
)


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
            get_args(Sort),
            default="views",
        ),
        name_parameter("screen", "This one only.", "Cart"),
        word_parameter("split_by", "By version or by platform.", get_args(SplitBy)),
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
