"""Of screens: trends beside the range before, how long visits last, where people go next. PURE."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, UnsetType, field

from api.analytics.answers.screens import KeptFrom, OfPlatform, OfVersion
from api.http.answers import Answer, AsOf, MembersAway, Stale, count, instant, number, one_of, told
from api.periods.answers import NoSeries, OfSeries, Since, To, Zone

Counted: TypeAlias = Literal["views", "dwell", "exits"]


class Trend(Answer):
    screen: Annotated[str, told("The screen.", "Home")]
    total: Annotated[int, count("In the range; of `dwell` milliseconds.", 8123)]
    compared: Annotated[int, count("In its buckets that are over.", 8123)]
    compared_before: Annotated[int, count("In as many of the range before.", 7601)]
    change: Annotated[
        float | None,
        told(
            "`compared / compared_before - 1`; `null` if nothing was before, or not all of the "
            "range before is kept.",
            0.0687,
            minimum=-1,
        ),
    ]
    series: Annotated[list[Annotated[int, count("Of a bucket.", 4010)]], told("Bucket by bucket.")]
    series_before: Annotated[
        list[Annotated[int, count("Of a bucket.", 3807)]], told("Of the range before.")
    ]


class RangeBefore(Answer):
    """The range before."""

    since: Annotated[str, instant("Its first instant.", "2026-03-30T07:00:00.000Z")] = field(
        name="from"
    )
    to: Annotated[str, instant("The first one after it.", "2026-03-30T09:00:00.000Z")]


class Trends(Answer):
    items: Annotated[list[Trend], told("The most first.")]
    since: Since = field(name="from")
    to: To
    bucket: OfSeries
    tz: Zone
    of: Annotated[Counted, one_of("As asked.", Counted)]
    before: RangeBefore
    kept_from: Annotated[
        str | None,
        instant("The first instant of which figures are kept.", "2026-01-30T00:00:00.000Z"),
    ]
    compared_buckets: Annotated[int, count("How many of them are over.", 2)]
    compared_to: Annotated[
        str | None,
        instant(
            "The end of the last bucket that is over; `null`: none is.", "2026-03-30T11:00:00.000Z"
        ),
    ]
    as_of: AsOf
    stale: Stale
    members_away: MembersAway = UNSET


class DwellRow(Answer):
    from_ms: Annotated[int, count("At least so long, in milliseconds.", 841)]
    to_ms: Annotated[int | None, count("Below that; `null`: or longer.", 1000)]
    visits: Annotated[int, count("Visits that lasted so long.", 20)]
    share: Annotated[float | None, number("Of all visits.", 0.4, maximum=1)]


class Dwell(Answer, kw_only=True):
    items: Annotated[list[DwellRow], told("From the shortest; four for each doubling.")]
    since: Since = field(name="from")
    to: To
    bucket: NoSeries
    tz: Zone
    screen: Annotated[str | None, told("As asked.", "Cart")]
    visits: Annotated[int, count("Visits that ended in the range.", 50)]
    app_version: OfVersion | UnsetType = UNSET
    platform: OfPlatform | UnsetType = UNSET
    kept_from: KeptFrom | UnsetType = UNSET
    as_of: AsOf
    stale: Stale
    members_away: MembersAway = UNSET


class Flow(Answer):
    from_screen: Annotated[str, told("`(start)`: the session began.", "Home")]
    to_screen: Annotated[str, told("`(end)`: the session ended.", "Cart")]
    transitions: Annotated[int, count("From one view to the next, so often.", 1311)]
    from_share: Annotated[
        float | None, number("Of all that left `from_screen`.", 0.1614, maximum=1)
    ]
    to_share: Annotated[float | None, number("Of all that came to `to_screen`.", 0.6243, maximum=1)]


class Flows(Answer):
    items: Annotated[list[Flow], told("The most frequent first.")]
    since: Since = field(name="from")
    to: To
    bucket: NoSeries
    tz: Zone
    top: Annotated[int | None, count("As asked.", 12)]
    folded: Annotated[
        int | None, count("Screens that are `(other)` together; `null` without `top`.", 6)
    ]
    as_of: AsOf
    stale: Stale
    members_away: MembersAway = UNSET
