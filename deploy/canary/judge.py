"""What is shown of a canary, held against what is true of it. PURE.

1. A change is *detected* at the first look that shows what is true since; one that the next change
   overtakes is undetected. What was shown before a change already is detected by nothing.
2. *False offline*: it is shown offline ``settle`` after it came online or later, while it is
   online, however that came about: its calls are refused, lost, late in the log or forgotten.
3. *False online*: it is shown online ``settle`` after its logout or later; after its death
   ``offline_after`` and ``settle``. An outage of ours holds everybody online for longer (promise
   3), and is told here too.

Between two looks things are as the later one shows them, but for no longer than ``most`` seconds:
of a time in which nobody looked nothing is known.
"""

from __future__ import annotations

from typing import Protocol

from deploy.canary.script import AWAY, Change, Pace, Truth


class Findings(Protocol):
    """Takes what is found of one canary; times are seconds."""

    def online(self, seconds: float) -> None:
        """It was online for so long, and was looked at."""

    def false_offline(self, seconds: float, *, begins: bool) -> None:
        """It was shown offline meanwhile."""

    def false_online(self, seconds: float, *, begins: bool) -> None:
        """It was offline and shown online."""

    def detected(self, change: Change, seconds: float) -> None:
        """A change is shown so long after it happened."""

    def undetected(self, change: Change) -> None:
        """A change was never shown: the next one came."""


class Judge:
    """Of one canary. Times are of one clock, in seconds; ``began`` is when it was set free: until
    then it may have been online, of another run."""

    def __init__(self, findings: Findings, pace: Pace, began: float, most: float) -> None:
        self._findings = findings
        self._pace = pace
        self._most = most
        self._truth = AWAY
        self._turned_at = began
        self._is_logout = False
        self._awaited: Change | None = None
        self._changed_at = began
        self._shown = AWAY
        self._looked_at = began
        self._is_false = False

    def happens(self, truth: Truth, change: Change, now: float) -> None:
        """The canary does this now."""
        if self._awaited is not None:
            self._findings.undetected(self._awaited)
        if (truth.state == "offline") != (self._truth.state == "offline"):
            self._turned_at = now
            self._is_logout = change == "logout"
            self._is_false = False
        self._truth, self._changed_at = truth, now
        self._awaited = change if truth != self._shown else None

    def shows(self, shown: Truth, now: float) -> None:
        """A look at it began at ``now``."""
        seconds = max(0.0, min(now - self._looked_at, self._most))
        self._looked_at = now
        if now < self._changed_at:
            return  # it was asked for before what is true now came about
        self._shown = shown
        if self._awaited is not None and shown == self._truth:
            self._findings.detected(self._awaited, now - self._changed_at)
            self._awaited = None
        since = now - self._turned_at
        is_online, is_shown = self._truth.state != "offline", shown.state != "offline"
        if is_online:
            self._findings.online(min(seconds, since))
            is_false = not is_shown and since > self._pace.settle
        else:
            granted = self._pace.settle + (0.0 if self._is_logout else self._pace.window)
            is_false = is_shown and since > granted
        if is_false:
            tell = self._findings.false_offline if is_online else self._findings.false_online
            tell(min(seconds, since), begins=not self._is_false)
        self._is_false = is_false
