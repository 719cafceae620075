"""Who began a visit on each screen, by hour and by day: as sketches under the keys of UTC months.

1. An hour's sketch is under the key of its month, a day's under that of the month of its noon. The
   key is made with the month's first sketch; retention destroys it when its changes have gone.
2. A day is merged from its hours. Two kinds of hours are sketched again, from changes and under the
   day's key: those under another key, where a day lies in two months; and the half-hours at its
   ends, where the zone is not whole hours from UTC.
3. That cannot be done once the changes or the key have gone. A day that was counted before keeps
   what it has then; it does so, too, where an erasure took some of those changes. A day that was
   not counted (another zone made it anew) is made of the hours that begin in it. If these are under
   several keys, it has bounds and no sketch.

So the same run repeated gives the same bytes, and no sketch is ever replaced by one of fewer users
because people's data have gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from processor.maintenance.database_session import Session
from schemas.measures.sketches import Key, Users, UserSets, estimate, sketch_of

HOUR = timedelta(hours=1)
Span: TypeAlias = tuple[datetime, datetime]


class ScreenUsers(NamedTuple):
    """Of a screen on a day, as stored: ``users_at_most`` is ``None`` where it is ``users``, and a
    ``month`` of ``None`` is that of no sketch, or of one without a key."""

    screen: str
    users: int
    users_at_most: int | None
    month: Key
    sketch: bytes | None


def replace_hour(session: Session, hour: datetime) -> None:
    """Sketch an hour's users from changes, which must be there."""
    month = _month_of(hour)
    rows = [
        (hour, screen, estimate(sketch), month, sketch)
        for screen, sketch in _visitors(session, month, (hour, hour + HOUR))
    ]
    session.do("clear_hour", {"hour": hour})
    session.do_many("store_hour", rows)


def users_of_day(
    session: Session, day: date, start: datetime, end: datetime, *, is_counted: bool
) -> list[ScreenUsers]:
    """Of each screen everyone who began a visit on the day, from ``start`` to ``end``.
    ``is_counted``: its rows are of this zone already, and it is counted again."""
    month = _month_of(start + (end - start) / 2)
    anew = _to_sketch_anew(session, month, start, end)
    can_sketch = _can_sketch(session, month, anew)
    if anew and is_counted and not (can_sketch and _is_whole(session, anew)):
        return [ScreenUsers(*row) for row in session.all("users_of_day", {"day": day})]
    found: dict[str, UserSets] = {}
    if can_sketch:
        for span in anew:
            for screen, sketch in _visitors(session, month, span):
                found.setdefault(screen, UserSets()).add(month, sketch, _counted(sketch))
    hours = {
        "from": _ceil_to_hour(start),
        "to": _ceil_to_hour(end),
        "but": [hour for hour, _ in anew] if can_sketch else [],
    }
    for screen, users, key, sketch in session.stream("users_of_hours", hours):
        found.setdefault(screen, UserSets()).add(key, sketch, Users(users, users))
    return [_stored(screen, sets) for screen, sets in sorted(found.items())]


def has_lost_rows(session: Session, start: datetime, end: datetime) -> bool:
    """Whether an erasure took of what is of that time."""
    (has_lost,) = session.one("has_lost_rows", {"from": start, "to": end})
    return bool(has_lost)


def _to_sketch_anew(session: Session, month: date, start: datetime, end: datetime) -> list[Span]:
    """The parts of a day that its hours' sketches under ``month``'s key do not tell, in order."""
    first_hour, last_hour = _ceil_to_hour(start), end.replace(minute=0)
    span = {"month": month, "from": first_hour, "to": last_hour}
    hours = [(hour, hour + HOUR) for (hour,) in session.all("hours_under_other_keys", span)]
    spans = [(start, first_hour), *hours, (last_hour, end)]
    return [(since, until) for since, until in spans if since < until]


def _can_sketch(session: Session, month: date, spans: list[Span]) -> bool:
    """Whether all changes of these are there, and the month's key or leave to make it."""
    (held_from,) = session.one("held_from", (["changes"],))
    if held_from is None or not spans:
        return True
    return bool(spans[0][0] >= held_from and _end_of(month) > held_from)


def _is_whole(session: Session, spans: list[Span]) -> bool:
    return not any(has_lost_rows(session, since, until) for since, until in spans)


def _visitors(session: Session, month: date, span: Span) -> Iterator[tuple[str, bytes]]:
    """By screen, everyone who began a visit, under the month's key, which is made if need be."""
    key: bytes | None = None
    visitors = session.stream("visitors", {"from": span[0], "to": span[1]})
    for screen, group in groupby(visitors, key=itemgetter(0)):
        key = key or key_of(session, month)
        yield screen, sketch_of((user_id for _, user_id in group), key)


def key_of(session: Session, month: date) -> bytes:
    """The key of a month that has changes, made if there is none; in a transaction.

    Of two that make it at once one fails (``psycopg.Error``), and finds the other's next time.
    """
    found = session.all("sketch_key", {"month": month})
    if not found:
        session.do("make_sketch_key", {"month": month})
        found = session.all("sketch_key", {"month": month})
    [(key,)] = found
    return bytes(key)


def _counted(sketch: bytes) -> Users:
    users = estimate(sketch)
    return Users(users, users)


def _stored(screen: str, sets: UserSets) -> ScreenUsers:
    users, sketch = sets.users(), sets.sketch()
    at_most = None if users.at_most == users.at_least else users.at_most
    month, held = (None, None) if sketch is None else sketch
    return ScreenUsers(screen, users.at_least, at_most, month, held)


def _month_of(at: datetime) -> date:
    return at.astimezone(UTC).date().replace(day=1)


def _end_of(month: date) -> datetime:
    after = (month + timedelta(days=31)).replace(day=1)
    return datetime(after.year, after.month, 1, tzinfo=UTC)


def _ceil_to_hour(at: datetime) -> datetime:
    return at if at.minute == 0 else at.replace(minute=0) + HOUR
