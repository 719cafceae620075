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
the event that ended it, and what it told earlier (``told_before``): time travel shows each as long
as it held.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from processor.core.devices import find, with_device
from processor.core.model import MAX_TOLD, Changed, Device, Stay, Told, User
from schemas.log.changes import Ending, State

LONGEST_SPAN_MS: Final = 86_400_000


class Span(msgspec.Struct, frozen=True, gc=False):
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
    told_before: tuple[Told, ...]


class Session(msgspec.Struct, frozen=True, gc=False):
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


class View(msgspec.Struct, frozen=True, gc=False):
    """A view that begins: the session's previous one was on ``from_screen``, if there was one."""

    at_ms: int
    screen: str | None
    from_screen: str | None
    is_first: bool


Finding: TypeAlias = Span | Session | View


def follow(
    before: User | None, after: User, changes: Sequence[Changed], now_ms: int
) -> tuple[User, list[tuple[int, Finding]]]:
    """What ``changes`` ended and began, each with the place of its change among them, then what has
    been open for too long and is continued after a sign of life at ``now_ms``; and ``after`` with
    what its devices are to remember of it. ``before`` is the user before the changes."""
    findings: list[tuple[int, Finding]] = []
    if changes:
        after = _follow_changes(before, after, changes, findings)
    if before is None:
        return after, findings
    for device in after.devices:
        stay = device.stay
        was = find(before, device.device) if stay is not None else None
        if stay is None or was is None or was.stay is not stay:
            continue
        # The span that it was in goes on.
        if now_ms - stay.since_ms >= LONGEST_SPAN_MS and device.last_active_ms == now_ms:
            span = _closed(before, was, stay, now_ms, "continued")
            findings.append((0, span))
            stay = _after(stay, span)
        elif before.name != after.name or _told_otherwise(was, device):
            stay = _with_told(stay, before, was, now_ms)
        else:
            continue
        after = replace(after, devices=with_device(after.devices, replace(device, stay=stay)))
    return after, findings


def moved(
    user: User, device: Device, screen: str | None, now_ms: int
) -> tuple[Stay, tuple[tuple[int, Finding], ...]]:
    """What :func:`follow` finds where the only device of ``user``, in the foreground, navigates to
    another ``screen``: a visit that ended and a view; and what the device is to remember of it."""
    stay = device.stay
    assert stay is not None  # noqa: S101  (it is online)
    span = _closed(user, device, stay, now_ms, "navigated")
    is_first = stay.views == 0
    entered = Stay(
        since_ms=span.shown_until_ms,
        is_view=True,
        views=stay.views + 1,
        visits=stay.visits + 1,
        foreground_ms=stay.foreground_ms + span.ended_ms - span.started_ms,
        entry_screen=screen if is_first else stay.entry_screen,
    )
    view = View(now_ms, screen, None if is_first else device.screen, is_first)
    return entered, ((0, span), (0, view))


def _told_otherwise(was: Device, device: Device) -> bool:
    return (
        was.app_version != device.app_version
        or was.device_info != device.device_info
        or was.platform != device.platform
    )


def _with_told(stay: Stay, user: User, device: Device, until_ms: int) -> Stay:
    """``stay`` with what ``device`` of ``user`` told until then."""
    told = stay.told_before
    if told and told[-1].until_ms == until_ms:
        return stay  # what held for no time is not shown
    past = Told(until_ms, user.name, device.app_version, device.device_info, device.platform)
    return replace(stay, told_before=(*told, past)[-MAX_TOLD:])


def _follow_changes(
    before: User | None,
    after: User,
    changes: Sequence[Changed],
    findings: list[tuple[int, Finding]],
) -> User:
    for place, changed in enumerate(changes):
        was = find(before, changed.device) if before is not None else None
        stay = None
        if before is not None and was is not None and was.stay is not None:
            span = _closed(before, was, was.stay, changed.at_ms, changed.reason)
            findings.append((place, span))
            stay = _after(was.stay, span)
            if changed.state == "offline":
                findings.append((place, _session(was, stay, span)))
        if changed.state != "offline":
            stay, view = _entered(was, stay or Stay(changed.at_ms), changed)
            if view is not None:
                findings.append((place, view))
        now = find(after, changed.device)
        if now is not None:
            now = replace(now, stay=stay if changed.state != "offline" else None)
            after = replace(after, devices=with_device(after.devices, now))
    return after


def _closed(user: User, device: Device, stay: Stay, at_ms: int, ending: Ending) -> Span:
    assert device.online_since_ms is not None  # noqa: S101  (it has a stay: it is online)
    assert user.online_since_ms is not None  # noqa: S101  (and so is its user)
    shown_until_ms = max(stay.since_ms, at_ms)
    return Span(
        user_id=user.user_id,
        name=user.name,
        device=device.device,
        state=device.state,
        screen=device.screen,
        started_ms=stay.since_ms,
        changed_ms=device.changed_ms,
        shown_until_ms=shown_until_ms,
        ended_ms=_ended_ms(device, stay, shown_until_ms, ending),
        ended_by=ending,
        is_view=stay.is_view,
        session_start_ms=device.online_since_ms,
        online_since_ms=user.online_since_ms,
        app_version=device.app_version,
        device_info=device.device_info,
        platform=device.platform,
        told_before=stay.told_before,
    )


def _ended_ms(device: Device, stay: Stay, shown_until_ms: int, ending: Ending) -> int:
    """When we last knew that the phone was as the span says."""
    if ending == "timed_out":
        known_ms = device.last_active_ms
    elif ending == "disconnected":
        assert device.sockets is not None  # noqa: S101  (a lost socket ended it)
        lost = device.sockets.lost
        if lost is None:  # its socket moved to another device (``moves``)
            return shown_until_ms
        known_ms = max(device.last_active_ms, lost.at_ms - lost.silent_ms)
    else:
        return shown_until_ms
    return max(stay.since_ms, min(shown_until_ms, known_ms))


def _after(stay: Stay, span: Span) -> Stay:
    """``stay`` after ``span``, which counts in its session if it is a visit."""
    is_visit = span.state == "foreground"
    return Stay(
        since_ms=span.shown_until_ms,
        views=stay.views,
        visits=stay.visits + is_visit,
        foreground_ms=stay.foreground_ms + is_visit * (span.ended_ms - span.started_ms),
        entry_screen=stay.entry_screen,
    )


def _entered(was: Device | None, stay: Stay, changed: Changed) -> tuple[Stay, View | None]:
    """A span begins: is it a view?"""
    if changed.state != "foreground":
        return stay, None
    is_first = stay.views == 0
    # In the background a device keeps the screen of its last visit.
    from_screen = was.screen if was is not None and not is_first else None
    if not is_first and from_screen == changed.screen:
        return stay, None
    stay = Stay(
        since_ms=stay.since_ms,
        is_view=True,
        views=stay.views + 1,
        visits=stay.visits,
        foreground_ms=stay.foreground_ms,
        entry_screen=changed.screen if is_first else stay.entry_screen,
    )
    return stay, View(changed.at_ms, changed.screen, from_screen, is_first)


def _session(device: Device, stay: Stay, last: Span) -> Session:
    assert device.online_since_ms is not None  # noqa: S101  (it was online)
    return Session(
        user_id=last.user_id,
        device=device.device,
        started_ms=device.online_since_ms,
        shown_until_ms=last.shown_until_ms,
        ended_ms=last.ended_ms,
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
