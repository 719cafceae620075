"""Users over time: concurrency, active users, what they use, sessions."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from api.http.call import Call
from api.http.parameters import name_parameter, word_parameter
from api.http.words import EDGES, OUTAGES, range_in_one_piece, range_shown
from api.periods.parameters import DAYS, RANGE, bucket
from api.periods.ranges import WINDOW_BUCKETS, Bucket
from schemas.openapi.answers import QUALITY, table
from schemas.openapi.forms import (
    Json,
    day,
    flag,
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
    "name": "Users over time",
    "description": "From samples and rollups: quarter-hours are rolled up half an hour after they "
    "have ended, and kept for 400 days. Ranges are half-open.",
}

BreakdownBy: TypeAlias = Literal["app_version", "platform", "device"]
BREAKDOWN_BYS: Final[tuple[BreakdownBy, ...]] = get_args(BreakdownBy)
CONCURRENCY_BUCKETS: Final[tuple[Bucket, ...]] = ("10s", "1m", *WINDOW_BUCKETS)


def _peak(of: str, example: int) -> dict[str, Json]:
    return {
        f"{of}_peak": nullable(whole("The most in one sample.", example)),
        f"{of}_peak_at": nullable(
            instant("The first instant that had it.", "2026-03-30T11:07:40.000Z")
        ),
    }


def _average(what: str, example: float) -> Json:
    return nullable(number(f"{what}, on average over the samples.", example))


_SAMPLED: Final = {
    **EDGES,
    "samples": whole("Fewer, or 0 and `null`, where an outage of our own was: see `gaps`.", 90),
}
_GAPS: Final = many(
    ref("Outage"),
    "Outages of our own in the range.",
)
_A_PEAK: Final = nullable(
    record(
        {
            "online": whole("Users online.", 1290),
            "at": instant("The first instant that had so many.", "2026-03-30T11:07:40.000Z"),
        }
    )
)
PEAKS: Final = record(
    {"today": _A_PEAK, "all_time": _A_PEAK},
    about="Of today (in the time zone of days) and of all that is kept; `null` without a sample.",
)
_SESSIONS: Final = {
    "sessions": whole("That ended.", 1120),
    "duration_mean_ms": nullable(
        whole("From online to the last sign of life; mean.", 412_000),
    ),
    "duration_p50_ms": nullable(whole("Median, within 9.1 %.", 279_170)),
    "duration_p90_ms": nullable(whole("90th percentile, within 9.1 %.", 939_012)),
    "duration_p95_ms": nullable(whole("95th percentile, within 9.1 %.", 1_327_964)),
    "foreground_mean_ms": nullable(whole("Time on screens; mean.", 301_000)),
    "views_mean": nullable(number("Views of a session; mean.", 4.21)),
    "bounces": whole("Sessions with one view.", 133),
    "bounce_share": nullable(number("Of the sessions.", 0.1188, maximum=1)),
    "ended_by_silence": whole("Sessions that timed out or lost their socket.", 780),
    "silence_share": nullable(number("Of the sessions.", 0.6964, maximum=1)),
}
SCHEMAS: Final[dict[str, Json]] = {
    "Outage": record(
        {
            "kind": word(
                "Log time jumped; or nothing but ticks was in the log; or a part of it was lost.",
                OUTAGES,
            ),
            "started_at": instant("When it began.", "2026-03-30T11:31:02.000Z"),
            "ended_at": nullable(
                instant("`null` while it lasts.", "2026-03-30T11:33:40.000Z"),
            ),
        },
        about="A silence that was ours: what was counted meanwhile is too low.",
    ),
    "Outages": record(
        {
            "items": many(ref("Outage"), "The latest first, 1,000 at most."),
            **range_in_one_piece(),
            **QUALITY,
        }
    ),
    "ConcurrencyBucket": record(
        {
            **_SAMPLED,
            "online_avg": _average("Users online", 1210.4),
            "foreground_avg": _average("Users in the foreground", 980.2),
            "background_avg": _average("Users in the background", 230.2),
            **_peak("online", 1290),
            **_peak("foreground", 1044),
        }
    ),
    "Concurrency": record(
        {
            "items": many(ref("ConcurrencyBucket")),
            **range_shown(),
            "gaps": _GAPS,
            "peaks": PEAKS,
            **QUALITY,
        },
        about="Without `screen`.",
    ),
    "ScreenConcurrencyBucket": record(
        {
            **_SAMPLED,
            "foreground_avg": _average("Users in the foreground on the screen", 402.1),
            **_peak("foreground", 431),
        }
    ),
    "ScreenConcurrency": record(
        {
            "items": many(ref("ScreenConcurrencyBucket")),
            **range_shown(),
            "gaps": _GAPS,
            "screen": text("As asked.", "Cart"),
            **QUALITY,
        },
        about="With `screen`.",
    ),
    "ActiveUsersDay": record(
        {
            "day": day("A day of the reporting zone.", "2026-03-29"),
            "active": whole("Users who were in the foreground.", 8120),
            "new": whole("Of these who never were before.", 411),
            "returning": whole("The others.", 7709),
            "weekly_active": nullable(
                whole("Distinct users of the 7 days that end with it.", 31_204)
            ),
            "monthly_active": nullable(whole("Of the 30 days that end with it.", 70_230)),
            "complete": flag("`false`: the day is not over.", True),
        }
    ),
    "ActiveUsers": record(
        {
            "items": many(ref("ActiveUsersDay")),
            "from": day("The first day.", "2026-03-29"),
            "to": day("The day after the last.", "2026-03-30"),
            "tz": text("The reporting zone.", "Europe/Berlin"),
            **QUALITY,
        }
    ),
    "BreakdownValue": record(
        {
            "value": nullable(
                text(
                    "`null`: unknown; `(other)`: all but the 50 most frequent; `(suppressed)`: "
                    "those of too few users, where the operator wants that.",
                    "1.10.0",
                )
            ),
            "users": whole("Users who have it.", 1000),
            "share": number("Of all users counted.", 0.7794, maximum=1),
            "timers_run_on": nullable(
                whole("Devices online whose app's timer runs on in the background.", 3)
            ),
        }
    ),
    "Breakdown": record(
        {
            "items": many(ref("BreakdownValue"), "Versions newest first, all else by users."),
            "by": word("As asked.", BREAKDOWN_BYS),
            "from": nullable(day("The first day; `null`: those online now.", "2026-03-29")),
            "to": nullable(day("The day after the last.", "2026-03-30")),
            "tz": text("The reporting zone.", "Europe/Berlin"),
            "users": whole("Users counted, each once.", 1283),
            **QUALITY,
        }
    ),
    "SessionsBucket": record({**EDGES, **_SESSIONS}),
    "Sessions": record(
        {
            "items": many(ref("SessionsBucket")),
            **range_shown(),
            "totals": record(_SESSIONS),
            **QUALITY,
        }
    ),
}


READ_CONCURRENCY: Final = Call(
    "GET",
    "/api/v1/concurrency",
    "concurrency",
    TAG,
    operation="readConcurrency",
    summary="Users online over time",
    about="From samples every 10 s of log time (kept 14 days); with `screen` the foreground users "
    "of one screen, from samples every minute. Only instants that every partition has count, and "
    "none inside an outage of our own.",
    answers=table(
        {"anyOf": [ref("Concurrency"), ref("ScreenConcurrency")]},
        "`ConcurrencyBucket` (or `ScreenConcurrencyBucket`)",
        "Users online over time.",
    ),
    parameters=(
        *RANGE,
        bucket(
            CONCURRENCY_BUCKETS,
            "Without it: `15m` up to two days, `1h` up to two weeks, else `1d`; not `10s` with "
            "`screen`.",
        ),
        name_parameter("screen", "Of this one only.", "Cart"),
    ),
)
LIST_OUTAGES: Final = Call(
    "GET",
    "/api/v1/outages",
    "outages",
    TAG,
    operation="listOutages",
    summary="Outages of our own",
    about="Silences that were ours and not the phones', of all partitions together: overlapping "
    "ones of a kind are one. `from` and `to` may be any whole second.",
    answers=table(ref("Outages"), "`Outage`", "Outages of our own."),
    parameters=RANGE,
)
LIST_ACTIVE_USERS: Final = Call(
    "GET",
    "/api/v1/active-users",
    "active_users",
    TAG,
    operation="listActiveUsers",
    summary="Active users by day",
    about="Who was in the foreground, by day of the reporting zone; exact.",
    answers=table(ref("ActiveUsers"), "`ActiveUsersDay`", "Active users by day."),
    parameters=DAYS,
)
READ_BREAKDOWN: Final = Call(
    "GET",
    "/api/v1/breakdown",
    "breakdown",
    TAG,
    operation="readBreakdown",
    summary="What users use",
    about="Users online now by app version, platform or device; with `from` or `to` those who were "
    "active in these days (31 at most), each once with what they used on their last one.",
    answers=table(ref("Breakdown"), "`BreakdownValue`", "What users use."),
    parameters=(word_parameter("by", "What to tell apart.", BREAKDOWN_BYS, required=True), *DAYS),
)
SUMMARISE_SESSIONS: Final = Call(
    "GET",
    "/api/v1/sessions/summary",
    "sessions",
    TAG,
    operation="summariseSessions",
    summary="Sessions",
    about="By when they ended, in all (`totals`) and by bucket. A duration leaves out the silence "
    "before a time-out.",
    answers=table(ref("Sessions"), "`SessionsBucket`", "Sessions."),
    parameters=(*RANGE, bucket()),
)
CALLS: Final = (
    READ_CONCURRENCY,
    LIST_OUTAGES,
    LIST_ACTIVE_USERS,
    READ_BREAKDOWN,
    SUMMARISE_SESSIONS,
)
