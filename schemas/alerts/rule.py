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

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from schemas.log.events import MAX_TEXT
from schemas.untrusted.text import clean_text

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


class RuleProblemError(ValueError):
    """What is wrong with ``field``; the message is the rest of the sentence that begins with it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message


#: "New all-time peak", ready to switch on.
PEAK_RULE: Final[Mapping[str, Any]] = {
    "name": "New all-time peak",
    "of": "online",
    "than": "peak",
    "is": "above",
    "for_minutes": 1,
    "recovery": False,
}
FIELDS: Final = (
    *("name", "of", "is", "than", "value", "screen", "app_version", "days", "for_minutes"),
    *("repeat_minutes", "recovery", "quiet_hours"),
)


def parse_rule(said: object) -> AlertRule:
    """A rule as JSON says it. Raises :class:`RuleProblemError`."""
    if not isinstance(said, dict):
        raise RuleProblemError("rule", "must be an object")
    for name in said:
        if name not in FIELDS:
            raise RuleProblemError(_field(name), f"is not known: there are {', '.join(FIELDS)}")
    of = _word(said, "of", get_args(Of), None)
    than = _word(said, "than", get_args(Than), "number")
    above = _word(said, "is", get_args(Is), "above" if than == "peak" else None) == "above"
    if than == "peak" and (of != "online" or not above):
        raise RuleProblemError(_field("than"), "peak goes with online and above alone")
    screen = _text(said, "screen", MAX_TEXT["screen"])
    if of == "screen" and screen is None:
        raise RuleProblemError(_field("screen"), "is missing: name the screen")
    if screen is not None and of not in ("screen", "arrivals", "exits"):
        raise RuleProblemError(_field("screen"), f"is no part of {of}: leave it out")
    version = _text(said, "app_version", MAX_TEXT["app_version"])
    if (of == "version_share") != (version is not None):
        problem = "is missing: name the version" if version is None else f"is no part of {of}"
        raise RuleProblemError(_field("app_version"), problem)
    name = _text(said, "name", MAX_NAME)
    if name is None:
        raise RuleProblemError(_field("name"), "is missing: say what the alert is called")
    recovery = said.get("recovery", True)
    if not isinstance(recovery, bool):
        raise RuleProblemError(_field("recovery"), "must be true or false")
    if "days" in said and than != "band":
        raise RuleProblemError(_field("days"), "goes with a band alone: leave it out")
    repeat = said.get("repeat_minutes")
    return AlertRule(
        name=name,
        of=of,  # type: ignore[arg-type]  # one of the words
        than=than,  # type: ignore[arg-type]
        above=above,
        value=_value(said, than),
        screen=screen,
        app_version=version,
        days=_whole(said, "days", LEAST_DAYS, MAX_DAYS, DEFAULT_DAYS),
        for_minutes=_whole(said, "for_minutes", 1, MAX_FOR_MINUTES, DEFAULT_FOR_MINUTES),
        repeat_minutes=None
        if repeat is None
        else _whole(said, "repeat_minutes", LEAST_REPEAT_MINUTES, MAX_REPEAT_MINUTES, 0),
        recovery=recovery,
        quiet=_quiet(said.get("quiet_hours")),
    )


def _field(name: str) -> str:
    return f"rule.{clean_text(str(name))[:64]}"


def _word(said: dict[str, Any], name: str, known: Sequence[str], usual: str | None) -> str:
    word = said.get(name, usual)
    if word not in known:
        raise RuleProblemError(_field(name), f"must be among {', '.join(known)}")
    return str(word)


def _text(said: dict[str, Any], name: str, longest: int) -> str | None:
    text = said.get(name)
    if text is None:
        return None
    if not isinstance(text, str) or not 1 <= len(text) <= longest or clean_text(text) != text:
        message = f"must be a text of 1 to {longest} characters, none of them control characters"
        raise RuleProblemError(_field(name), message)
    return text


def _whole(said: dict[str, Any], name: str, least: int, most: int, usual: int) -> int:
    number = said.get(name, usual)
    # JSON has one kind of number: 5.0 is 5.
    is_whole = type(number) is int or (type(number) is float and number.is_integer())
    if not is_whole or (name in said and not least <= number <= most):
        raise RuleProblemError(_field(name), f"must be a whole number from {least} to {most}")
    return int(number)


def _value(said: dict[str, Any], than: str) -> float:
    if than == "peak":
        if "value" in said:
            raise RuleProblemError(_field("value"), "is no part of a peak: leave it out")
        return 0.0
    value = said.get("value")
    if type(value) not in (int, float) or not 0 <= value <= MAX_VALUE:  # type: ignore[operator]
        what = {"number": "the number", "band": "how many times its spread the band is wide"}
        meaning = what.get(than, "by how many percent")
        raise RuleProblemError(_field("value"), f"must be a number from 0 on: {meaning}")
    if than == "band" and value == 0:
        raise RuleProblemError(_field("value"), "must be above 0: 3 is usual")
    return float(value)  # type: ignore[arg-type]


def _quiet(said: object) -> QuietHours | None:
    if said is None:
        return None
    field = _field("quiet_hours")
    if not isinstance(said, dict) or not said.keys() <= {"from", "to", "time_zone"}:
        raise RuleProblemError(field, "must be an object with from, to and time_zone")
    begin, end = _minute(said.get("from"), "from"), _minute(said.get("to"), "to")
    if begin == end:
        raise RuleProblemError(f"{field}.to", "must be another time than from")
    zone = said.get("time_zone", "UTC")
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, TypeError, KeyError):
        message = "must be a name of the IANA time zones, such as Europe/Berlin"
        raise RuleProblemError(f"{field}.time_zone", message) from None
    return QuietHours(begin, end, zone)


def _minute(said: object, name: str) -> int:
    hours, _, minutes = said.partition(":") if isinstance(said, str) else ("", "", "")
    shape = len(hours) == len(minutes) == 2 and (hours + minutes).isascii()
    if not shape or not (hours + minutes).isdecimal() or int(hours) > 23 or int(minutes) > 59:
        raise RuleProblemError(
            f"{_field('quiet_hours')}.{name}", "must be a time of day such as 22:00"
        )
    return int(hours) * 60 + int(minutes)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
