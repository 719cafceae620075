"""Users over time: concurrency, outages, active users, what they use, sessions. PURE."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import UNSET, field

from api.http.answers import (
    Answer,
    AsOf,
    MembersAway,
    Stale,
    count,
    day,
    instant,
    joined,
    number,
    one_of,
    told,
)
from api.http.words import OutageKind
from api.periods.answers import Edges, NoSeries, OfSeries, ReportingZone, Since, To, Zone
from schemas.openapi.forms import ref

BreakdownBy: TypeAlias = Literal["app_version", "platform", "device"]

_PEAK: Final = count("The most in one sample.", 1290)
_PEAK_AT: Final = instant("The first instant that had it.", "2026-03-30T11:07:40.000Z")
_SAMPLES: Final = count("Fewer, or 0 and `null`, where an outage of our own was: see `gaps`.", 90)


def _average(what: str, example: float) -> Any:
    return number(f"{what}, on average over the samples.", example)


class Outage(Answer):
    """A silence that was ours: what was counted meanwhile is too low."""

    kind: Annotated[
        OutageKind,
        one_of(
            "Log time jumped; or nothing but ticks was in the log; or a part of it was lost.",
            OutageKind,
        ),
    ]
    started_at: Annotated[str, instant("When it began.", "2026-03-30T11:31:02.000Z")]
    ended_at: Annotated[str | None, instant("`null` while it lasts.", "2026-03-30T11:33:40.000Z")]


Gaps: TypeAlias = Annotated[list[Outage], told("Outages of our own in the range.")]


class Outages(Answer):
    items: Annotated[list[Outage], told("The latest first, 1,000 at most.")]
    since: Since = field(name="from")
    to: To
    bucket: NoSeries
    tz: Zone
    as_of: AsOf
    stale: Stale
    members_away: MembersAway = UNSET


class Peak(Answer):
    online: Annotated[int, count("Users online.", 1290)]
    at: Annotated[str, instant("The first instant that had so many.", "2026-03-30T11:07:40.000Z")]


class Peaks(Answer):
    """Of today (in the time zone of days) and of all that is kept; `null` without a sample."""

    today: Peak | None
    all_time: Peak | None


class ConcurrencyBucket(Edges):
    samples: Annotated[int, _SAMPLES]
    online_avg: Annotated[float | None, _average("Users online", 1210.4)]
    foreground_avg: Annotated[float | None, _average("Users in the foreground", 980.2)]
    background_avg: Annotated[float | None, _average("Users in the background", 230.2)]
    online_peak: Annotated[int | None, _PEAK]
    online_peak_at: Annotated[str | None, _PEAK_AT]
    foreground_peak: Annotated[int | None, _PEAK]
    foreground_peak_at: Annotated[str | None, _PEAK_AT]


class Concurrency(Answer):
    """Without `screen`."""

    items: list[ConcurrencyBucket]
    since: Since = field(name="from")
    to: To
    bucket: OfSeries
    tz: Zone
    gaps: Gaps
    peaks: Peaks
    as_of: AsOf
    stale: Stale
    members_away: MembersAway = UNSET


class ScreenConcurrencyBucket(Edges):
    samples: Annotated[int, _SAMPLES]
    foreground_avg: Annotated[
        float | None, _average("Users in the foreground on the screen", 402.1)
    ]
    foreground_peak: Annotated[int | None, _PEAK]
    foreground_peak_at: Annotated[str | None, _PEAK_AT]


class ScreenConcurrency(Answer):
    """With `screen`."""

    items: list[ScreenConcurrencyBucket]
    since: Since = field(name="from")
    to: To
    bucket: OfSeries
    tz: Zone
    gaps: Gaps
    screen: Annotated[str, told("As asked.", "Cart")]
    as_of: AsOf
    stale: Stale
    members_away: MembersAway = UNSET


class ActiveUsersDay(Answer):
    day: Annotated[str, day("A day of the reporting zone.", "2026-03-29")]
    active: Annotated[int, count("Users who were in the foreground.", 8120)]
    new: Annotated[int, count("Of these who never were before.", 411)]
    returning: Annotated[int, count("The others.", 7709)]
    weekly_active: Annotated[
        int | None, count("Distinct users of the 7 days that end with it.", 31_204)
    ]
    monthly_active: Annotated[int | None, count("Of the 30 days that end with it.", 70_230)]
    complete: Annotated[bool, told("`false`: the day is not over.", True)]


class ActiveUsers(Answer):
    items: list[ActiveUsersDay]
    since: Annotated[str, day("The first day.", "2026-03-29")] = field(name="from")
    to: Annotated[str, day("The day after the last.", "2026-03-30")]
    tz: ReportingZone
    as_of: AsOf
    stale: Stale


class BreakdownValue(Answer):
    value: Annotated[
        str | None,
        told(
            "`null`: unknown; `(other)`: all but the 50 most frequent; `(suppressed)`: those of "
            "too few users, where the operator wants that.",
            "1.10.0",
        ),
    ]
    users: Annotated[int, count("Users who have it.", 1000)]
    share: Annotated[float, number("Of all users counted.", 0.7794, maximum=1)]
    timers_run_on: Annotated[
        int | None, count("Devices online whose app's timer runs on in the background.", 3)
    ]


class Breakdown(Answer):
    items: Annotated[list[BreakdownValue], told("Versions newest first, all else by users.")]
    by: Annotated[BreakdownBy, one_of("As asked.", BreakdownBy)]
    since: Annotated[str | None, day("The first day; `null`: those online now.", "2026-03-29")] = (
        field(name="from")
    )
    to: Annotated[str | None, day("The day after the last.", "2026-03-30")]
    tz: ReportingZone
    users: Annotated[int, count("Users counted, each once.", 1283)]
    as_of: AsOf
    stale: Stale


class SessionMetrics(Answer):
    sessions: Annotated[int, count("That ended.", 1120)]
    duration_mean_ms: Annotated[
        int | None, count("From online to the last sign of life; mean.", 412_000)
    ]
    duration_p50_ms: Annotated[int | None, count("Median, within 9.1 %.", 279_170)]
    duration_p90_ms: Annotated[int | None, count("90th percentile, within 9.1 %.", 939_012)]
    duration_p95_ms: Annotated[int | None, count("95th percentile, within 9.1 %.", 1_327_964)]
    foreground_mean_ms: Annotated[int | None, count("Time on screens; mean.", 301_000)]
    views_mean: Annotated[float | None, number("Views of a session; mean.", 4.21)]
    bounces: Annotated[int, count("Sessions with one view.", 133)]
    bounce_share: Annotated[float | None, number("Of the sessions.", 0.1188, maximum=1)]
    ended_by_silence: Annotated[int, count("Sessions that timed out or lost their socket.", 780)]
    silence_share: Annotated[float | None, number("Of the sessions.", 0.6964, maximum=1)]


SessionsBucket: Final = joined("SessionsBucket", "", Edges, SessionMetrics)


class Sessions(Answer):
    items: Annotated[list[Any], told("Bucket by bucket.", items=ref("SessionsBucket"))]
    since: Since = field(name="from")
    to: To
    bucket: OfSeries
    tz: Zone
    totals: SessionMetrics
    as_of: AsOf
    stale: Stale
