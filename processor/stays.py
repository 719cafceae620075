"""Spans and sessions: what a change of a device ends and begins. PURE.

The words are those of design, section 2. A *span* is one device in one state on one screen,
unbroken; a *visit* is a foreground span. A visit is a *view* if it is its session's first, or
starts on another screen than the visit before it. A *session* is one device from online to offline.

Each has two ends. ``shown_until`` is when presence stopped showing it: the change, or the deadline
that ended it. ``ended_ms`` is for engagement, because silence is none: after a time-out the last
sign of life, after a lost socket its disconnect less the silence before it (or a later sign of
life); else the same. Neither is before the start.

What is open for 24 hours is closed by the next sign of life that changes nothing (``continued``)
and goes on from there: no view, exit or transition. A span says of the phone what was known before
the event that ended it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from msgspec.structs import replace

from processor.devices import find, with_device
from processor.model import Changed, Device, Stay, User
from schemas.changes import Reason, State

LONGEST_SPAN_MS: Final = 86_400_000
Ending: TypeAlias = Reason | Literal["continued"]


@dataclass(frozen=True, slots=True)
class Span:
    """A span that is over. ``changed_ms`` is earlier than ``started_ms`` if it continued one."""

    user_id: str
    name: str | None
    device: str
    state: State
    screen: str | None
    started_ms: int
    changed_ms: int
    shown_until_ms: int
    ended_ms: int
    ended_by: Ending
    is_view: bool
    session_start_ms: int
    online_since_ms: int
    app_version: str | None
    device_info: str | None
    platform: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is over. ``exit_screen`` is that of its last view."""

    user_id: str
    device: str
    started_ms: int
    shown_until_ms: int
    ended_ms: int
    ended_by: Ending
    views: int
    visits: int
    foreground_ms: int
    entry_screen: str | None
    exit_screen: str | None
    app_version: str | None
    device_info: str | None
    platform: str | None


@dataclass(frozen=True, slots=True)
class View:
    """A view that begins: the session's previous one was on ``from_screen``, if there was one."""

    at_ms: int
    screen: str | None
    from_screen: str | None
    is_first: bool


Finding: TypeAlias = Span | Session | View


def follow(
    before: User | None, after: User, changes: Sequence[Changed]
) -> tuple[User, list[tuple[int, Finding]]]:
    """What ``changes`` ended and began, each with the place of its change among them, and ``after``
    with what its devices are to remember of it. ``before`` is the user before the changes."""
    findings: list[tuple[int, Finding]] = []
    for place, changed in enumerate(changes):
        was = find(before, changed.device) if before is not None else None
        now = find(after, changed.device)
        stay = None
        if before is not None and was is not None and was.stay is not None:
            span = _closed(before, was, was.stay, changed.at_ms, changed.reason)
            findings.append((place, span))
            stay = _with_visit(was.stay, span)
            if changed.state == "offline":
                findings.append((place, _session(was, stay, span)))
        if changed.state != "offline":
            stay = replace(stay, since_ms=changed.at_ms) if stay else Stay(changed.at_ms)
            if changed.state == "foreground":
                stay, view = _entered(was, stay, changed)
                if view is not None:
                    findings.append((place, view))
        if now is not None:
            now = replace(now, stay=stay if changed.state != "offline" else None)
            after = replace(after, devices=with_device(after.devices, now))
    return after, findings


def continue_spans(
    before: User | None, user: User, now_ms: int
) -> tuple[User, list[tuple[int, Finding]]]:
    """Close the spans that have been open for too long, of devices with a sign of life at
    ``now_ms``; as :func:`follow`, and after it. ``before`` is the user before the event."""
    findings: list[tuple[int, Finding]] = []
    for device in user.devices:
        stay = device.stay
        if stay is None or now_ms - stay.since_ms < LONGEST_SPAN_MS:
            continue
        was = find(before, device.device) if before is not None else None
        if before is not None and was is not None and device.last_active_ms == now_ms:
            span = _closed(before, was, stay, now_ms, "continued")
            findings.append((0, span))
            goes_on = replace(device, stay=replace(_with_visit(stay, span), since_ms=now_ms))
            user = replace(user, devices=with_device(user.devices, goes_on))
    return user, findings


def _closed(user: User, device: Device, stay: Stay, at_ms: int, ending: Ending) -> Span:
    assert device.online_since_ms is not None  # noqa: S101  (it has a stay: it is online)
    assert user.online_since_ms is not None  # noqa: S101  (and so is its user)
    return Span(
        user_id=user.user_id,
        name=user.name,
        device=device.device,
        state=device.state,
        screen=device.screen,
        started_ms=stay.since_ms,
        changed_ms=device.changed_ms,
        shown_until_ms=max(stay.since_ms, at_ms),
        ended_ms=max(stay.since_ms, min(at_ms, _last_known_ms(device, at_ms, ending))),
        ended_by=ending,
        is_view=stay.is_view,
        session_start_ms=device.online_since_ms,
        online_since_ms=user.online_since_ms,
        app_version=device.app_version,
        device_info=device.device_info,
        platform=device.platform,
    )


def _last_known_ms(device: Device, at_ms: int, ending: Ending) -> int:
    """When we last knew that the phone was as the span says."""
    if ending == "timed_out":
        return device.last_active_ms
    if ending == "disconnected":
        assert device.sockets is not None  # noqa: S101  (a lost socket ended it)
        lost = device.sockets.lost
        assert lost is not None  # noqa: S101
        return max(device.last_active_ms, lost.at_ms - lost.silent_ms)
    return at_ms


def _with_visit(stay: Stay, span: Span) -> Stay:
    """``stay`` after ``span``, which counts in its session."""
    if span.state != "foreground":
        return replace(stay, is_view=False)
    return replace(
        stay,
        visits=stay.visits + 1,
        foreground_ms=stay.foreground_ms + span.ended_ms - span.started_ms,
        is_view=False,
    )


def _entered(was: Device | None, stay: Stay, changed: Changed) -> tuple[Stay, View | None]:
    """A visit begins on ``changed.screen``: is it a view?"""
    is_first = stay.views == 0
    # In the background a device keeps the screen of its last visit.
    from_screen = was.screen if was is not None and not is_first else None
    if not is_first and from_screen == changed.screen:
        return stay, None
    view = View(changed.at_ms, changed.screen, from_screen, is_first)
    stay = replace(
        stay,
        views=stay.views + 1,
        entry_screen=changed.screen if is_first else stay.entry_screen,
        is_view=True,
    )
    return stay, view


def _session(device: Device, stay: Stay, last: Span) -> Session:
    assert device.online_since_ms is not None  # noqa: S101  (it was online)
    return Session(
        user_id=last.user_id,
        device=device.device,
        started_ms=device.online_since_ms,
        shown_until_ms=last.shown_until_ms,
        ended_ms=max(last.ended_ms, device.online_since_ms),
        ended_by=last.ended_by,
        views=stay.views,
        visits=stay.visits,
        foreground_ms=stay.foreground_ms,
        entry_screen=stay.entry_screen,
        exit_screen=device.screen if stay.views else None,
        app_version=device.app_version,
        device_info=device.device_info,
        platform=device.platform,
    )
