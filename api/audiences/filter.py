"""Which users an audience is made of: a JSON object, checked to its last field. PURE.

The policy: a field that is unknown, given twice or cannot be used is refused by name, with what
would be right; ``null`` is no value. An ignored or mistaken condition would send a message to
people whom nobody meant. Every mistake is named at once, up to 20.

All conditions must hold. They compare with what lists show (see ``api.presence.filters``):

    last_active        a period in which the user was last active
    online             true or false, now
    state, screen      of users online now, as in lists
    saw, did_not_see   a period in which the user was in the foreground on a screen, if only for a
                       moment; who is on it now has seen it up to now
    app_version        an order of versions (see ``api.analytics.versions``); an unknown version is
                       in none
    platform           as in breakdowns, whatever the case
    exclude_user_ids   everybody but these

A period has a start (``from`` or ``within_seconds``) and an end (``to`` or ``not_within_seconds``).
Instants and dates are as everywhere (``api.periods.ranges``), dates in ``tz``; ends are half-open.
Seconds are counted back from ``as_of``, so that a stored filter means the same every day and the
same log gives the same answer.

``cap`` leaves that many users: those whose SHA-256 of ``seed``, a newline and the user id is
smallest. So the choice is as good as random, but the same whenever it is made: who comes into the
audience takes at most one other's place, a larger cap holds the smaller one's users, and another
seed draws anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from api.analytics.versions import OPERATORS, Comparison
from api.http.json_fields import (
    MAX_PROBLEMS,
    BadFieldsError,
    Reader,
    document_of,
    flag,
    from_text,
    name_of,
    object_of,
    read_fields,
    refusal,
    text_of,
    whole_number,
    word_of,
)
from api.http.parameters import text_problem
from api.periods.ranges import day_start, parse_moment, parse_zone
from api.presence.filters import STATES, OnlineState
from schemas.http.problems import FieldProblem
from schemas.log.events import MAX_USER_ID

#: 10,000 user ids of some 36 characters are a tenth of this.
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
MAX_EXCLUDED: Final = 10_000
MAX_CAP: Final = 10_000_000
MAX_SEED: Final = 64
MAX_SECONDS: Final = 10 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class Period:
    """Half-open, as it was given; ``None``: no bound. At most one start and one end are given."""

    start: datetime | date | None = None
    within_seconds: int | None = None
    end: datetime | date | None = None
    not_within_seconds: int | None = None

    def resolve(
        self, field: str, now: datetime, zone: ZoneInfo
    ) -> tuple[datetime | None, datetime | None]:
        """Its instants. Raises ``ProblemError`` with code ``bad_field`` if none are in it."""
        start, end = _instant(self.start, zone), _instant(self.end, zone)
        if self.within_seconds is not None:
            start = now - timedelta(seconds=self.within_seconds)
        if self.not_within_seconds is not None:
            end = now - timedelta(seconds=self.not_within_seconds)
        if start is not None and end is not None and start >= end:
            raise refusal([FieldProblem(field, "is empty: its start must be before its end")])
        return start, end


@dataclass(frozen=True, slots=True)
class Sight:
    """A screen and when; the period has a start."""

    screen: str
    period: Period


@dataclass(frozen=True, slots=True)
class AudienceFilter:
    """``None``: no such condition. ``document`` is what was asked for, with the number of excluded
    users instead of their ids: an erased user must not live on in what is kept of it."""

    document: Mapping[str, Any]
    last_active: Period | None = None
    online: bool | None = None
    state: OnlineState | None = None
    screen: str | None = None
    saw: Sight | None = None
    did_not_see: Sight | None = None
    app_version: Comparison | None = None
    platform: str | None = None
    exclude_user_ids: tuple[str, ...] = ()
    cap: int | None = None
    seed: str = ""
    tz: ZoneInfo | None = None


def parse_filter(body: bytes) -> AudienceFilter:
    """The filter in a body.

    Raises ``ProblemError``: ``bad_json`` if it is no JSON object, ``bad_field`` naming the fields.
    """
    document = document_of(body)
    try:
        values = read_fields(document, FIELDS)
        _check_together(values)
    except BadFieldsError as error:
        raise refusal(error.problems[:MAX_PROBLEMS]) from None
    excluded = values.get("exclude_user_ids", ())
    if excluded:
        document = {**document, "exclude_user_ids": {"count": len(excluded)}}
    return AudienceFilter(document, **values)


def _check_together(values: Mapping[str, Any]) -> None:
    problems = [
        FieldProblem(name, "is of users online now: leave out online, or set it to true")
        for name in ("state", "screen")
        if name in values and values.get("online") is False
    ]
    if "seed" in values and "cap" not in values:
        problems.append(FieldProblem("seed", "draws the users of a cap: give cap too"))
    if problems:
        raise BadFieldsError(problems)


def _bounds(values: Mapping[str, Any]) -> Period:
    for one, other in (("from", "within_seconds"), ("to", "not_within_seconds")):
        if one in values and other in values:
            raise BadFieldsError([FieldProblem(other, f"cannot be given together with {one}")])
    return Period(
        values.get("from"),
        values.get("within_seconds"),
        values.get("to"),
        values.get("not_within_seconds"),
    )


def _last_active(value: Any) -> Period:
    values = object_of(value, PERIOD)
    if not values:
        raise ValueError(f"is empty: give at least one of {', '.join(PERIOD)}")
    return _bounds(values)


def _sight(value: Any) -> Sight:
    values = object_of(value, {"screen": name_of("screen"), **PERIOD})
    problems = []
    if "screen" not in values:
        problems.append(FieldProblem("screen", "is missing: name the screen"))
    if "from" not in values and "within_seconds" not in values:
        problems.append(
            FieldProblem("from", "is missing: say since when, with from or within_seconds")
        )
    if problems:
        raise BadFieldsError(problems)
    return Sight(values["screen"], _bounds(values))


def _comparison(value: Any) -> Comparison:
    fields = {
        "op": word_of(cast(tuple[str, ...], OPERATORS)),
        "version": name_of("app_version"),
    }
    values = object_of(value, fields)
    missing = [FieldProblem(name, "is missing") for name in fields if name not in values]
    if missing:
        raise BadFieldsError(missing)
    return Comparison(values["op"], values["version"])


def _user_ids(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("must be a list of user ids")
    if len(value) > MAX_EXCLUDED:
        raise ValueError(f"has {len(value)} user ids, more than {MAX_EXCLUDED}")
    problems = [
        FieldProblem(f"[{index}]", problem)
        for index, item in enumerate(value)
        if (problem := text_problem(item, MAX_USER_ID))
    ]
    if problems:
        raise BadFieldsError(problems[:MAX_PROBLEMS])
    return tuple(dict.fromkeys(value))


def _instant(moment: datetime | date | None, zone: ZoneInfo) -> datetime | None:
    if moment is None or isinstance(moment, datetime):
        return moment
    return day_start(moment, zone)


PERIOD: Final[dict[str, Reader]] = {
    "within_seconds": whole_number(MAX_SECONDS),
    "from": from_text(parse_moment),
    "not_within_seconds": whole_number(MAX_SECONDS),
    "to": from_text(parse_moment),
}
FIELDS: Final[dict[str, Reader]] = {
    "last_active": _last_active,
    "online": flag,
    "state": word_of(cast(tuple[str, ...], STATES), "; who is offline has online: false"),
    "screen": name_of("screen"),
    "saw": _sight,
    "did_not_see": _sight,
    "app_version": _comparison,
    "platform": name_of("platform"),
    "exclude_user_ids": _user_ids,
    "cap": whole_number(MAX_CAP),
    "seed": text_of(MAX_SEED),
    "tz": from_text(parse_zone),
}
