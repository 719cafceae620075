"""What devices and users show, and what follows from a change of it. PURE."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from deploy.audit.spans_and_sessions import Place, SpansAndSessions
from deploy.audit.states import RANK, Device, Finding, PartitionState, Policy, Told, User
from schemas.log.events import Heartbeat, Logout, Renew


class Presence:
    """Of one partition, while a record of it is read. Appends to ``findings`` what is found."""

    def __init__(self, state: PartitionState, policy: Policy, findings: list[Finding]) -> None:
        self.state = state
        self.policy = policy
        self.findings = findings
        self.stays = SpansAndSessions(findings)
        #: Of what happens now: the record, the event in it, and how many changes it brought so far.
        self.offset = 0
        self.index = -1
        self.ordinal = 0
        #: Deadline, user and device of whoever may go offline.
        self.queue: list[tuple[int, str, str]] = []
        self.enqueue_all()

    def gone(
        self,
        user_id: str,
        user: User,
        device: Device,
        reason: str,
        at: int,
        *,
        moved: bool = False,
        name: str | None = None,
    ) -> None:
        """The device goes offline. ``moved``: its user was called ``name`` until now."""
        user.touched = self.offset
        told = device.told(name if moved else user.name)
        connections = []
        if reason == "logged_out":
            connections = [c for c, until in device.connections if self.state.now < until]
        was_online = device.online
        foreground = device.state == "foreground"
        paused = device.state == "background" and reason == "timed_out"
        if reason == "evicted":
            # It goes from the row as it goes offline: what the user shows is told by the others.
            del user.devices[device.device]
        self.shows(
            user_id, user, device, ("offline", None), reason, at, at, told, connections, moved=moved
        )
        if was_online:
            device.ended_in_foreground = foreground
        device.timer_grid = device.timer_grid if paused else 0
        device.connections = []
        device.http_deadline = None
        device.timer_beats, device.timer_period = -1, 0
        device.lost = None
        device.gave_way = []
        device.signed_out = reason == "logged_out"
        device.queued = 0
        if not was_online and reason == "logged_out":
            device.signed_out = True

    def meets(self, user: User, event: Heartbeat | Renew | Logout) -> None:
        """``event`` counts: one that finds the user offline says whether they are a canary."""
        if user.state == "offline":
            user.canary = event.canary

    def shows(
        self,
        user_id: str,
        user: User,
        device: Device,
        after: tuple[str, str | None],
        reason: str | None,
        at: int,
        changed: int,
        told: Told,
        connections: Sequence[str] = (),
        *,
        moved: bool = False,
    ) -> None:
        """The device shows this from now on; ``told`` is what was known of it before."""
        found = len(self.findings)
        self._shows(
            user_id,
            user,
            device,
            after,
            reason,
            at,
            changed,
            told,
            connections,
            moved=moved,
        )
        if user.canary:
            del self.findings[found:]

    def _shows(
        self,
        user_id: str,
        user: User,
        device: Device,
        after: tuple[str, str | None],
        reason: str | None,
        at: int,
        changed: int,
        told: Told,
        connections: Sequence[str],
        *,
        moved: bool,
    ) -> None:
        place = self.place()
        before = (device.state, device.screen)
        is_event = reason is None
        if before == after:
            if is_event:
                self.stays.goes_on(user_id, user, device, at, place, told)
                self._active(user_id, user, device, at)
            self.enqueue(user_id, device)
            return
        user_before = user.shown
        if reason is None:
            reason = _reason(before, after)
        piece = self.stays.ends(user_id, user, device, at, reason, place, told, moved=moved)
        if after[0] == "offline" and before[0] != "offline":
            self.stays.session_ends(user_id, device, at, reason, place, told, piece)
        self.count_device(user, device, -1)
        self.count(user, -1)
        device.state, device.screen = after
        self.count_device(user, device, 1)
        device.changed, device.reason = changed, reason
        if before[0] == "offline":
            device.online_since = at
        user.state, user.screen = shown_by(user)
        if user.shown != user_before:
            user.changed, user.reason = at, reason
            if user_before[0] == "offline":
                user.online_since = at
            elif user.state == "offline":
                user.online_since = None
        self.count(user, 1)
        self.find(
            "changes",
            (
                *place,
                at,
                user_id,
                device.device,
                reason,
                before[0],
                after[0],
                before[1],
                after[1],
                user.state,
                user.screen,
                device.app_version,
                device.platform,
                list(connections),
            ),
        )
        self.ordinal += 1
        if is_event:
            self._active(user_id, user, device, at)
        if piece is not None and piece.state == "foreground":
            self._active_at(user_id, user, piece.ended, piece.told)
        if after[0] != "offline":
            self.stays.begins(user_id, device, at, before[0] == "offline")
        self.enqueue(user_id, device)

    def _active(self, user_id: str, user: User, device: Device, at: int) -> None:
        if device.state == "foreground":
            self._active_at(user_id, user, at, device.told(user.name))

    def _active_at(self, user_id: str, user: User, at: int, told: Told) -> None:
        if user.canary:
            return
        day = self.stays.day(at, self.policy.reporting_time_zone)
        if user.active_day is None or day > user.active_day:
            is_new = user.active_day is None
            user.first_day = day if is_new else user.first_day
            user.active_day = day
            self.find("user_days", (day, user_id, is_new, *told[1:]))

    def count(self, user: User, by: int) -> None:
        """The user is one of those whom samples count, or no more."""
        if user.canary:
            return
        state = self.state
        if user.state == "foreground":
            state.foreground += by
            users = state.by_screen.get(user.screen, 0) + by
            if users:
                state.by_screen[user.screen] = users
            else:
                del state.by_screen[user.screen]
        elif user.state == "background":
            state.background += by

    def count_device(self, user: User, device: Device, by: int) -> None:
        """One more or less of which events are due, if it is in the foreground."""
        if device.state == "foreground" and not user.canary:
            self.state.foreground_devices += by

    def counts_until(self, user: User, device: Device, user_id: str, kind: str) -> None:
        """A device of a user who leaves: sums end here, and no row tells of it."""
        if not user.canary:
            self.stays.counts_until(device, user_id, self.state.now, kind, self.place())

    def enqueue(self, user_id: str, device: Device) -> None:
        """Let the device wait for its deadline."""
        deadline = device.deadline
        if device.online and (not device.queued or deadline < device.queued):
            device.queued = deadline
            heapq.heappush(self.queue, (deadline, user_id, device.device))

    def enqueue_all(self) -> None:
        """After all deadlines have moved."""
        self.queue.clear()
        for user_id, user in self.state.users.items():
            for device in user.devices.values():
                device.queued = 0
                self.enqueue(user_id, device)

    def place(self) -> Place:
        """Where in the log we are."""
        return (self.offset, self.index, self.ordinal)

    def find(self, table: str, row: Any) -> None:
        """The log asks for this row."""
        self.findings.append(Finding(table, row))


def shown_by(user: User) -> tuple[str, str | None]:
    """What the best of the devices shows, of those alike the one that changed last."""
    device = visible(user)
    return (device.state, device.screen) if device is not None else ("offline", None)


def visible(user: User) -> Device | None:
    """The device that the user is shown by."""
    devices = list(user.devices.values())
    if len(devices) < 2:
        return devices[0] if devices else None
    best = max(RANK[d.state] for d in devices)
    return min((d for d in devices if RANK[d.state] == best), key=lambda d: (-d.changed, d.device))


def _reason(before: tuple[str, str | None], after: tuple[str, str | None]) -> str:
    if before[0] == "offline":
        return "started"
    if before[0] == after[0]:
        return "navigated"
    return "resumed" if after[0] == "foreground" else "backgrounded"
