"""What a partition keeps for analytics: spans, sessions, windows and active days. PURE.

A user is active on the days of the reporting zone on which a device of theirs is in the foreground
at a sign of life, or a visit ends for engagement; a day is noted if it is later than those before,
and with what the user used then: of an event first what it shows, then what it ended.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from processor.core.analytics.reporting_days import day_of
from processor.core.analytics.screen_names import ScreenNames
from processor.core.analytics.spans_and_sessions import Finding, Session, Span
from processor.core.analytics.windows import Counting
from processor.core.effects import TIME_PASSED, Effects, Logged, UserDay
from processor.core.model import Device, Policy, User


class Analytics:
    """Notes findings among the effects of a batch, record by record."""

    def __init__(self, policy: Policy, screen_names: ScreenNames) -> None:
        self._policy = policy
        self._screen_names = screen_names

    def begin(self, offset: int, log_time_ms: int, high_ms: int | None, effects: Effects) -> None:
        """The record at ``offset`` comes; what it does is to be noted in ``effects``. ``high_ms``
        is where log time was before it stepped back, until it is there again."""
        self._offset = offset
        self._log_time_ms = log_time_ms
        self._today = day_of(log_time_ms, self._policy.reporting_time_zone)
        self._effects = effects
        self._is_catching_up = high_ms is not None
        self._counting = Counting(
            effects.windows,
            self._screen_names,
            offset=offset,
            log_time_ms=log_time_ms,
            high_ms=high_ms,
            max_screens=self._policy.max_screens,
        )

    def step_back(self, log_time_ms: int, effects: Effects) -> None:
        """Log time goes back there: minutes that it passes again have their names anew."""
        effects.windows.forget_names(self._screen_names.step_back(log_time_ms))

    def sampled(self, at_ms: int) -> None:
        """A sample was taken."""
        if self._is_catching_up:
            self._counting.note_late(at_ms)

    def heard_of(self, user: User, findings: Sequence[tuple[int, Finding]], index: int) -> User:
        """The event at ``index`` was of ``user`` and led to ``findings``, each with the ordinal of
        its change; gives the user with the days on which they were active."""
        if user.active_day != self._today:
            for device in user.devices:
                if device.state == "foreground" and device.last_active_ms == self._log_time_ms:
                    user = self._active_on(self._today, user, device)
        return self._note(user, findings, index, 0) if findings else user

    def expired(self, user: User, findings: Sequence[tuple[int, Finding]], ordinal: int) -> User:
        """As time passed a device of ``user`` went offline; as :meth:`heard_of`."""
        return self._note(user, findings, TIME_PASSED, ordinal)

    def left(self, user_id: str, findings: Sequence[tuple[int, Finding]]) -> None:
        """A user leaves (promise 8): what that ended counts in the sums, and nothing else of it is
        noted."""
        for _, finding in findings:
            self._counting.count(finding, user_id)

    def _note(
        self, user: User, findings: Sequence[tuple[int, Finding]], index: int, ordinal: int
    ) -> User:
        for nth, finding in findings:
            self._counting.count(finding, user.user_id)
            if isinstance(finding, Span):
                logged = Logged(self._offset, index, ordinal + nth, finding)
                self._effects.spans.append(logged)
                if finding.state == "foreground":
                    day = day_of(finding.ended_ms, self._policy.reporting_time_zone)
                    user = self._active_on(day, user, finding)
            elif isinstance(finding, Session):
                self._effects.sessions.append(Logged(self._offset, index, ordinal + nth, finding))
        return user

    def _active_on(self, day: int, user: User, used: Device | Span) -> User:
        if user.active_day is not None and day <= user.active_day:
            return user
        is_new = user.first_day is None
        self._effects.user_days.append(UserDay(day, user.user_id, is_new, used))
        if self._is_catching_up:
            self._counting.note_late(self._log_time_ms)
        return replace(user, active_day=day, first_day=day if is_new else user.first_day)
