"""When an alert fires, repeats and recovers. PURE: rule, series and state give state and notices.

1. A point of a rule is known if what is measured then and what it is held against are. A point
   within an outage of ours, or whose reference was within one, is a gap: it is no drop.
2. A rule fires at a point at which its condition has held for ``for_minutes`` without a gap, and
   recovers where it has not held for as long (a peak: for an hour). In a gap nothing begins or
   ends.
3. Nothing is told in quiet hours. At the first known point after them it is told what differs from
   what was told: that it fires, or that it recovered.
4. While it fires, the condition holds and ``repeat_minutes`` have passed since it was last told, it
   is told again.
5. A band is the mean of the same hour (four quarter-hours) on earlier days, more or less so many
   times their spread: the standard deviation, at least the square root of the mean, of a share 1.
   Half of them must be known.
6. A peak is news once there is a day of history. Each higher point is the peak from then on.

Times are Unix seconds of log time. "A day before" is 24 hours before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from schemas.alerts.rule import DAY, QUARTER, AlertRule

Kind = Literal["fired", "repeated", "recovered"]
HOUR: Final = 3_600
_WEEK: Final = 7 * DAY


class Series:
    """Points by their times; those within an outage are not there."""

    def __init__(
        self, points: Mapping[int, float], outages: Iterable[tuple[int, int]], width: int
    ) -> None:
        """``width``: how long a point lasts, in seconds; 0 for an instant. ``outages``: when each
        began and ended."""
        self._points = points
        self._outages = sorted(outages)
        self._width = width

    def at(self, at: int) -> float | None:
        """``None`` in a gap."""
        value = self._points.get(at)
        if value is None or any(
            begin < at + max(1, self._width) and at < end for begin, end in self._outages
        ):
            return None
        return value


class State(msgspec.Struct, frozen=True):
    """``through`` is the last point that was looked at, ``held`` and ``calm`` how many known points
    in a row before it were so. ``firing_since`` and ``told_at`` (the last notice of that it fires)
    are ``None`` if it does not, and was not told to. ``peak`` is the highest of before, and
    ``history_since`` when history begins."""

    through: int
    held: int = 0
    calm: int = 0
    firing_since: int | None = None
    told_at: int | None = None
    peak: float | None = None
    history_since: int | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """``limit`` is what ``value`` was held against. ``since``: when it began to fire."""

    kind: Kind
    at: int
    since: int
    value: float
    limit: float


def points_due(rule: AlertRule, through: int, as_of: int, most: int) -> list[int]:
    """The next points after ``through``, as far as ``as_of`` allows."""
    first = (through // rule.step + 1) * rule.step
    return list(range(first, as_of - rule.settle + 1, rule.step))[:most]


def instants_of(rule: AlertRule, at: int) -> list[int]:
    """What must be known to look at the point."""
    if rule.than == "yesterday":
        return [at, at - DAY]
    if rule.than == "last_week":
        return [at, at - _WEEK]
    if rule.than == "band":
        hour = at - at % HOUR
        before = (hour - day * DAY for day in range(1, rule.days + 1))
        return [at, *(start + n * QUARTER for start in before for n in range(4))]
    return [at]


def look(rule: AlertRule, state: State, at: int, series: Series) -> tuple[State, list[Notice]]:
    """What comes of the point ``at``, the one after ``state.through``."""
    value, limit = series.at(at), _limit(rule, state, at, series)
    if value is None:
        return _changed(state, through=at, held=0, calm=0), []
    if rule.than == "peak":
        state = _changed(
            state,
            peak=value if state.peak is None else max(value, state.peak),
            history_since=at if state.history_since is None else state.history_since,
        )
    if limit is None:
        return _changed(state, through=at, held=0, calm=0), []
    holds = value > limit if rule.above else value < limit
    held, calm = (state.held + 1, 0) if holds else (0, state.calm + 1)
    firing = state.firing_since
    if firing is None and held >= rule.points_held:
        firing = at
    elif firing is not None and calm >= rule.points_calm:
        firing = None
    told, notices = state.told_at, []
    if not is_quiet(rule, at):
        kind: Kind | None = None
        if firing is not None and told is None:
            kind = "fired"
        elif firing is None and told is not None:
            kind = "recovered"
        elif firing is not None and told is not None and holds and _is_due(rule, told, at):
            kind = "repeated"
        if kind is not None and (kind != "recovered" or rule.recovery):
            since = firing or state.firing_since or told or at
            notices.append(Notice(kind, at, since, value, limit))
        if kind is not None:
            told = None if kind == "recovered" else at
    return _changed(
        state, through=at, held=held, calm=calm, firing_since=firing, told_at=told
    ), notices


def run(
    rule: AlertRule, state: State, points: Sequence[int], series: Series
) -> tuple[State, list[Notice], list[Notice]]:
    """Over these points, in order. The last of the three is when it fired, quiet hours or not."""
    notices: list[Notice] = []
    fired: list[Notice] = []
    for at in points:
        before = state
        state, found = look(rule, state, at, series)
        notices += found
        value, limit = series.at(at), _limit(rule, before, at, series)
        began = state.firing_since is not None and before.firing_since is None
        if began and value is not None and limit is not None:
            fired.append(Notice("fired", at, at, value, limit))
    return state, notices, fired


def is_quiet(rule: AlertRule, at: int) -> bool:
    """Whether quiet hours hold then. Of a quarter-hour: when it is looked at."""
    if rule.quiet is None:
        return False
    local = datetime.fromtimestamp(at + rule.settle, ZoneInfo(rule.quiet.time_zone))
    return rule.quiet.hold(local.hour * 60 + local.minute)


def _is_due(rule: AlertRule, told_at: int, at: int) -> bool:
    return rule.repeat_minutes is not None and at >= told_at + rule.repeat_minutes * 60


def _limit(rule: AlertRule, state: State, at: int, series: Series) -> float | None:
    """What the point is held against; ``None``: that is not known."""
    if rule.than == "number":
        return rule.value
    if rule.than == "peak":
        if state.peak is None or state.history_since is None or at < state.history_since + DAY:
            return None
        return state.peak
    sign = 1 if rule.above else -1
    references = [series.at(each) for each in instants_of(rule, at)[1:]]
    known = [each for each in references if each is not None]
    if rule.than != "band":
        return known[0] * (1 + sign * rule.value / 100) if known else None
    if 2 * len(known) < len(references):
        return None
    mean = math.fsum(known) / len(known)
    variance = math.fsum((each - mean) ** 2 for each in known) / len(known)
    least = 1.0 if rule.of == "version_share" else mean
    return mean + sign * rule.value * math.sqrt(max(variance, least))


def _changed(state: State, **values: object) -> State:
    return msgspec.structs.replace(state, **values)
