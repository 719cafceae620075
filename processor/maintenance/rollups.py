"""Rollups: quarter-hours from the windows, with the hours that they are in; by the hour sketches
from changes, and engagement by version and platform from spans; days from quarters and sketches.

A quarter-hour is rolled up once as_of is half an hour past its end, and again when the processor
has noted that something came late for it; then its day is, too. Rollups never go back: what log
time passes again after a step back (``processor/core/log/clock_steps.py``) comes late, and so do
the users of a screen in those hours. Everything is replaced by what its sources say, together with
the progress, so that a run that was cut short only has to be repeated. Each function is one
transaction of bounded work, the oldest first, and says whether there was any.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from processor.maintenance.database_session import Session
from processor.maintenance.screen_users import has_lost_rows, replace_hour, users_of_day
from processor.maintenance.screen_versions import replace_versions

HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)

#: What quarter-hours are made of. None is rolled up again when one of these has gone.
_SOURCES = ["screen_minutes", "screen_transitions", "sessions", "concurrency_samples"]

#: Of sums, which hold nobody, and of users' own rows: an erasure takes some of those, and what they
#: were rolled up to stays (promise 8).
_SUMS = ("screens", "screen_hours", "transitions", "concurrency")
_ROLLUPS = (*_SUMS, "sessions")


def roll_up_zone(session: Session) -> bool:
    """Adopt the reporting zone of the policy that all partitions have; a new one rebuilds all days.

    The days of users are named by the processor: they are of the new zone from now on.
    """
    with session.transaction():
        zones = {zone for (zone,) in session.all("zones_in_force")}
        known = {zone for (zone,) in session.all("reporting_zone")}
        # Two zones: processors of two settings, or one of them has not written since.
        if len(zones) != 1 or zones == known or session.position().as_of is None:
            return False
        new = {"zone": zones.pop()}
        session.do("adopt_zone", new)
        if not known:
            for query in ("begin_quarters", "begin_hours"):
                session.do(query)
            session.do("begin_days", new)
            return True
        session.do("forget_late_days")
        (first,) = session.one("restart_days", new)
        for query in ("forget_screen_days", "forget_transition_days"):
            session.do(query, {"day": first})
        return True


def roll_up_quarters(session: Session) -> bool:
    """Up to an hour of quarter-hours that are over."""
    with session.transaction():
        position = session.position()
        if position.as_of is None or position.quarters is None:
            return False
        (ready,) = session.one("quarters_ready", {"as_of": position.as_of})
        (held_from,) = session.one("held_from", (_SOURCES,))
        start = max(position.quarters, held_from or position.quarters)
        end = min(start + HOUR, ready)
        if start >= end:
            return False
        _replace_quarters(session, start, end)
        session.do("advance", {"rollup": "quarters", "to": end})
        return True


def roll_up_late_quarter(session: Session) -> bool:
    """The oldest quarter-hour that got something after it was rolled up."""
    with session.transaction():
        (quarter,) = session.one("oldest_late_quarter", {"through": session.position().quarters})
        if quarter is None:
            return False
        (held_from,) = session.one("held_from", (_SOURCES,))
        span = {"from": quarter, "to": quarter + QUARTER}
        if held_from is None or quarter >= held_from:
            sums = _SUMS if has_lost_rows(session, quarter, quarter + QUARTER) else _ROLLUPS
            _replace_quarters(session, quarter, quarter + QUARTER, sums)
            _replace_hour_passed_again(session, quarter.replace(minute=0))
            _replace_versions_again(session, quarter.replace(minute=0))
            session.do("note_late_day", span)
        session.do("delete_late_notes", span)
        return True


def _replace_hour_passed_again(session: Session, hour: datetime) -> None:
    """Visits begin late only where log time passes an hour again."""
    if has_lost_rows(session, hour, hour + HOUR):
        return
    (is_passed_again,) = session.one("is_hour_passed_again", {"hour": hour})
    (held_from,) = session.one("held_from", (["changes"],))
    if is_passed_again and (held_from is None or hour >= held_from):
        replace_hour(session, hour)


def _replace_versions_again(session: Session, hour: datetime) -> None:
    """Once they were counted; not where rows have gone since (promise 8, retention)."""
    hours = session.position().hours
    (held_from,) = session.one("held_from", (["spans", "sessions", "screen_version_hours"],))
    is_counted = hours is not None and hour < hours
    is_held = held_from is None or hour >= held_from
    if is_counted and is_held and not has_lost_rows(session, hour, hour + HOUR):
        replace_versions(session, hour)


def _replace_quarters(
    session: Session, start: datetime, end: datetime, rollups: tuple[str, ...] = _ROLLUPS
) -> None:
    span = {"from": start, "to": end}
    for what in rollups:
        session.do(f"clear_{what}", span)
        session.do(f"roll_up_{what}", span)
    session.do("delete_late_notes", span)


def roll_up_hour(session: Session) -> bool:
    """The users of each screen, and its versions and platforms, in the next hour whose quarters are
    rolled up."""
    with session.transaction():
        position = session.position()
        start = position.hours
        if start is None or position.quarters is None or start + HOUR > position.quarters:
            return False
        replace_hour(session, start)
        replace_versions(session, start)
        session.do("advance", {"rollup": "hours", "to": start + HOUR})
        return True


def roll_up_day(session: Session) -> bool:
    """The oldest complete day of the reporting zone, or one of whose quarters came late."""
    with session.transaction():
        found = session.all("day_to_do")
        if not found:
            return False
        ((day, start, end, is_late),) = found
        users = users_of_day(session, day, start, end, is_counted=is_late)
        span = {"day": day, "from": start, "to": end}
        session.do("clear_screen_day", span)
        session.do(
            "roll_up_screen_day",
            {
                **span,
                "screens": [of.screen for of in users],
                "users": [of.users for of in users],
                "users_at_most": [of.users_at_most for of in users],
                "months": [of.month for of in users],
                "sketches": [of.sketch for of in users],
            },
        )
        session.do("clear_transition_day", span)
        session.do("roll_up_transition_day", span)
        session.do("roll_up_active_users", {"day": day, "is_late": is_late})
        if is_late:
            session.do("delete_late_day", span)
        else:
            session.do("advance", {"rollup": "days", "to": end})
        return True
