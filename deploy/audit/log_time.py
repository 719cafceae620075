"""Log time passes, or steps back: outages, who goes offline, samples. PURE.

Promise 3; design, sections 2 and 7.
"""

from __future__ import annotations

import heapq
from typing import Final

from deploy.audit.presence import Presence
from deploy.audit.states import Outage, User

#: With so many events due, none of them by chance is e to the minus that.
DUE_EVENTS: Final = 30
SAMPLE_MS: Final = 10_000
MINUTE_MS: Final = 60_000


def step_back(presence: Presence, timestamp: int) -> None:
    """The broker's clock was put right."""
    state = presence.state
    back, latest = state.now - timestamp, timestamp - 1
    if state.muted is not None:
        muted = state.muted
        presence.find("outages", ("ticks_only", muted.start, state.now))
        state.muted = Outage("ticks_only", timestamp, None, muted.hold - back)
        presence.find("outages", ("ticks_only", timestamp, None))
    presence.find("clock_steps", (presence.offset, state.now, timestamp))
    for user in state.users.values():
        _move_back(user, back, latest)
    for user_id in state.erasure_fences:
        state.erasure_fences[user_id] -= back
    state.kept_until -= back
    state.last_heard -= back
    state.highest = max(state.highest, state.now)
    state.now = timestamp
    state.step_offset = presence.offset
    presence.enqueue_all()


def pass_time(presence: Presence, timestamp: int, heard: bool, jump: bool, kind: str) -> None:
    """Log time comes to ``timestamp``. ``heard``: the record has a sign of clients; ``jump``: there
    could be none in the time before it, because of ``kind``."""
    state, policy = presence.state, presence.policy
    if not state.began:
        state.began, state.now, state.began_at = True, timestamp, timestamp
    before = state.now
    now = state.now = max(before, timestamp)
    holds = []
    quiet_from = []
    if jump:
        presence.find("outages", (kind, before, now))
        holds.append(before + policy.outage_hold_ms)
        quiet_from.append(before)
        state.outage_offset = presence.offset
    if not heard and not jump and state.muted is None and _is_muted_now(presence):
        state.muted = Outage("ticks_only", now, None, now + policy.outage_hold_ms)
        presence.find("outages", ("ticks_only", now, None))
    muted = state.muted
    if muted is not None:
        holds.append(muted.hold)
        quiet_from.append(muted.start)
        if heard:
            presence.find("outages", ("ticks_only", muted.start, now))
            state.muted = None
    sample_until = min([now, *(start + 1 for start in quiet_from)])
    sample_at = -(-before // SAMPLE_MS) * SAMPLE_MS
    for at, user_id, name in _due(presence, max(holds, default=0)):
        while sample_at < min(at, sample_until):
            sample_at = _sample(presence, sample_at)
        user = state.users[user_id]
        reason = "disconnected" if user.devices[name].lost is not None else "timed_out"
        presence.gone(user_id, user, user.devices[name], reason, at)
    while sample_at < sample_until:
        sample_at = _sample(presence, sample_at)
    if jump or (heard and muted is not None):
        _grace(presence, now + policy.reconnect_grace_ms)


def _is_muted_now(presence: Presence) -> bool:
    state, policy = presence.state, presence.policy
    quiet = state.now - state.last_heard
    if not state.ever_heard or quiet < policy.outage_gap_ms:
        return False
    beating = min(quiet, policy.offline_after_ms)
    return state.last_heard_foreground * beating / policy.client_interval_ms >= DUE_EVENTS


def _due(presence: Presence, hold: int) -> list[tuple[int, str, str]]:
    """Who goes offline by now: when, which user and device, in that order."""
    now, queue = presence.state.now, presence.queue
    due: list[tuple[int, str, str]] = []
    if hold > now:
        return due
    while queue and queue[0][0] <= now:
        queued, user_id, name = heapq.heappop(queue)
        user = presence.state.users.get(user_id)
        device = user.devices.get(name) if user is not None else None
        if device is None or device.queued != queued:
            continue
        device.queued = 0
        if not device.online:
            continue
        if device.deadline <= now:
            due.append((max(device.deadline, hold), user_id, name))
        else:
            presence.enqueue(user_id, device)
    return sorted(due)


def _grace(presence: Presence, until: int) -> None:
    """After an outage whoever is online has some time to come back."""
    state = presence.state
    state.kept_until = max(state.kept_until, until)
    state.outage_offset = presence.offset
    for user in state.users.values():
        for device in user.devices.values() if user.state != "offline" else ():
            device.silence_deadline = max(device.silence_deadline, until)
            if device.http_deadline is not None:
                device.http_deadline = max(device.http_deadline, until)
            if device.lost is not None:
                device.lost.deadline = max(device.lost.deadline, until)


def _sample(presence: Presence, at: int) -> int:
    """Sample the instant ``at``, unless it was; the next one to sample."""
    state = presence.state
    if at > state.sampled_through or at not in state.sampled:
        presence.find("concurrency_samples", (at, state.foreground, state.background))
        if at % MINUTE_MS == 0:
            presence.find(
                "screen_samples", (at, dict(state.by_screen), presence.policy.max_screens)
            )
        state.sampled.add(at)
        state.sampled_through = max(state.sampled_through, at)
        if len(state.sampled) > 20_000:
            kept = sorted(state.sampled)[10_000:]
            state.sampled = set(kept)
    return at + SAMPLE_MS


def _move_back(user: User, back: int, latest: int) -> None:
    """All that runs comes as much earlier; what was is no later than ``latest``."""
    user.changed = min(user.changed, latest)
    if user.online_since is not None:
        user.online_since = min(user.online_since, latest)
    for one in user.sign_outs:
        one.fence_until -= back
    devices = list(user.devices.values())
    for what in ("changed", "last_active"):
        earlier, moved = latest, []
        for time in sorted({getattr(device, what) for device in devices}, reverse=True):
            earlier = min(time, earlier)
            moved += [(device, earlier) for device in devices if getattr(device, what) == time]
            earlier -= 1
        for device, at in moved:
            setattr(device, what, at)
    for device in devices:
        device.online_since = min(device.online_since, latest)
        device.span_start = min(device.span_start, latest)
        device.timer_grid = min(device.timer_grid, latest)
        device.silence_deadline -= back
        if device.http_deadline is not None:
            device.http_deadline -= back
        if device.lost is not None:
            device.lost.at = min(device.lost.at, latest)
            device.lost.deadline -= back
        device.connections = [(one, until - back) for one, until in device.connections]
        for gave in device.gave_way:
            gave.changed = min(gave.changed, latest)
        device.told_before = [(min(at, latest), told) for at, told in device.told_before]
