"""Users over time: concurrency, active users, what they use, sessions."""

from __future__ import annotations

from typing import Final, get_args

from api.analytics.answers.over_time import (
    ActiveUsers,
    Breakdown,
    BreakdownBy,
    Concurrency,
    Outages,
    ScreenConcurrency,
    Sessions,
    SessionsBucket,
)
from api.http.answers import schemas_of
from api.http.call import Call
from api.http.parameters import name_parameter, word_parameter
from api.periods.parameters import DAYS, RANGE, bucket
from api.periods.ranges import WINDOW_BUCKETS, Bucket
from schemas.openapi.answers import table
from schemas.openapi.forms import ref

TAG: Final = {
    "name": "Users over time",
    "description": "From samples and rollups: quarter-hours are rolled up half an hour after they "
    "have ended, and kept for 400 days. Ranges are half-open.",
}

BREAKDOWN_BYS: Final[tuple[BreakdownBy, ...]] = get_args(BreakdownBy)
CONCURRENCY_BUCKETS: Final[tuple[Bucket, ...]] = ("10s", "1m", *WINDOW_BUCKETS)


SCHEMAS: Final = schemas_of(
    Outages,
    Concurrency,
    ScreenConcurrency,
    ActiveUsers,
    Breakdown,
    SessionsBucket,
    Sessions,
)


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
