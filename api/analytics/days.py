"""Ranges of whole days of the reporting zone: what is kept per user is kept by them only. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from api.http.parameters import bad_parameter
from api.periods.ranges import DAY, MAX_POINTS, day_start, local_date

USUAL_DAYS: Final = 30


def check_zone(zone: ZoneInfo | None, reporting_zone: ZoneInfo) -> None:
    """Raises ``ProblemError`` with code ``bad_parameter`` for any other zone."""
    if zone is not None and zone.key != reporting_zone.key:
        raise bad_parameter(
            "tz",
            f"must be {reporting_zone.key}: whether a user was active is kept by the day of this "
            "deployment's reporting zone (ROLLCALL_REPORTING_TIME_ZONE), and by no finer time",
        )


def whole_days(
    values: Mapping[str, Any], now: datetime, zone: ZoneInfo, most_days: int = MAX_POINTS
) -> tuple[date, date]:
    """The first day, and the one after the last; the usual ones end with today.

    Raises ``ProblemError`` with code ``bad_parameter``, naming ``from`` or ``to``.
    """
    first = _day("from", values.get("from"), zone)
    end = _day("to", values.get("to"), zone)
    if end is None:
        end = local_date(now, zone) + DAY
    if first is None:
        first = end - min(USUAL_DAYS, most_days) * DAY
    if first >= end:
        raise bad_parameter("from", f"must be before to, which is {end}")
    if (end - first).days > most_days:
        raise bad_parameter("from", f"must be at most {most_days:,} days before to, which is {end}")
    return first, end


def _day(field: str, moment: datetime | date | None, zone: ZoneInfo) -> date | None:
    if not isinstance(moment, datetime):
        return moment
    day = local_date(moment, zone)
    if day_start(day, zone) != moment:
        before, after = day_start(day, zone), day_start(day + DAY, zone)
        nearest = day if moment - before <= after - moment else day + timedelta(days=1)
        raise bad_parameter(field, f"must be the start of a day in {zone.key}, such as {nearest}")
    return day
