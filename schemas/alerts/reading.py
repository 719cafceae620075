"""What ``queries.sql`` is asked for and what it said, for all rules at once. PURE."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from schemas.alerts.evaluate import Series, State, instants_of, run
from schemas.alerts.rule import DAY, MINUTE, QUARTER, AlertRule

#: What is measured, of what (a screen, a version or nothing), when, and how much.
Row: TypeAlias = tuple[str, str, datetime, float | None]
Outage: TypeAlias = tuple[datetime, datetime | None]

#: How far back a rule is tried.
TRIED_SECONDS: Final = 7 * DAY
#: In an answer.
MOST_TIMES: Final = 100
_FOREVER: Final = 2**40


class Asked:
    """What must be known to look at points of rules."""

    def __init__(self) -> None:
        self._minutes: set[int] = set()
        self._peaks: set[int] = set()
        self._quarters: set[int] = set()
        self._shares: set[int] = set()
        self._names: dict[str, set[str]] = defaultdict(set)

    def add(self, rule: AlertRule, points: Iterable[int]) -> None:
        """That rule's, too."""
        instants = {instant for at in points for instant in instants_of(rule, at)}
        self._names[rule.of].add(rule.screen or rule.app_version or "")
        if rule.than == "peak":
            self._peaks |= instants
        elif rule.step == MINUTE:
            self._minutes |= instants
        elif rule.of == "version_share":
            self._shares |= instants
        else:
            self._quarters |= instants

    @property
    def values(self) -> dict[str, Any]:
        """Parameters of ``points``."""
        return {
            "minutes": _instants(self._minutes),
            "peak_minutes": _instants(self._peaks),
            "quarters": _instants(self._quarters),
            "share_quarters": _instants(self._shares),
            "screens": sorted(self._names["screen"]),
            "entries": sorted(self._names["arrivals"]),
            "leavings": sorted(self._names["exits"]),
            "versions": sorted(self._names["version_share"]),
        }

    @property
    def range(self) -> dict[str, datetime] | None:
        """Parameters of ``outages``; ``None``: nothing is asked."""
        every = self._minutes | self._peaks | self._quarters | self._shares
        if not every:
            return None
        return {"from": instant(min(every)), "to": instant(max(every) + QUARTER)}


class Known:
    """What came of it."""

    def __init__(self, rows: Iterable[Row], outages: Iterable[Outage]) -> None:
        self._points: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
        for of, name, at, value in rows:
            if value is not None:
                self._points[of, name][int(at.timestamp())] = value
        # To whole seconds, outwards.
        self._outages = [
            (int(begin.timestamp()), _FOREVER if end is None else -int(-end.timestamp() // 1))
            for begin, end in outages
        ]

    def series(self, rule: AlertRule) -> Series:
        """What a rule is held against."""
        of = "peak" if rule.than == "peak" else rule.of
        points = self._points.get((of, rule.screen or rule.app_version or ""), {})
        return Series(points, self._outages, QUARTER if rule.step == QUARTER else 0)


@dataclass(frozen=True, slots=True)
class Tried:
    """What a rule would have done: when it would have fired, and how many points were gaps."""

    begin: int
    end: int
    fired: list[int]
    told: int
    points: int
    known: int
    still_firing: bool = field(default=False)


def known_until(as_of: datetime) -> int:
    """The last second whose points are stored: an instant is sampled when log time passes it."""
    return -int(-as_of.timestamp() // 1) - 1


def points_tried(rule: AlertRule, as_of: datetime) -> list[int]:
    """The last week's."""
    now = known_until(as_of) - rule.settle
    first = (now - TRIED_SECONDS) // rule.step * rule.step + rule.step
    return list(range(first, now + 1, rule.step))


def tried(
    rule: AlertRule,
    points: Sequence[int],
    known: Known,
    peak: tuple[float | None, datetime | None],
) -> Tried:
    """``peak``: of before the first point, and since when there is history."""
    series = known.series(rule)
    state, notices, fired = run(rule, first_state(points[0] - rule.step, peak), points, series)
    there = sum(series.at(at) is not None for at in points)
    return Tried(
        points[0],
        points[-1],
        [each.at for each in fired],
        len(notices),
        len(points),
        there,
        bool(state.firing_since),
    )


def first_state(through: int, peak: tuple[float | None, datetime | None]) -> State:
    """Of a rule that nobody looked at yet."""
    highest, since = peak
    begins = None if since is None else int(since.timestamp())
    return State(through, peak=highest, history_since=begins)


def instant(at: int) -> datetime:
    """Unix seconds as psycopg takes them."""
    return datetime.fromtimestamp(at, UTC)


def shown_trial(found: Tried) -> Mapping[str, Any]:
    """As the API and the command tell it; the latest times."""
    return {
        "from": instant(found.begin),
        "to": instant(found.end),
        "fired": len(found.fired),
        "fired_at": [instant(at) for at in found.fired[-MOST_TIMES:]],
        "notices": found.told,
        "still_firing": found.still_firing,
        "known_percent": round(100 * found.known / found.points, 1),
    }


def _instants(found: set[int]) -> list[datetime]:
    return [instant(at) for at in sorted(found)]
