"""Screen windows: what views, visits and sessions add to minutes and quarter-hours. PURE.

Views are counted in the minute in which they start; visits, their dwell and the exit of a session
in the minute of their end for engagement; transitions in the quarter-hour of the view that they
lead to, or of the session's end.

What ends by silence is noticed later than it ended, after an outage much later. A quarter-hour that
has been over for 15 minutes of log time may be rolled up already: it is noted as late, and rolled
up again. So is what comes before the highest log time that there was: where log time stepped back
(``clock_steps``), minutes and quarter-hours get more in the second pass, samples and active days
too.

At most ``max_screens`` names count as themselves in a minute of log time, the first ones; further
ones are ``(other)``, so that nobody fills the tables by naming screens. First in the order of the
log, and of one change: the visit that it ended, the session's exit, then the view that it began and
the screen before. A screen without a name is ``(none)``, so that rows sum to totals; one that an
app has given a name of ours is ``(other)``. Neither takes a place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from processor.reporting_days import QUARTER_MS
from processor.stays import Finding, Session, Span, View
from schemas.dwell import bucket_of

MINUTE_MS: Final = 60_000
#: Maintenance rolls a quarter-hour up when ``as_of`` is at least twice this past its end.
LATE_AFTER_MS: Final = 900_000
NO_SCREEN: Final = "(none)"
OTHER_SCREENS: Final = "(other)"
SESSION_START: Final = "(start)"
SESSION_END: Final = "(end)"
OUR_NAMES: Final = frozenset({NO_SCREEN, OTHER_SCREENS, SESSION_START, SESSION_END})
#: Ends by silence: how long somebody looked on is not known.
SILENT: Final = frozenset({"timed_out", "disconnected"})


@dataclass(slots=True)
class MinuteCounts:
    """What a batch adds to a minute of a screen."""

    views: int = 0
    visits: int = 0
    dwell_ms: int = 0
    silent_dwell_ms: int = 0
    dwell_buckets: Counter[int] = field(default_factory=Counter)
    exits: int = 0
    bounces: int = 0

    @property
    def dwell_histogram(self) -> list[int]:
        """Counts by bucket, up to the last one that has any."""
        last = max(self.dwell_buckets, default=-1)
        return [self.dwell_buckets[bucket] for bucket in range(last + 1)]


@dataclass(slots=True)
class Windows:
    """What a batch adds. Times are milliseconds: of the minute's start, of the quarter's start."""

    minutes: dict[tuple[int, str], MinuteCounts] = field(default_factory=dict)
    transitions: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    #: Quarter and offset of the record that came late.
    late_quarters: set[tuple[int, int]] = field(default_factory=set)
    #: Minute of log time and a name that counts as itself in it.
    names: list[tuple[int, str]] = field(default_factory=list)
    #: Names that were stored for this minute and later ones are forgotten first.
    forgotten_from_ms: int | None = None


class ScreenNames:
    """The names that count as themselves in the present minute of log time."""

    def __init__(self, minute_ms: int = 0, names: Iterable[str] = ()) -> None:
        self._minute_ms = minute_ms
        self._names = set(names)

    def begin(self, log_time_ms: int) -> None:
        """Each minute of log time has names of its own."""
        minute_ms = _start(log_time_ms, MINUTE_MS)
        if minute_ms != self._minute_ms:
            self._minute_ms, self._names = minute_ms, set()

    def step_back(self, log_time_ms: int, windows: Windows) -> None:
        """What was named in the minutes that log time passes again is forgotten."""
        self._minute_ms, self._names = _start(log_time_ms, MINUTE_MS), set()
        windows.names = [named for named in windows.names if named[0] < self._minute_ms]
        earlier_ms = windows.forgotten_from_ms
        windows.forgotten_from_ms = min(self._minute_ms, earlier_ms or self._minute_ms)

    def counted_as(self, screen: str | None, max_screens: int, windows: Windows) -> str:
        """The name under which ``screen`` counts; a new one is noted in ``windows``."""
        if screen is None:
            return NO_SCREEN
        if screen in self._names:
            return screen
        if screen in OUR_NAMES or len(self._names) >= max_screens:
            return OTHER_SCREENS
        self._names.add(screen)
        windows.names.append((self._minute_ms, screen))
        return screen


class Counting:
    """Counts findings of one record into ``windows``."""

    def __init__(
        self,
        windows: Windows,
        names: ScreenNames,
        *,
        offset: int,
        log_time_ms: int,
        high_ms: int | None,
        max_screens: int,
    ) -> None:
        self._windows = windows
        self._names = names
        self._offset = offset
        self._max_screens = max_screens
        # Quarter-hours that end by then are late.
        self._late_ms = _start(max(log_time_ms, high_ms or 0) - LATE_AFTER_MS, QUARTER_MS)
        names.begin(log_time_ms)

    def count(self, finding: Finding) -> None:
        if isinstance(finding, View):
            self._view(finding)
        elif isinstance(finding, Session):
            self._session(finding)
        elif finding.state == "foreground":
            self._visit(finding)

    def _view(self, view: View) -> None:
        screen = self._name(view.screen)
        self._minute(view.at_ms, screen).views += 1
        from_screen = SESSION_START if view.is_first else self._name(view.from_screen)
        self._windows.transitions[_start(view.at_ms, QUARTER_MS), from_screen, screen] += 1

    def _visit(self, visit: Span) -> None:
        dwell_ms = visit.ended_ms - visit.started_ms
        minute = self._minute(visit.ended_ms, self._name(visit.screen))
        minute.visits += 1
        minute.dwell_ms += dwell_ms
        minute.dwell_buckets[bucket_of(dwell_ms)] += 1
        if visit.ended_by in SILENT:
            minute.silent_dwell_ms += dwell_ms

    def _session(self, session: Session) -> None:
        self.note_late(session.ended_ms)
        if not session.views:
            return
        screen = self._name(session.exit_screen)
        minute = self._minute(session.ended_ms, screen)
        minute.exits += 1
        minute.bounces += session.views == 1
        quarter_ms = _start(session.ended_ms, QUARTER_MS)
        self._windows.transitions[quarter_ms, screen, SESSION_END] += 1

    def _name(self, screen: str | None) -> str:
        return self._names.counted_as(screen, self._max_screens, self._windows)

    def _minute(self, at_ms: int, screen: str) -> MinuteCounts:
        self.note_late(at_ms)
        window = (_start(at_ms, MINUTE_MS), screen)
        counts = self._windows.minutes.get(window)
        if counts is None:
            counts = self._windows.minutes[window] = MinuteCounts()
        return counts

    def note_late(self, at_ms: int) -> None:
        """Something is added there."""
        if at_ms < self._late_ms:
            self._windows.late_quarters.add((_start(at_ms, QUARTER_MS), self._offset))


def _start(at_ms: int, length_ms: int) -> int:
    return at_ms - at_ms % length_ms
