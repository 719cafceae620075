"""Screens: who is on which now, what people do there over time, one by itself."""

from __future__ import annotations

from typing import Final

from schemas.openapi.answers import OF_READERS, QUALITY, READERS, ok, refusals, table
from schemas.openapi.forms import (
    Json,
    Part,
    in_path,
    instant,
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
from schemas.openapi.words import (
    AT,
    BY_VERSION,
    BY_VERSION_SHOWN,
    EDGES,
    MINUTE_BUCKETS,
    RANGE,
    TABLE_LIMIT,
    a_screen,
    bucket,
    range_shown,
)

TAG: Final = {
    "name": "Screens",
    "description": "A *visit* is a device in the foreground on a screen, unbroken; a *view* is a "
    "visit of another screen than the session's visit before. Views count where the visit starts; "
    "visits, dwell and exits where it ends. A screen that was never named is `(none)`; one beyond "
    "the 200 names a minute (for each partition of the log) is `(other)`. Lists merge those of too "
    "few users into `(suppressed)` where the operator wants that (`ROLLCALL_MIN_GROUP_SIZE`).",
}

_METRICS: Final = {
    "views": whole("Visits of another screen than the visit before.", 8123),
    "visits": whole("Visits that ended.", 9011),
    "unique_users": nullable(
        whole(
            "Users who began a visit: an estimate, relative standard error 1.6 %; not additive. "
            "`null` unless the time is of whole hours (UTC) and days that are rolled up, and where "
            "the two below differ.",
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
SPLIT_BYS: Final = ("app_version", "platform")


def _neighbour(share_of: str) -> Json:
    return record(
        {
            "screen": text("Its name; `(start)` and `(end)` are a session's ends.", "Home"),
            "transitions": whole("How often.", 1311),
            "share": nullable(number(share_of, 0.6243, maximum=1)),
        }
    )


_SCHEMAS: Final[dict[str, Json]] = {
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
            "sort": word("As asked.", ("views", "unique_users", "dwell", "exits")),
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
        sometimes={"split_by": nullable(word("As asked.", SPLIT_BYS)), **BY_VERSION_SHOWN},
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

_PATHS: Final[dict[str, Json]] = {
    "/api/v1/screens": {
        "get": operation(
            "listScreens",
            "Who is on which screen",
            "Foreground users by screen, the most first; beyond 200 names (for each partition of "
            "the log) `(other)`. With `at`: those of that instant, by all names.",
            {
                **table(ref("ScreensNow"), "`ScreenNow`", "Screens with somebody on them."),
                **refusals("BadParameter"),
                **OF_READERS,
            },
            security=READERS,
            parameters=(AT, TABLE_LIMIT),
        )
    },
    "/api/v1/screens/engagement": {
        "get": operation(
            "readEngagement",
            "What people do on screens",
            "The top screens of a range: a row for each, or with `bucket` a row for each of their "
            "buckets; with `screen` the series of this one. With `split_by` a row for each version "
            "or platform, of `screen` or of all together, and with `bucket` for each of their "
            "buckets, of an hour or a day; unique users are not known then.",
            {
                **table(ref("Engagement"), "`ScreenEngagement`", "Engagement."),
                **refusals("BadParameter"),
                **OF_READERS,
            },
            security=READERS,
            parameters=(
                *RANGE,
                bucket(MINUTE_BUCKETS, "Without it and `screen`: one row a screen."),
                query(
                    "sort",
                    word(
                        "The most first. `unique_users` wants whole hours that are rolled up, and "
                        "sorts by `users_at_least`.",
                        ("views", "unique_users", "dwell", "exits"),
                        default="views",
                    ),
                ),
                query("screen", a_screen("This one only.")),
                query("split_by", word("By version or by platform.", SPLIT_BYS)),
                *BY_VERSION,
                TABLE_LIMIT,
            ),
        )
    },
    "/api/v1/screens/{screen}": {
        "get": operation(
            "readScreen",
            "One screen",
            "Totals, a series, and the screens before and after it. One that is called "
            "`engagement` is `%65ngagement`.",
            {**ok(ref("Screen"), "The screen."), **refusals("BadParameter"), **OF_READERS},
            security=READERS,
            parameters=(
                in_path("screen", a_screen("Percent-encoded: `a/b` is `a%2Fb`.")),
                *RANGE,
                bucket(MINUTE_BUCKETS),
            ),
        )
    },
}

PART: Final = Part(TAG, _PATHS, _SCHEMAS)
