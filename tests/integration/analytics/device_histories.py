"""Random histories of users and their devices: what presence answered at any instant, and the rows
that the processor would have left of them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from tests.integration.analytics.analytics_rows import AnalyticsTable

MS = timedelta(milliseconds=1)
_RANK = {"foreground": 2, "background": 1, "offline": 0}
_ENDS = ("timed_out", "logged_out", "disconnected")
_SCREENS = ("Home", "Cart", "Film", None)


@dataclass(frozen=True)
class DeviceNow:
    """A device as presence remembers it; ``since`` is the start of its span, in which it told what
    is in ``told_before`` until it told something else."""

    device: str
    state: str
    screen: str | None
    changed_at: datetime
    session_start: datetime
    since: datetime
    about: dict[str, str | None]
    told_before: tuple[tuple[int | str | None, ...], ...] = ()


@dataclass
class UserNow:
    """A user as presence shows them."""

    user_id: str
    name: str
    devices: dict[str, DeviceNow] = field(default_factory=dict)
    state: str = "offline"
    screen: str | None = None
    changed_at: datetime | None = None
    reason: str | None = None
    online_since: datetime | None = None

    def shown(self) -> DeviceNow | None:
        """By design, section 2."""
        if not self.devices:
            return None
        return min(
            self.devices.values(),
            key=lambda d: (-_RANK[d.state], -d.changed_at.timestamp(), d.device),
        )


@dataclass(frozen=True)
class Event:
    """What happened to a device. A ``beat`` changes nothing that anybody sees, ``told`` is one of
    another version of the app, and perhaps of another name of the user."""

    at: datetime
    user: int
    device: str
    state: str
    screen: str | None
    reason: str


class Histories:
    """Runs random events and keeps what a processor would write. ``answers`` are what presence
    shows after the events so far."""

    def __init__(self, seed: int, start: datetime, end: datetime, users: int) -> None:
        self._rng = random.Random(seed)
        self.users = [UserNow(f"u{n:02}/ü", f"Name {n}") for n in range(users)]
        self.spans: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []
        self.events = sorted(
            (
                event
                for user in range(users)
                for device in "abcd"[: self._rng.choice((1, 1, 2, 4))]
                for event in self._life(user, device, start, end)
            ),
            key=lambda event: event.at,
        )
        self._about = {
            (user, device): self._some_about(device) for user in range(users) for device in "abcd"
        }

    def _some_about(self, device: str) -> dict[str, str | None]:
        return {
            "app_version": self._rng.choice(("1.0", "1.1", None)),
            "device_info": f"Phone {device}",
            "platform": self._rng.choice(("ios", "android", None)),
        }

    def _life(self, user: int, device: str, start: datetime, end: datetime) -> list[Event]:
        rng, events = self._rng, []
        at = start + rng.randrange((end - start) // MS // 2) * MS
        state, screen = "offline", None
        while at < end:
            if state == "offline":
                state, screen, reason = "foreground", rng.choice(_SCREENS), "started"
            elif rng.random() < 0.2:
                state, screen, reason = "offline", None, rng.choice(_ENDS)
            elif state == "background":
                state, reason = "foreground", "resumed"
            elif rng.random() < 0.3:
                state, reason = "background", "backgrounded"
            else:
                others = [name for name in _SCREENS if name not in (screen, None)]
                screen, reason = rng.choice(others), "navigated"
            events.append(Event(at, user, device, state, screen, reason))
            # Ticks in common make ties; a long pause is one of a span that is continued.
            pause = rng.choice((0, 1, 1_000, rng.randrange(3_600_000), rng.randrange(20_000_000)))
            if rng.random() < 0.02:
                pause = 30 * 3_600_000
                beat = at + timedelta(hours=24, milliseconds=rng.randrange(600_000))
                if state != "offline" and beat < end:
                    events.append(Event(beat, user, device, state, screen, "beat"))
            elif state != "offline" and rng.random() < 0.3:
                told = at + rng.randrange(pause + 1) * MS
                events.append(Event(told, user, device, state, screen, "told"))
            at += pause * MS
        return events

    def run_through(self, at: datetime) -> None:
        """Every event up to that instant."""
        while self.events and self.events[0].at <= at:
            self._apply(self.events.pop(0))

    def _apply(self, event: Event) -> None:
        user = self.users[event.user]
        before = user.devices.get(event.device)
        is_online = before is not None and before.state != "offline"
        if event.reason == "told":
            self._tell(user, event)
            return
        if before is not None and is_online:
            self._close(user, before, event)
        if event.reason == "beat":
            assert before is not None
            user.devices[event.device] = replace(before, since=event.at, told_before=())
            return
        started = before.session_start if before is not None and is_online else event.at
        user.devices[event.device] = DeviceNow(
            event.device,
            event.state,
            event.screen,
            event.at,
            started,
            event.at,
            self._about[event.user, event.device],
        )
        shown = user.shown()
        assert shown is not None
        if (shown.state, shown.screen) != (user.state, user.screen):
            if user.state == "offline":
                user.online_since = event.at
            user.state, user.screen = shown.state, shown.screen
            user.changed_at, user.reason = event.at, event.reason
            if user.state == "offline":
                user.online_since = None
        about = self._about[event.user, event.device]
        self.changes.append(
            {
                "at": event.at,
                "partition": 0,
                "log_offset": len(self.changes),
                "event_index": 0,
                "ordinal": 0,
                "user_id": user.user_id,
                "device": event.device,
                "reason": event.reason,
                "previous_state": before.state if before else "offline",
                "state": event.state,
                "previous_screen": before.screen if before else None,
                "screen": event.screen,
                "user_state": user.state,
                "user_screen": user.screen,
                "app_version": about["app_version"],
                "platform": about["platform"],
            }
        )

    def _tell(self, user: UserNow, event: Event) -> None:
        past, user.name = user.name, f"Name {event.user}{self._rng.choice(('', '', ' II'))}"
        self._about[event.user, event.device] = self._some_about(event.device)
        for device in user.devices.values():
            if device.state == "offline":
                continue
            about, told = self._about[event.user, device.device], device.told_before
            is_new = (past, device.about) != (user.name, about)
            if is_new and not (told and told[-1][0] == _ms(event.at)):
                told = (*told, (_ms(event.at), past, *device.about.values()))
            user.devices[device.device] = replace(device, about=about, told_before=told)

    def _close(self, user: UserNow, device: DeviceNow, event: Event) -> None:
        self.spans.append(
            {
                "shown_until": event.at,
                "partition": 0,
                "log_offset": len(self.changes),
                "event_index": 0 if event.reason != "beat" else len(self.spans),
                "ordinal": 0,
                "user_id": user.user_id,
                "device": device.device,
                "state": device.state,
                "screen": device.screen,
                "started_at": device.since,
                "changed_at": device.changed_at,
                "ended_at": event.at,
                "ended_by": "continued" if event.reason == "beat" else event.reason,
                "is_view": device.state == "foreground",
                "session_start": device.session_start,
                "online_since": user.online_since,
                "name": user.name,
                **device.about,
                "told_before": Jsonb(device.told_before) if device.told_before else None,
            }
        )

    def write(self, table: AnalyticsTable) -> None:
        """What is in the tables after the events so far."""
        table.insert(
            "spans",
            ({**row, "ended_by": _span_end(row["ended_by"])} for row in self.spans),
        )
        table.insert("changes", self.changes)
        for user in self.users:
            shown = user.shown()
            if shown is not None:
                self._write_user(table, user, shown)

    def _write_user(self, table: AnalyticsTable, user: UserNow, shown: DeviceNow) -> None:
        several = len(user.devices) > 1
        table.user(
            user.user_id,
            user.state,
            name=user.name,
            reason=user.reason,
            screen=user.screen,
            changed_at=user.changed_at,
            online_since=user.online_since,
            device_count=sum(d.state != "offline" for d in user.devices.values()),
            device=shown.device,
            **shown.about,
            stay=None if several or shown.state == "offline" else Jsonb(_stay(shown)),
            devices=Jsonb([_stored(d) for d in user.devices.values()]) if several else None,
        )


def _span_end(reason: str) -> str:
    return "resumed" if reason == "started" else reason


def _stay(device: DeviceNow) -> dict[str, Any]:
    return {
        "since_ms": _ms(device.since),
        "is_view": device.state == "foreground",
        "views": 1,
        "visits": 1,
        "foreground_ms": 0,
        "entry_screen": device.screen,
        "told_before": device.told_before,
    }


def _stored(device: DeviceNow) -> dict[str, Any]:
    online = device.state != "offline"
    return {
        "device": device.device,
        "state": device.state,
        "reason": "started",
        "screen": device.screen,
        **device.about,
        "changed_ms": _ms(device.changed_at),
        "last_active_ms": _ms(device.changed_at),
        "online_since_ms": _ms(device.session_start) if online else None,
        "stay": _stay(device) if online else None,
    }


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
