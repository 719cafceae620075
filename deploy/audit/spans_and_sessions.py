"""Spans, sessions and what they add to windows, a second time (design, sections 2 and 7). PURE."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from deploy.audit.states import Device, Finding, Told, User

Place = tuple[int, int, int]  # offset, index of the event, ordinal

DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000
QUARTER_MS: Final = 900_000
MAX_TOLD_BEFORE: Final = 16
_SILENT: Final = ("timed_out", "disconnected")
#: Names that are not for screens of an app.
_OURS: Final = ("(none)", "(other)", "(start)", "(end)")


class Piece(NamedTuple):
    """A span that is over, as far as others need it."""

    state: str
    ended: int
    told: Told


class SpansAndSessions:
    """Appends to ``findings`` what ends and what is counted."""

    def __init__(self, findings: list[Finding]) -> None:
        self._findings = findings

    def begins(self, user_id: str, device: Device, at: int, is_session: bool) -> None:
        """The device shows something else from ``at`` on."""
        if is_session:
            device.visits = device.views = device.foreground_ms = 0
            device.entry_screen = device.last_view = device.last_visit = None
            device.visited = False
        device.span_start = at
        device.told_before = []
        device.span_is_view = False
        if device.state != "foreground":
            return
        if not device.visited or device.last_visit != device.screen:
            device.span_is_view = True
            come_from = name(device.last_visit) if device.visited else "(start)"
            if not device.views:
                device.entry_screen = device.screen
            device.views += 1
            device.last_view = device.screen
            self._find("views", (at, come_from, name(device.screen)))
        device.visited, device.last_visit = True, device.screen

    def goes_on(
        self, user_id: str, user: User, device: Device, at: int, place: Place, told: Told
    ) -> None:
        """A sign of life that changes nothing of what is shown."""
        if not device.online:
            return
        if at - device.span_start >= DAY_MS:
            self.ends(user_id, user, device, at, "continued", place, told)
            device.span_start, device.told_before, device.span_is_view = at, [], False
            return
        self.told(device, told, at, device.told(user.name))

    def told(self, device: Device, before: Told, at: int, now: Told | None = None) -> None:
        """The phone or its user says something else of itself while the span runs."""
        if now is not None and now == before:
            return
        if not (device.told_before and device.told_before[-1][0] == at):
            device.told_before = [*device.told_before, (at, before)][-MAX_TOLD_BEFORE:]

    def ends(
        self,
        user_id: str,
        user: User,
        device: Device,
        at: int,
        ended_by: str,
        place: Place,
        told: Told,
        *,
        moved: bool = False,
    ) -> Piece | None:
        """The span that runs, if one does, is over."""
        if not device.online:
            return None
        ended = at
        if ended_by == "timed_out":
            ended = device.last_active
        elif ended_by == "disconnected" and not moved and device.lost is not None:
            ended = max(device.last_active, device.lost.at - device.lost.silent)
        ended = max(device.span_start, ended)
        self._find(
            "spans",
            (
                *place,
                at,
                user_id,
                device.device,
                device.state,
                device.screen,
                device.span_start,
                device.changed,
                ended,
                ended_by,
                device.span_is_view,
                device.online_since,
                user.online_since,
                told.name,
                told.app_version,
                told.device_info,
                told.platform,
                [[until, *was] for until, was in device.told_before],
            ),
        )
        self._count_visit(device, ended, ended_by)
        return Piece(device.state, ended, told)

    def _count_visit(self, device: Device, ended: int, ended_by: str) -> None:
        if device.state == "foreground":
            dwell = ended - device.span_start
            device.visits += 1
            device.foreground_ms += dwell
            silent = dwell if ended_by in _SILENT else 0
            self._find("visits", (ended, name(device.screen), dwell, silent))

    def session_ends(
        self,
        user_id: str,
        device: Device,
        at: int,
        ended_by: str,
        place: Place,
        told: Told,
        piece: Piece | None,
    ) -> None:
        """The device has gone offline; ``piece`` is its last span."""
        ended = piece.ended if piece is not None else at
        self._find(
            "sessions",
            (
                *place,
                at,
                user_id,
                device.device,
                device.online_since,
                ended,
                ended_by,
                device.views,
                device.visits,
                device.foreground_ms,
                device.entry_screen,
                device.last_view,
                *told[1:],
            ),
        )
        self._count_session(device, ended)

    def _count_session(self, device: Device, ended: int) -> None:
        if device.views:
            self._find("exits", (ended, name(device.last_view), device.views == 1))

    def counts_until(
        self, device: Device, user_id: str, at: int, ended_by: str, place: Place
    ) -> None:
        """The user has left: no row tells of it, and sums end here."""
        ended = max(device.span_start, at)
        self._count_visit(device, ended, ended_by)
        self._count_session(device, ended)

    @staticmethod
    def day(at: int, zone: str) -> int:
        """Days since 1970 of an instant in the reporting zone."""
        return _day_of_quarter(at // QUARTER_MS, zone)

    def _find(self, table: str, row: Any) -> None:
        self._findings.append(Finding(table, row))


def name(screen: str | None) -> str:
    """What sums call a screen, but for the cap on names."""
    if screen is None:
        return "(none)"
    return "(other)" if screen in _OURS else screen


@lru_cache(maxsize=4096)
def _day_of_quarter(quarter: int, zone: str) -> int:
    """Every zone's days begin at a quarter-hour."""
    at = datetime.fromtimestamp(quarter * QUARTER_MS / 1000, UTC).astimezone(ZoneInfo(zone))
    return at.date().toordinal() - date(1970, 1, 1).toordinal()
