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
    app_version        an order of versions (``schemas.measures.versions``); an unknown version is
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
from typing import Any, Final
from zoneinfo import ZoneInfo

from api.http.words import USER_ID
from api.periods.ranges import day_start, parse_moment, parse_zone
from api.presence.filters import STATES, OnlineState
from schemas.bodies.body import Body, document_of, refusal
from schemas.bodies.fields import (
    BadFieldsError,
    Field,
    flag_field,
    name_field,
    number_field,
    parsed_field,
    read_list,
    read_object,
    read_text,
    schema_of,
    text_field,
    word_field,
)
from schemas.bodies.version_field import PLATFORM, VERSION
from schemas.http.problems import FieldProblem
from schemas.log.events import MAX_USER_ID
from schemas.measures.versions import Comparison
from schemas.openapi.forms import many, ref, text

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
    try:
        return filter_of(document_of(body))
    except BadFieldsError as error:
        raise refusal(error.problems) from None


def filter_of(document: Any) -> AudienceFilter:
    """The filter that a value of JSON is. Raises ``ValueError``, where fields are wrong
    ``BadFieldsError``."""
    values = read_object(document, FIELDS, _together)
    excluded = values.get("exclude_user_ids", ())
    if excluded:
        document = {**document, "exclude_user_ids": {"count": len(excluded)}}
    return AudienceFilter(document, **values)


def _together(values: dict[str, Any], _: set[str]) -> list[FieldProblem]:
    problems = [
        FieldProblem(name, "is of users online now: leave out online, or set it to true")
        for name in ("state", "screen")
        if name in values and values.get("online") is False
    ]
    if "seed" in values and "cap" not in values:
        problems.append(FieldProblem("seed", "draws the users of a cap: give cap too"))
    return problems


def _bounds(values: dict[str, Any], wrong: set[str]) -> list[FieldProblem]:
    return [
        FieldProblem(other, f"cannot be given together with {one}")
        for one, other in (("from", "within_seconds"), ("to", "not_within_seconds"))
        if one in values and other in values
    ]


def _since(values: dict[str, Any], wrong: set[str]) -> list[FieldProblem]:
    if {"from", "within_seconds"}.isdisjoint(values.keys() | wrong):
        return [FieldProblem("from", "is missing: say since when, with from or within_seconds")]
    return _bounds(values, wrong)


def _period(values: Mapping[str, Any]) -> Period:
    return Period(
        values.get("from"),
        values.get("within_seconds"),
        values.get("to"),
        values.get("not_within_seconds"),
    )


def _last_active(value: Any) -> Period:
    values = read_object(value, PERIOD, _bounds)
    if not values:
        raise ValueError(f"is empty: give at least one of {', '.join(PERIOD)}")
    return _period(values)


def _sight(value: Any) -> Sight:
    values = read_object(value, SIGHT, _since)
    return Sight(values["screen"], _period(values))


def _instant(moment: datetime | date | None, zone: ZoneInfo) -> datetime | None:
    if moment is None or isinstance(moment, datetime):
        return moment
    return day_start(moment, zone)


def _seconds(about: str, example: int) -> Field:
    return number_field(about, example, 1, MAX_SECONDS)


def _moment(about: str, example: str) -> Field:
    kinds = [{"format": "date-time"}, {"format": "date"}]
    return parsed_field(text(about, example, anyOf=kinds), parse_moment)


STARTS: Final[dict[str, Field]] = {
    "within_seconds": _seconds("Begins so long before `as_of`.", 604_800),
    "from": _moment("Begins then: an instant, or the start of a date in `tz`.", "2026-03-23"),
}
ENDS: Final[dict[str, Field]] = {
    "not_within_seconds": _seconds("Ends so long before `as_of`.", 86_400),
    "to": _moment("Ends then; not included.", "2026-03-30"),
}
PERIOD: Final = {**STARTS, **ENDS}
SIGHT: Final = {
    "screen": name_field(
        "On which the user was in the foreground.", "Cart", "screen", "is missing: name the screen"
    ),
    **PERIOD,
}
_EXCLUDED: Final = Field(USER_ID, read_text(MAX_USER_ID))
FIELDS: Final[dict[str, Field]] = {
    "last_active": Field(ref("AudiencePeriod"), _last_active),
    "online": flag_field("Online now, or not.", True),
    "state": word_field(
        "Of users online now.", STATES, or_else="; who is offline has online: false"
    ),
    "screen": name_field("Of users online now.", "Cart", "screen"),
    "saw": Field(ref("AudienceSight"), _sight),
    "did_not_see": Field(ref("AudienceSight"), _sight),
    "app_version": VERSION,
    "platform": PLATFORM,
    "exclude_user_ids": Field(
        many(USER_ID, "Everybody but these.", maxItems=MAX_EXCLUDED),
        lambda value: tuple(dict.fromkeys(read_list(value, _EXCLUDED, 0, MAX_EXCLUDED))),
    ),
    "cap": number_field(
        "At most so many, drawn at random by `seed`, always the same.", 1_000, 1, MAX_CAP
    ),
    "seed": text_field("Another one draws anew.", "spring", MAX_SEED),
    "tz": parsed_field(
        text("IANA time zone of dates; by default the reporting zone.", "Europe/Berlin"),
        parse_zone,
    ),
}
FILTER: Final = Body(
    "AudienceFilter",
    schema_of(
        FIELDS,
        description="All conditions must hold; none: every known user. No field may be `null`.",
        dependentRequired={"seed": ["cap"]},
        # Who is offline has neither.
        dependentSchemas={
            name: {"properties": {"online": {"const": True}}} for name in ("state", "screen")
        },
    ),
    parse_filter,
    MAX_BODY_BYTES,
)
