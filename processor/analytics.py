"""What a partition keeps for analytics: spans, sessions, windows and active days. PURE.

A user is active on the days of the reporting zone on which a device of theirs is in the foreground
at a sign of life, or a visit ends for engagement; a day is noted if it is later than those before,
and with what the user used then: of an event first what it shows, then what it ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from processor.effects import Effects, Logged, UserDay
from processor.model import Device, Policy, User
from processor.reporting_days import day_of
from processor.stays import Finding, Session, Span
from processor.windows import Counting, ScreenNames


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the log something was found: of a record, an event and the first of its changes,
    at which log time."""

    offset: int
    index: int
    ordinal: int
    log_time_ms: int


class Analytics:
    """Notes findings among the effects of a batch."""

    def __init__(self, policy: Policy, screen_names: ScreenNames) -> None:
        self._policy = policy
        self._screen_names = screen_names

    def note(
        self,
        user: User,
        findings: Sequence[tuple[int, Finding]],
        place: Place,
        effects: Effects,
        *,
        heard: bool,
    ) -> User:
        """Keep ``findings`` and count them; gives ``user`` with the days on which they were active.
        ``heard``: an event was heard of the user just now."""
        if findings:
            self._count(findings, place, effects)
        zone = self._policy.reporting_time_zone
        today = day_of(place.log_time_ms, zone)
        if heard and user.active_day != today:
            for device in user.devices:
                if device.state == "foreground" and device.last_active_ms == place.log_time_ms:
                    user = _active_on(today, user, device, effects)
        for _, finding in findings:
            if isinstance(finding, Span) and finding.state == "foreground":
                user = _active_on(day_of(finding.ended_ms, zone), user, finding, effects)
        return user

    def _count(
        self, findings: Sequence[tuple[int, Finding]], place: Place, effects: Effects
    ) -> None:
        counting = Counting(
            effects.windows,
            self._screen_names,
            offset=place.offset,
            log_time_ms=place.log_time_ms,
            max_screens=self._policy.max_screens,
        )
        for nth, finding in findings:
            counting.count(finding)
            at = (place.offset, place.index, place.ordinal + nth)
            if isinstance(finding, Span):
                effects.spans.append(Logged(*at, finding))
            elif isinstance(finding, Session):
                effects.sessions.append(Logged(*at, finding))


def _active_on(day: int, user: User, used: Device | Span, effects: Effects) -> User:
    if user.active_day is not None and day <= user.active_day:
        return user
    is_new = user.first_day is None
    effects.user_days.append(UserDay(day, user.user_id, is_new, used))
    return replace(user, active_day=day, first_day=day if is_new else user.first_day)
