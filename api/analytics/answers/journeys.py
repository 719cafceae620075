"""Of journeys: how far sessions get through steps, and whether people come back. PURE."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import field

from api.http.answers import Answer, AsOf, Stale, count, day, number, one_of, told
from api.periods.answers import NoSeries, Since, To, Zone

FunnelBy: TypeAlias = Literal["app_version", "platform"]
#: The days of users that are kept, and the week that runs.
MAX_WEEKS: Final = 9


class FunnelStep(Answer):
    value: Annotated[
        str | None,
        told(
            "The version or platform; `(other)`: beyond the ten with the most; `(suppressed)`: "
            "those of too few users, where the operator wants that.",
            "1.10.0",
        ),
    ]
    step: Annotated[int, count("From 1.", 2)]
    screen: Annotated[str, told("As asked.", "Checkout")]
    sessions: Annotated[int, count("That reached it, after the steps before it.", 412)]
    users: Annotated[int, count("Whose they are.", 390)]
    from_first: Annotated[float, number("Of the sessions of the first step.", 0.6134, maximum=1)]
    from_before: Annotated[
        float | None,
        number("Of those of the step before; `null`: the first.", 0.6134, maximum=1),
    ]
    p50_ms: Annotated[int | None, count("From the step before, half of the sessions.", 41_200)]
    p90_ms: Annotated[int | None, count("Nine in ten.", 180_300)]


class Funnel(Answer):
    items: Annotated[list[FunnelStep], told("Step by step; the value with the most first.")]
    since: Since = field(name="from")
    to: To
    bucket: NoSeries
    tz: Zone
    by: Annotated[FunnelBy | None, one_of("As asked.", FunnelBy)]
    as_of: AsOf
    stale: Stale


class RetentionWeek(Answer):
    first_week: Annotated[str, day("The Monday of the week of their first day.", "2026-03-23")]
    new_users: Annotated[int, count("Users whose first day was in it.", 1200)]
    weeks_later: Annotated[int, count("0: the same week.", 1)]
    active_users: Annotated[int, count("Of them, in the foreground in that week.", 480)]
    share: Annotated[float, number("Of `new_users`.", 0.4, maximum=1)]
    complete: Annotated[bool, told("Whether that week is over.", True)]


class Retention(Answer):
    items: Annotated[list[RetentionWeek], told("By first week, then by week.")]
    weeks: Annotated[int, count("As asked.", MAX_WEEKS)]
    tz: Annotated[str, told("The reporting zone, whose weeks they are.", "Europe/Berlin")]
    as_of: AsOf
    stale: Stale
