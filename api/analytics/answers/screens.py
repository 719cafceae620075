"""Screens: who is on which now, what people do there over time, one by itself. PURE."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import UNSET, UnsetType, field

from api.http.answers import (
    Answer,
    AsOf,
    MembersAway,
    Stale,
    count,
    instant,
    joined,
    number,
    one_of,
    told,
)
from api.periods.answers import Edges, OfASeriesIfAny, OfSeries, Since, To, Zone
from schemas.openapi.forms import ref

Sort: TypeAlias = Literal["views", "unique_users", "dwell", "exits"]
SplitBy: TypeAlias = Literal["app_version", "platform"]

#: What answers say of a version or platform that was asked for.
OfVersion: TypeAlias = Annotated[str | None, told("As asked.", "1.10.0")]
OfPlatform: TypeAlias = Annotated[str | None, told("As asked, in lower case.", "android")]
KeptFrom: TypeAlias = Annotated[
    str | None,
    instant(
        "From when on versions and platforms are kept; `null`: from the first hour on.",
        "2026-01-29T00:00:00.000Z",
    ),
]
_Named: TypeAlias = Annotated[str, told("The screen.", "Cart")]


class ScreenMetrics(Answer):
    views: Annotated[int, count("Visits of another screen than the visit before.", 8123)]
    visits: Annotated[int, count("Visits that ended.", 9011)]
    unique_users: Annotated[
        int | None,
        count(
            "Users who began a visit: an estimate, relative standard error 1.6 %; not additive. "
            "Of a row over two hours of late at most they are counted, unless more than 200,000 "
            "visits began. Else `null` unless the time is of whole hours (UTC) and days that are "
            "rolled up, and where the two below differ.",
            2210,
        ),
    ]
    users_at_least: Annotated[
        int | None,
        count(
            "At least so many users, within the error of `unique_users`, and equal to it where it "
            "is known. Users of two calendar months (UTC) are counted apart, because the ids in a "
            "month's sketches are under a key of its own: those who came in both are counted once "
            "here, as if all had, and twice in `users_at_most`.",
            2210,
        ),
    ]
    users_at_most: Annotated[int | None, count("At most so many users, as above.", 2210)]
    dwell_ms: Annotated[int, count("Time on the screen of the visits that ended.", 271_224_100)]
    dwell_mean_ms: Annotated[int | None, count("Its mean over the visits.", 30_099)]
    dwell_p50_ms: Annotated[int | None, count("Its median, within 9.1 %.", 17_448)]
    dwell_p90_ms: Annotated[int | None, count("Its 90th percentile, within 9.1 %.", 69_792)]
    dwell_p95_ms: Annotated[int | None, count("Its 95th percentile, within 9.1 %.", 98_701)]
    exits: Annotated[int, count("Sessions that ended on the screen.", 911)]
    exit_share: Annotated[
        float | None, number("`exits` by `views`; may pass 1 in short ranges.", 0.1122)
    ]
    bounces: Annotated[int, count("Of the exits those of sessions with one view.", 204)]
    silent_share: Annotated[
        float | None,
        number(
            "Share of the dwell whose visits ended by silence. It is counted up to the last sign "
            "of life: a lower bound.",
            0.0713,
            maximum=1,
        ),
    ]


class ScreenNow(Answer):
    screen: Annotated[str | None, told("The screen; `null`: none was named.", "Cart")]
    foreground: Annotated[int, count("Users in the foreground there.", 412, minimum=1)]
    share: Annotated[float, number("Of all users in the foreground.", 0.3996, maximum=1)]


class ScreensNow(Answer, kw_only=True):
    items: Annotated[list[ScreenNow], told("The most people first.")]
    foreground: Annotated[int, count("Users in the foreground.", 1031)]
    background: Annotated[int, count("Users in the background.", 252)]
    screens: Annotated[int, count("Screens with somebody on them in the foreground.", 18)]
    at: Annotated[str, instant("If it was given.", "2026-03-30T11:50:00.000Z")] | UnsetType = UNSET
    as_of: AsOf
    stale: Stale
    members_away: MembersAway = UNSET


class _OfScreen(Answer):
    screen: _Named


class _OfValue(Answer):
    screen: Annotated[str | None, told("As asked; `null`: of all screens together.", "Cart")]
    value: Annotated[
        str,
        told(
            "The version or platform; `(none)`: the app told none; `(other)`: beyond the ten of an "
            "hour with the most visits; `(suppressed)`: those of too few users together.",
            "1.10.0",
        ),
    ]


ScreenEngagement: Final = joined("ScreenEngagement", "", _OfScreen, Edges, ScreenMetrics)
SplitEngagement: Final = joined(
    "SplitEngagement", "A row with `split_by`.", _OfValue, Edges, ScreenMetrics
)
ScreenBucket: Final = joined("ScreenBucket", "", Edges, ScreenMetrics)


class Engagement(Answer, kw_only=True):
    items: Annotated[
        list[Any],
        told(
            "Screens in order, the buckets of each; with `split_by` versions or platforms.",
            items={"anyOf": [ref("ScreenEngagement"), ref("SplitEngagement")]},
        ),
    ]
    since: Since = field(name="from")
    to: To
    bucket: OfASeriesIfAny
    tz: Zone
    sort: Annotated[Sort, one_of("As asked.", Sort)]
    other_share: Annotated[
        float | None,
        number(
            "Of all views of the range those that count as `(other)`: beyond the cap of names. "
            "`null` in series, and without views.",
            0.0004,
            maximum=1,
        ),
    ]
    unique_users_to: Annotated[
        str | None,
        instant(
            "The end of what is rolled up of unique users: let `to` be no later where they matter.",
            "2026-03-30T11:00:00.000Z",
        ),
    ]
    split_by: Annotated[SplitBy | None, one_of("As asked.", SplitBy)] | UnsetType = UNSET
    app_version: OfVersion | UnsetType = UNSET
    platform: OfPlatform | UnsetType = UNSET
    kept_from: KeptFrom | UnsetType = UNSET
    as_of: AsOf
    stale: Stale
    members_away: MembersAway = UNSET


class Neighbour(Answer):
    screen: Annotated[str, told("Its name; `(start)` and `(end)` are a session's ends.", "Home")]
    transitions: Annotated[int, count("How often.", 1311)]
    share: Annotated[
        float | None,
        number("Of all that came here, or that left here.", 0.6243, maximum=1),
    ]


class Screen(Answer):
    screen: _Named
    since: Since = field(name="from")
    to: To
    bucket: OfSeries
    tz: Zone
    totals: ScreenMetrics
    series: Annotated[list[Any], told("Bucket by bucket.", items=ref("ScreenBucket"))]
    previous: Annotated[list[Neighbour], told("The ten that most come from.", maxItems=10)]
    next: Annotated[list[Neighbour], told("The ten that most go to.", maxItems=10)]
    as_of: AsOf
    stale: Stale
    members_away: MembersAway = UNSET
