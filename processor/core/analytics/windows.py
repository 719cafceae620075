"""Screen windows: what views, visits and sessions add to minutes and quarter-hours. PURE.

Views are counted in the minute in which they start; visits, their dwell and the exit of a session
in the minute of their end for engagement; transitions in the quarter-hour of the view that they
lead to, or of the session's end.

What ends by silence is noticed later than it ended, after an outage much later. A quarter-hour that
has been over for 15 minutes of log time may be rolled up already: it is noted as late, and rolled
up again. So is what comes before the highest log time that there was: where log time stepped back
(``clock_steps``), minutes and quarter-hours get more in the second pass, samples and active days
too.

Names of screens are those of ``processor/core/analytics/screen_names.py``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from processor.core.analytics.reporting_days import QUARTER_MS
from processor.core.analytics.screen_names import (
    MINUTE_MS,
    SESSION_END,
    SESSION_START,
    NewName,
    Remembered,
    ScreenNames,
)
from processor.core.analytics.spans_and_sessions import Finding, Session, Span, View
from schemas.log.changes import SILENT_ENDS
from schemas.measures.dwell import bucket_of

#: Maintenance rolls a quarter-hour up when ``as_of`` is at least twice this past its end.
LATE_AFTER_MS: Final = 900_000


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
    names: list[NewName] = field(default_factory=list)
    #: ``None`` where it is as it was stored.
    remembered: Remembered | None = None
    #: Names that were stored for this minute and later ones are forgotten first.
    forgotten_from_ms: int | None = None

    def forget_names(self, from_ms: int) -> None:
        """What was named in this minute and later ones is forgotten: log time passes them again."""
        self.names = [named for named in self.names if named[0] < from_ms]
        self.forgotten_from_ms = min(from_ms, self.forgotten_from_ms or from_ms)


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
        names.begin(log_time_ms, max_screens)
        self._note_names()

    def count(self, finding: Finding, user_id: str) -> None:
        """Count what was found of a user."""
        self._user_id = user_id
        if isinstance(finding, View):
            self._view(finding)
        elif isinstance(finding, Session):
            self._session(finding)
        elif finding.state == "foreground":
            self._visit(finding)
        self._note_names()

    def _note_names(self) -> None:
        remembered = self._names.changed()
        if remembered is not None:
            self._windows.remembered = remembered

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
        if visit.ended_by in SILENT_ENDS:
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
        return self._names.counted_as(screen, self._user_id, self._max_screens, self._windows.names)

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
