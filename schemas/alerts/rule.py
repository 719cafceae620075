"""A rule of a product alert: what is measured, against what, for how long, when it is told. PURE.

``of`` is what is measured. ``online``: users online. ``screen``: foreground users on a screen. Both
are looked at each minute. ``arrivals`` and ``exits`` are sessions that began and ended, of all
screens or of one; ``version_share`` is the percentage of sessions that ended with a version. These
are of a quarter-hour, which is looked at once it has been over for 15 minutes: sessions that ended
in silence are in it by then.

``than`` is what it is held against: a number, what it was a day (24 h) or a week before, the band
of the same hour on earlier days, or the highest that ever was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from schemas.bodies.fields import (
    Field,
    flag_field,
    number_field,
    parsed_field,
    read_object,
    schema_of,
    text_field,
    without_nulls,
    word_field,
)
from schemas.http.problems import FieldProblem
from schemas.log.events import MAX_TEXT
from schemas.openapi.forms import number, text

Of = Literal["online", "screen", "arrivals", "exits", "version_share"]
Than = Literal["number", "yesterday", "last_week", "band", "peak"]
Is = Literal["above", "below"]

MINUTE: Final = 60
QUARTER: Final = 900
DAY: Final = 86_400
#: A quarter-hour is looked at so long after its end.
SETTLE: Final = 900
MAX_NAME: Final = 100
MAX_VALUE: Final = 1e12
DEFAULT_FOR_MINUTES: Final = 5
MAX_FOR_MINUTES: Final = 1_440
LEAST_REPEAT_MINUTES: Final = 5
MAX_REPEAT_MINUTES: Final = 10_080
DEFAULT_DAYS: Final = 7
#: Samples are kept for 14 days.
LEAST_DAYS, MAX_DAYS = 3, 13
#: How long there must be no new peak before the next one is news.
PEAK_REST_MINUTES: Final = 60


class QuietHours(msgspec.Struct, frozen=True):
    """From one time of day to another, which may be of the next day; minutes since midnight."""

    begin: int
    end: int
    time_zone: str

    def hold(self, minute_of_day: int) -> bool:
        """Whether it is quiet then."""
        if self.begin < self.end:
            return self.begin <= minute_of_day < self.end
        return minute_of_day >= self.begin or minute_of_day < self.end


class AlertRule(msgspec.Struct, frozen=True):
    """``value`` is a number, a percentage that ``yesterday`` and ``last_week`` are passed by, or
    how many times its spread a band is wide."""

    name: str
    of: Of
    than: Than
    above: bool
    value: float = 0.0
    screen: str | None = None
    app_version: str | None = None
    days: int = DEFAULT_DAYS
    for_minutes: int = DEFAULT_FOR_MINUTES
    repeat_minutes: int | None = None
    recovery: bool = True
    quiet: QuietHours | None = None

    @property
    def step(self) -> int:
        """Seconds from one point to the next."""
        return MINUTE if self.of in ("online", "screen") else QUARTER

    @property
    def points_held(self) -> int:
        """How many points in a row the condition must hold, and not hold for a recovery."""
        return max(1, -(-self.for_minutes * 60 // self.step))

    @property
    def points_calm(self) -> int:
        """How many in a row it must not hold for a recovery."""
        return PEAK_REST_MINUTES if self.than == "peak" else self.points_held

    @property
    def settle(self) -> int:
        """How long after a point began it can be looked at, in seconds."""
        return 0 if self.step == MINUTE else QUARTER + SETTLE

    @property
    def document(self) -> dict[str, Any]:
        """As it is stored and shown; :func:`parse_rule` reads it."""
        said: dict[str, Any] = {"name": self.name, "of": self.of, "than": self.than}
        said["is"] = "above" if self.above else "below"
        if self.than != "peak":
            said["value"] = self.value
        if self.than == "band":
            said["days"] = self.days
        for name in ("screen", "app_version", "repeat_minutes"):
            if getattr(self, name) is not None:
                said[name] = getattr(self, name)
        said["for_minutes"] = self.for_minutes
        said["recovery"] = self.recovery
        if self.quiet is not None:
            said["quiet_hours"] = {
                "from": _clock(self.quiet.begin),
                "to": _clock(self.quiet.end),
                "time_zone": self.quiet.time_zone,
            }
        return said


#: "New all-time peak", ready to switch on.
PEAK_RULE: Final[Mapping[str, Any]] = {
    "name": "New all-time peak",
    "of": "online",
    "than": "peak",
    "is": "above",
    "for_minutes": 1,
    "recovery": False,
}


def parse_rule(said: object) -> AlertRule:
    """A rule as JSON says it. Raises ``ValueError``, where fields are wrong ``BadFieldsError``."""
    values = read_object(without_nulls(said, _FREE), RULE_FIELDS, _together)
    is_above = values.pop("is", "above") == "above"
    return AlertRule(
        above=is_above,
        than=values.pop("than", "number"),
        quiet=values.pop("quiet_hours", None),
        **values,
    )


def _together(values: dict[str, Any], wrong: set[str]) -> list[FieldProblem]:
    """Which fields go with what is measured, and against what."""
    if wrong & {"of", "than"}:
        return []
    of, than = values["of"], values.get("than", "number")
    found: dict[str, str] = {}
    if than != "peak" and "is" not in values:
        found["is"] = f"is missing: it must be {' or '.join(get_args(Is))}"
    if than == "peak" and (of != "online" or values.get("is") == "below"):
        found["than"] = "peak goes with online and above alone"
    if of == "screen" and "screen" not in values:
        found["screen"] = "is missing: name the screen"
    if "screen" in values and of not in ("screen", "arrivals", "exits"):
        found["screen"] = f"is no part of {of}: leave it out"
    if of == "version_share" and "app_version" not in values:
        found["app_version"] = "is missing: name the version"
    if "app_version" in values and of != "version_share":
        found["app_version"] = f"is no part of {of}: leave it out"
    if "days" in values and than != "band":
        found["days"] = "goes with a band alone: leave it out"
    if than == "peak" and "value" in values:
        found["value"] = "is no part of a peak: leave it out"
    if than != "peak" and "value" not in values:
        found["value"] = f"is missing: it is {_VALUE_IS.get(than, 'by how many percent')}"
    if than == "band" and values.get("value") == 0:
        found["value"] = "must be above 0: 3 is usual"
    return [FieldProblem(name, message) for name, message in found.items()]


_VALUE_IS: Final = {"number": "the number", "band": "how many times its spread the band is wide"}


def _value(said: Any) -> float:
    if type(said) not in (int, float) or not 0 <= said <= MAX_VALUE:
        raise ValueError("must be a number from 0 on")
    return float(said)


def _quiet(said: Any) -> QuietHours:
    values = read_object(said, _QUIET_FIELDS, _not_the_same)
    return QuietHours(values["from"], values["to"], values.get("time_zone", "UTC"))


def _not_the_same(values: dict[str, Any], wrong: set[str]) -> list[FieldProblem]:
    if wrong or values["from"] != values["to"]:
        return []
    return [FieldProblem("to", "must be another time than from")]


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ValueError, OSError, KeyError):
        message = "must be a name of the IANA time zones, such as Europe/Berlin"
        raise ValueError(message) from None
    return text


def _minute(text: str) -> int:
    if re.fullmatch(_CLOCK, text) is None:
        raise ValueError("must be a time of day such as 22:00")
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


_CLOCK: Final = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
_NO_TIME: Final = "is missing: a time of day such as 22:00"
#: What is ``null`` is as good as left out.
_FREE: Final = ("name", "screen", "app_version", "repeat_minutes", "quiet_hours")
_QUIET_FIELDS: Final[dict[str, Field]] = {
    "from": parsed_field(text("Time of day.", "22:00", pattern=_CLOCK), _minute, _NO_TIME),
    "to": parsed_field(
        text("Time of day, perhaps of the next.", "07:00", pattern=_CLOCK), _minute, _NO_TIME
    ),
    "time_zone": parsed_field(
        {**text("Of the IANA time zones.", "Europe/Berlin"), "default": "UTC"}, _zone
    ),
}
RULE_FIELDS: Final[dict[str, Field]] = {
    "name": text_field(
        "What the alert is called.",
        "Few people",
        MAX_NAME,
        "is missing: say what the alert is called",
    ),
    "of": word_field(
        "What is measured. Each minute: users online, or in the foreground on a screen. Each "
        "quarter-hour, 15 minutes after its end: sessions that began or ended, or a version's "
        "percentage of those that ended.",
        get_args(Of),
        f"is missing: it must be among {', '.join(get_args(Of))}",
    ),
    "is": word_field("On which side. A peak is above.", get_args(Is)),
    "than": word_field(
        "What it is held against: a number; a day or a week before; the mean of the same hour "
        "on earlier days and its spread; the highest of all.",
        get_args(Than),
        default="number",
    ),
    "value": Field(
        number(
            "The number; by how many percent it is passed; how many times its spread a band is "
            "wide. Not of a peak.",
            100,
        ),
        _value,
    ),
    "screen": text_field(
        "Of `screen`; `arrivals` and `exits` may have one.", "Cart", MAX_TEXT["screen"]
    ),
    "app_version": text_field("Of `version_share`.", "1.2.0", MAX_TEXT["app_version"]),
    "days": number_field("Of a band: how many earlier days.", DEFAULT_DAYS, LEAST_DAYS, MAX_DAYS),
    "for_minutes": number_field(
        "How long it must hold, and not hold for a recovery.",
        DEFAULT_FOR_MINUTES,
        1,
        MAX_FOR_MINUTES,
    ),
    "repeat_minutes": number_field(
        "It is told again so often while it holds; without it never.",
        60,
        LEAST_REPEAT_MINUTES,
        MAX_REPEAT_MINUTES,
    ),
    "recovery": flag_field("Whether it is told that it is over.", True, default=True),
    "quiet_hours": Field(schema_of(_QUIET_FIELDS), _quiet),
}
