"""Users who have done something: what the processor would have written of it, and pure functions of
the pages called as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from playwright.sync_api import Page
from psycopg.types.json import Jsonb

from tests.integration.analytics.analytics_rows import AnalyticsTable

_STATES = {
    "started": "foreground",
    "resumed": "foreground",
    "navigated": "foreground",
    "backgrounded": "background",
}
_SILENT = ("timed_out", "disconnected")


@dataclass(frozen=True)
class Step:
    """What a device did, and the reason that the log gives it. ``silent_seconds``: how long nothing
    had been heard of it, where that ended its session."""

    at: datetime
    reason: str
    screen: str | None = None
    silent_seconds: float = 300.0

    @property
    def state(self) -> str:
        return _STATES.get(self.reason, "offline")


@dataclass(frozen=True)
class DeviceLife:
    """A device and all that it did, in order; ``last_active`` of its open session."""

    steps: Sequence[Step]
    device: str = "phone"
    device_info: str | None = "iPhone 13"
    app_version: str | None = "1.2.3"
    platform: str | None = "ios"
    last_active: datetime | None = None

    @property
    def about(self) -> dict[str, Any]:
        return {
            "app_version": self.app_version,
            "device_info": self.device_info,
            "platform": self.platform,
        }


@dataclass
class _Written:
    spans: list[dict[str, Any]] = field(default_factory=list)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)


def write_life(
    table: AnalyticsTable, user_id: str, *devices: DeviceLife, name: str | None = None
) -> None:
    """A user of these devices. A user of several is taken to be what the last step of any made of
    them: tests choose steps for which that is so."""
    written = _Written()
    ends = [_live(written, user_id, life) for life in devices]
    for kind in ("spans", "sessions", "changes"):
        table.insert(kind, getattr(written, kind))
    shown = max(ends, key=lambda end: (end["state"] != "offline", end["changed_at"]))
    life = devices[ends.index(shown)]
    online = [end for end in ends if end["state"] != "offline"]
    table.user(
        user_id,
        **shown,
        **life.about,
        name=name,
        device=life.device,
        device_count=len(online),
        devices=Jsonb([_stored(life, end) for life, end in zip(devices, ends, strict=True)])
        if len(devices) > 1
        else None,
    )


def _live(written: _Written, user_id: str, life: DeviceLife) -> dict[str, Any]:
    """Writes a device's past; returns what it is at the end."""
    session: list[dict[str, Any]] = []
    session_start: datetime | None = None
    screen: str | None = None
    previous: Step | None = None
    for step in life.steps:
        place = {
            "partition": 0,
            "log_offset": len(written.changes),
            "event_index": 0,
            "ordinal": 0,
            "user_id": user_id,
            "device": life.device,
        }
        before = previous.state if previous else "offline"
        now_on = None if step.state == "offline" else step.screen or screen
        if previous is not None and session_start is not None:
            silent = timedelta(seconds=step.silent_seconds if step.reason in _SILENT else 0)
            session.append(
                {
                    **place,
                    "state": before,
                    "screen": screen,
                    "started_at": previous.at,
                    "changed_at": previous.at,
                    "shown_until": step.at,
                    "ended_at": max(previous.at, step.at - silent),
                    "ended_by": step.reason,
                    "is_view": before == "foreground",
                    "session_start": session_start,
                    "online_since": session_start,
                    **life.about,
                }
            )
        written.changes.append(
            {
                "at": step.at,
                **place,
                "reason": step.reason,
                "previous_state": before,
                "state": step.state,
                "previous_screen": screen,
                "screen": now_on,
                "user_state": step.state,
                "user_screen": now_on,
                "app_version": life.app_version,
                "platform": life.platform,
            }
        )
        if step.state == "offline":
            _end_session(written, session, life)
            session, session_start = [], None
        elif session_start is None:
            session_start = step.at
        screen, previous = now_on, step
    written.spans += session
    last = life.steps[-1]
    return {
        "state": last.state,
        "reason": last.reason,
        "screen": screen,
        "changed_at": last.at,
        "online_since": session_start,
        "last_active": life.last_active
        or last.at - timedelta(seconds=last.silent_seconds if last.reason in _SILENT else 0),
    }


def _end_session(written: _Written, spans: list[dict[str, Any]], life: DeviceLife) -> None:
    visits = [span for span in spans if span["state"] == "foreground"]
    last = spans[-1]
    foreground = sum((span["ended_at"] - span["started_at"] for span in visits), timedelta())
    written.spans += spans
    written.sessions.append(
        {
            **{name: last[name] for name in ("partition", "log_offset", "event_index", "ordinal")},
            **{name: last[name] for name in ("user_id", "device", "shown_until", "ended_at")},
            "started_at": last["session_start"],
            "ended_by": last["ended_by"],
            "views": len(visits),
            "visits": len(visits),
            "foreground_ms": foreground // timedelta(milliseconds=1),
            "entry_screen": visits[0]["screen"] if visits else None,
            "exit_screen": visits[-1]["screen"] if visits else None,
            **life.about,
        }
    )


def _stored(life: DeviceLife, end: dict[str, Any]) -> dict[str, Any]:
    def ms(at: datetime | None) -> int | None:
        return None if at is None else round(at.timestamp() * 1000)

    return {
        "device": life.device,
        "state": end["state"],
        "reason": end["reason"],
        "screen": end["screen"],
        **life.about,
        "last_active_ms": ms(end["last_active"]),
        "online_since_ms": ms(end["online_since"]),
        "changed_ms": ms(end["changed_at"]),
    }


def called(page: Page, module: str, function: str, *arguments: Any) -> Any:
    """What a function of one of the page's modules returns."""
    return page.evaluate(
        """async ([module, name, parameters]) => {
            const page = document.querySelector("script[type=module]").src;
            return (await import(new URL(`../${module}`, page)))[name](...parameters);
        }""",
        [module, function, list(arguments)],
    )
