"""Rollups: quarter-hours from the windows, with the hours that they are in; sketches by the hour
from changes; days from both.

A quarter-hour is rolled up once as_of is half an hour past its end, and again when the processor
has noted that something came late for it; then its day is, too. Rollups never go back: what log
time passes again after a step back (``processor/core/clock_steps.py``) comes late, and so do the
users of a screen in those hours. Everything is replaced by what its sources say, together with the
progress, so that a run that was cut short only has to be repeated. Each function is one transaction
of bounded work, the oldest first, and says whether there was any.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter

from processor.maintenance.database_session import Session
from schemas.measures.sketches import estimate, merged, sketch_of

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
            sums = _SUMS if _has_lost_rows(session, quarter, quarter + QUARTER) else _ROLLUPS
            _replace_quarters(session, quarter, quarter + QUARTER, sums)
            _replace_hour_passed_again(session, quarter.replace(minute=0))
            session.do("note_late_day", span)
        session.do("delete_late_notes", span)
        return True


def _replace_hour_passed_again(session: Session, hour: datetime) -> None:
    """Visits begin late only where log time passes an hour again."""
    if _has_lost_rows(session, hour, hour + HOUR):
        return
    (is_passed_again,) = session.one("is_hour_passed_again", {"hour": hour})
    (held_from,) = session.one("held_from", (["changes"],))
    if is_passed_again and (held_from is None or hour >= held_from):
        _replace_hour(session, hour)


def _has_lost_rows(session: Session, start: datetime, end: datetime) -> bool:
    (has_lost,) = session.one("has_lost_rows", {"from": start, "to": end})
    return bool(has_lost)


def _replace_quarters(
    session: Session, start: datetime, end: datetime, rollups: tuple[str, ...] = _ROLLUPS
) -> None:
    span = {"from": start, "to": end}
    for what in rollups:
        session.do(f"clear_{what}", span)
        session.do(f"roll_up_{what}", span)
    session.do("delete_late_notes", span)


def roll_up_hour(session: Session) -> bool:
    """The users of each screen in the next hour whose quarters are rolled up."""
    with session.transaction():
        position = session.position()
        start = position.hours
        if start is None or position.quarters is None or start + HOUR > position.quarters:
            return False
        _replace_hour(session, start)
        session.do("advance", {"rollup": "hours", "to": start + HOUR})
        return True


def _replace_hour(session: Session, hour: datetime) -> None:
    rows = [
        (hour, screen, estimate(sketch), sketch)
        for screen, sketch in _visitors(session, hour, hour + HOUR)
    ]
    session.do("clear_hour", {"hour": hour})
    session.do_many("store_hour", rows)


def roll_up_day(session: Session) -> bool:
    """The oldest complete day of the reporting zone, or one of whose quarters came late."""
    with session.transaction():
        found = session.all("day_to_do")
        if not found:
            return False
        ((day, start, end, is_late),) = found
        sketches = _day_sketches(session, start, end)
        span = {"day": day, "from": start, "to": end}
        session.do("clear_screen_day", span)
        session.do(
            "roll_up_screen_day",
            {
                **span,
                "screens": list(sketches),
                "users": [estimate(sketch) for sketch in sketches.values()],
                "sketches": list(sketches.values()),
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


def _day_sketches(session: Session, start: datetime, end: datetime) -> dict[str, bytes]:
    """By screen, everyone who began a visit from ``start`` to ``end``.

    Where the zone is not whole hours from UTC, a day's first and last half-hours come from changes;
    once those are gone, from the hours that begin in the day.
    """
    first_hour, last_hour = _ceil_to_hour(start), _ceil_to_hour(end)
    parts: list[tuple[str, bytes]] = []
    (held_from,) = session.one("held_from", (["changes"],))
    if held_from is None or start >= held_from:
        last_hour = end.replace(minute=0)
        for edge in ((start, first_hour), (last_hour, end)):
            if edge[0] < edge[1]:
                parts += _visitors(session, *edge)
    parts += session.stream("hourly_sketches", {"from": first_hour, "to": last_hour})
    parts.sort(key=itemgetter(0))
    return {
        screen: merged(sketch for _, sketch in group)
        for screen, group in groupby(parts, key=itemgetter(0))
    }


def _visitors(session: Session, start: datetime, end: datetime) -> Iterator[tuple[str, bytes]]:
    visitors = session.stream("visitors", {"from": start, "to": end})
    for screen, group in groupby(visitors, key=itemgetter(0)):
        yield screen, sketch_of(user_id for _, user_id in group)


def _ceil_to_hour(at: datetime) -> datetime:
    return at if at.minute == 0 else at.replace(minute=0) + HOUR
