"""Presence of one partition, a second time. PURE.

Written from the design, sections 1 to 4, and from nothing of the processor: it shares the codec of
events with it, and no other code. What it finds of a record is appended to ``findings``, in the
order in which it happened; who shows what is in ``state``. The brute-force oracle of the tests must
say the same of any log.

Of one record, in this order:

1. Where the broker's clock was put right, log time steps back, and all that runs with it.
2. Time passes: an outage begins or ends; who was silent for too long goes offline, in order of
   deadline; what is due is sampled meanwhile.
3. Its events happen, one after the other.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from typing import Any, Final

from deploy.audit.naming import (
    alike,
    device_of,
    has_connection,
    in_background,
    is_evidence,
    is_in_force,
    name_of,
    named_by_text,
    names_screen,
    parted_from,
)
from deploy.audit.states import (
    RANK,
    Device,
    Finding,
    GaveWay,
    Lost,
    Outage,
    PartitionState,
    Policy,
    SignOut,
    Told,
    User,
)
from deploy.audit.stays import Place, Stays
from schemas.log.events import (
    Connect,
    Disconnect,
    Erase,
    Event,
    Heartbeat,
    Logout,
    OptIn,
    OptOut,
    Renew,
)

MAX_DEVICES: Final = 16
MAX_CONNECTIONS: Final = 8
MAX_SIGN_OUTS: Final = 16
MAX_GAVE_WAY: Final = 4
#: With so many events due, none of them by chance is e to the minus that.
DUE_EVENTS: Final = 30
SAMPLE_MS: Final = 10_000
MINUTE_MS: Final = 60_000


class Evaluator:
    """Feed it the records of one partition in order."""

    def __init__(self, state: PartitionState, policy: Policy) -> None:
        self.state = state
        self.policy = policy
        self.findings: list[Finding] = []
        self.rejected: list[tuple[int, int | None]] = []
        self._stays = Stays(self.findings)
        self._offset = 0
        self._index = -1
        self._ordinal = 0
        self._queue: list[tuple[int, str, str]] = []
        self._jumped: Outage | None = None
        self._enqueue_all()

    # -- one record

    def record(
        self,
        offset: int,
        timestamp: int,
        events: Sequence[object] | None,
        refused: Collection[int] = (),
        lost: int = 0,
    ) -> None:
        """``events`` is ``None`` for a record that cannot be read; ``lost`` is how many before it
        somebody has accepted as lost."""
        state, policy = self.state, self.policy
        self._offset, self._index, self._ordinal = offset, -1, 0
        heard = any(isinstance(event, Heartbeat | Logout | Renew) for event in events or ())
        if state.began and state.now - timestamp > policy.outage_gap_ms:
            self._step_back(timestamp)
        jump = state.began and (lost > 0 or timestamp - state.now > policy.outage_gap_ms)
        self._pass_time(timestamp, heard, jump, "lost_range" if lost else "jump")
        if events is None:
            self.rejected.append((offset, None))
        for index, event in enumerate(events or ()):
            self._index, self._ordinal = index, 0
            if type(event) in _EVENTS:
                if index in refused:
                    self.rejected.append((offset, index))
                else:
                    self._event(event)  # type: ignore[arg-type]
            elif type(event).__name__ != "Tick":
                self.rejected.append((offset, index))
        if heard or jump:
            state.ever_heard = state.ever_heard or heard
            state.last_heard = state.now
            state.last_heard_foreground = state.foreground_devices
        state.next_offset = offset + 1

    def _event(self, event: Event) -> None:
        if isinstance(event, OptOut | OptIn | Erase):
            self._privacy(event)
            return
        user_id = event.user  # type: ignore[union-attr]
        user = self.state.users.get(user_id)
        if user is not None and not self.state.full:
            self._meet(user, event)  # type: ignore[arg-type]
        if user is None:
            fenced = self.state.now < self.state.erasure_fences.get(user_id, 0)
            if fenced or user_id in self.state.opted_out:
                return
            if isinstance(event, Heartbeat):
                user = User()
                if not self.state.full:
                    self._meet(user, event)
                self._heartbeat(user_id, user, event)
            elif isinstance(event, Logout):
                self._logout(user_id, User(changed=self.state.now), event)
        elif isinstance(event, Heartbeat):
            self._heartbeat(user_id, user, event)
        elif isinstance(event, Renew):
            self._renew(user_id, user, event)
        elif isinstance(event, Disconnect):
            self._disconnect(user_id, user, event)
        elif isinstance(event, Logout):
            self._logout(user_id, user, event)

    def _is_surely_offline(self, user: User) -> bool:
        """Whatever the log said before it begins: nobody is online who was silent for so long."""
        policy = self.policy
        longest = policy.offline_after_ms + policy.outage_hold_ms + policy.reconnect_grace_ms
        return self.state.now - max(self.state.began_at, user.heard) > longest

    def _meet(self, user: User, event: Heartbeat | Logout | Renew | Disconnect) -> None:
        """Of a log whose beginning is missing a session counts that begins after such a silence,
        for as long as one phone is heard of: which of several devices another one is, only what
        went before can tell."""
        if isinstance(event, Disconnect):
            return
        named = event.device_id or event.claimed_device or getattr(event, "device_info", None)
        info = getattr(event, "device_info", None)
        if self._is_surely_offline(user):
            begins = isinstance(event, Heartbeat) and is_evidence(event) and bool(named)
            user.known_from = self._offset if begins else -1
            user.known_by = (event.token, named, info)
        elif user.known_by != (event.token, named, info):
            user.known_from = -1
        user.heard = self.state.now

    # -- time

    def _step_back(self, timestamp: int) -> None:
        state = self.state
        back, latest = state.now - timestamp, timestamp - 1
        if state.muted is not None:
            muted = state.muted
            self._find("outages", ("ticks_only", muted.start, state.now))
            state.muted = Outage("ticks_only", timestamp, None, muted.hold - back)
            self._find("outages", ("ticks_only", timestamp, None))
        self._find("clock_steps", (self._offset, state.now, timestamp))
        for user in state.users.values():
            _move_back(user, back, latest)
        for user_id in state.erasure_fences:
            state.erasure_fences[user_id] -= back
        state.kept_until -= back
        state.last_heard -= back
        state.highest = max(state.highest, state.now)
        state.now = timestamp
        state.step_offset = self._offset
        self._enqueue_all()

    def _pass_time(self, timestamp: int, heard: bool, jump: bool, kind: str) -> None:
        state, policy = self.state, self.policy
        if not state.began:
            state.began, state.now, state.began_at = True, timestamp, timestamp
        before = state.now
        now = state.now = max(before, timestamp)
        holds = []
        quiet_from = []
        if jump:
            self._find("outages", (kind, before, now))
            holds.append(before + policy.outage_hold_ms)
            quiet_from.append(before)
            state.outage_offset = self._offset
        if not heard and not jump and state.muted is None and self._is_muted_now():
            state.muted = Outage("ticks_only", now, None, now + policy.outage_hold_ms)
            self._find("outages", ("ticks_only", now, None))
        muted = state.muted
        if muted is not None:
            holds.append(muted.hold)
            quiet_from.append(muted.start)
            if heard:
                self._find("outages", ("ticks_only", muted.start, now))
                state.muted = None
        sample_until = min([now, *(start + 1 for start in quiet_from)])
        sample_at = -(-before // SAMPLE_MS) * SAMPLE_MS
        for at, user_id, name in self._due(max(holds, default=0)):
            while sample_at < min(at, sample_until):
                sample_at = self._sample(sample_at)
            user = state.users[user_id]
            reason = "disconnected" if user.devices[name].lost is not None else "timed_out"
            self._gone(user_id, user, user.devices[name], reason, at)
        while sample_at < sample_until:
            sample_at = self._sample(sample_at)
        if jump or (heard and muted is not None):
            self._grace(now + policy.reconnect_grace_ms)

    def _is_muted_now(self) -> bool:
        state, policy = self.state, self.policy
        quiet = state.now - state.last_heard
        if not state.ever_heard or quiet < policy.outage_gap_ms:
            return False
        beating = min(quiet, policy.offline_after_ms)
        return state.last_heard_foreground * beating / policy.client_interval_ms >= DUE_EVENTS

    def _due(self, hold: int) -> list[tuple[int, str, str]]:
        """Who goes offline by now: when, which user and device, in that order."""
        now, queue = self.state.now, self._queue
        due: list[tuple[int, str, str]] = []
        if hold > now:
            return due
        while queue and queue[0][0] <= now:
            queued, user_id, name = heapq.heappop(queue)
            user = self.state.users.get(user_id)
            device = user.devices.get(name) if user is not None else None
            if device is None or device.queued != queued:
                continue
            device.queued = 0
            if not device.online:
                continue
            if device.deadline <= now:
                due.append((max(device.deadline, hold), user_id, name))
            else:
                self._enqueue(user_id, device)
        return sorted(due)

    def _enqueue(self, user_id: str, device: Device) -> None:
        deadline = device.deadline
        if device.online and (not device.queued or deadline < device.queued):
            device.queued = deadline
            heapq.heappush(self._queue, (deadline, user_id, device.device))

    def _enqueue_all(self) -> None:
        self._queue.clear()
        for user_id, user in self.state.users.items():
            for device in user.devices.values():
                device.queued = 0
                self._enqueue(user_id, device)

    def _grace(self, until: int) -> None:
        """After an outage whoever is online has some time to come back."""
        state = self.state
        state.kept_until = max(state.kept_until, until)
        state.outage_offset = self._offset
        for user in state.users.values():
            for device in user.devices.values() if user.state != "offline" else ():
                device.silence_deadline = max(device.silence_deadline, until)
                if device.http_deadline is not None:
                    device.http_deadline = max(device.http_deadline, until)
                if device.lost is not None:
                    device.lost.deadline = max(device.lost.deadline, until)

    def _sample(self, at: int) -> int:
        """Sample the instant ``at``, unless it was; the next one to sample."""
        state = self.state
        if at > state.sampled_through or at not in state.sampled:
            self._find("concurrency_samples", (at, state.foreground, state.background))
            if at % MINUTE_MS == 0:
                self._find("screen_samples", (at, dict(state.by_screen), self.policy.max_screens))
            state.sampled.add(at)
            state.sampled_through = max(state.sampled_through, at)
            if len(state.sampled) > 20_000:
                kept = sorted(state.sampled)[10_000:]
                state.sampled = set(kept)
        return at + SAMPLE_MS

    # -- events

    def _heartbeat(self, user_id: str, user: User, event: Heartbeat) -> None:
        state, now = self.state, self.state.now
        name = device_of(user, event, now)
        if user.sign_outs:
            if self._is_fenced(user, event.token, name):
                return
            if self._wants_evidence(user, event, name) and not is_evidence(event):
                return
        named = name_of(event)
        parted: GaveWay | None = None
        like: list[Device] = []
        if named and name not in user.devices:
            like = alike(user, named)
            parted = parted_from(user, event)
        left = self._left_by(user, event, named)
        brings = left.screen if left is not None else None
        if name not in user.devices and len(user.devices) == MAX_DEVICES:
            worst = min(user.devices.values(), key=lambda d: (d.online, d.last_active, d.device))
            self._gone(user_id, user, worst, "evicted", now)
        state.users[user_id] = user
        user.touched = self._offset
        if event.connection is not None:
            for other in user.devices.values():
                if other.device != name:
                    _forget_connection(other, event.connection)
        if parted is not None:
            for other in like:
                other.gave_way = [one for one in other.gave_way if one.mark != parted.mark]
        name_before = user.name
        device = user.devices.get(name)
        if device is None:
            twin_of = named if named and named != name else None
            device = Device(name, twin_of, event.token, now)
            user.devices[name] = device
        before = (device.state, device.screen)
        told_before = device.told(name_before)
        told_of_others = (
            [(other, other.told(name_before)) for other in user.devices.values()]
            if event.name is not None and event.name != name_before
            else []
        )
        self._mark(device, event)
        if event.name is not None:
            user.name = event.name
        if event.device_info is not None:
            device.device_info = event.device_info
        if event.app_version is not None:
            device.app_version = event.app_version
        if event.platform is not None:
            device.platform = event.platform
        screen = device.screen
        if before[0] == "offline":
            screen = parted.screen if parted is not None else brings
            if screen is None:
                screen = brings
        if names_screen(event):
            screen = event.screen
        after = ("background" if in_background(event) else "foreground", screen)
        changed = now
        if parted is not None and (parted.state, parted.screen) == after:
            changed = parted.changed
        deadline = now + self.policy.offline_after_ms
        if event.connection is None:
            device.http_deadline = deadline
        self._sign_of_life(device, event.connection, deadline, extends=True)
        self._shows(user_id, user, device, after, None, now, changed, told_before)
        if left is not None and user.devices.get(left.device) is left:
            self._end_if_left(user_id, user, left, name_before)
        for other, told in told_of_others:
            if other is not device and other.online:
                self._stays.told(other, told, now)

    def _sign_of_life(
        self, device: Device, connection: str | None, deadline: int, *, extends: bool
    ) -> None:
        now = self.state.now
        if connection is not None:
            open_ones = [c for c in device.connections if c[0] != connection and now < c[1]]
            later = now + self.policy.offline_after_ms
            device.connections = [*open_ones, (connection, later)][-MAX_CONNECTIONS:]
            if device.http_deadline is not None and device.http_deadline <= now:
                device.http_deadline = None
        device.last_active = now
        device.lost = None
        device.signed_out = False
        if extends:
            device.silence_deadline = deadline

    def _mark(self, device: Device, event: Heartbeat | Renew) -> None:
        """Remember the mark that this one follows on the device."""
        said = event.device_info if isinstance(event, Heartbeat) else None
        token, info = device.token, device.device_info
        if device.gave_way:
            device.gave_way = [o for o in device.gave_way if o.mark not in (event.token, said)]
        if device.online and name_of_any(event):
            by_text = named_by_text(event)
            new, old = (event.token, token) if by_text else (said, info)
            if new is not None and old is not None and new != old:
                gave = GaveWay(old, device.state, device.screen, device.changed)
                device.gave_way = [*device.gave_way, gave][-MAX_GAVE_WAY:]
        device.token = event.token

    def _left_by(self, user: User, event: Heartbeat, named: str | None) -> Device | None:
        """The device that a connect of another name takes its connection from."""
        if not isinstance(event, Connect) or not named:
            return None
        for device in user.devices.values():
            if has_connection(device, event.connection, self.state.now):
                return None if named in (device.device, device.named) else device
        return None

    def _end_if_left(self, user_id: str, user: User, left: Device, name: str | None) -> None:
        now = self.state.now
        over_http = left.http_deadline is not None and now < left.http_deadline
        kept = over_http or any(now < until for _, until in left.connections)
        if not kept and left.online:
            self._gone(user_id, user, left, "disconnected", now, moved=True, name=name)

    def _renew(self, user_id: str, user: User, event: Renew) -> None:
        now = self.state.now
        device = user.devices.get(device_of(user, event, now))
        if device is None or self._is_fenced(user, event.token, device.device):
            return
        cut_off = device.reason in ("timed_out", "disconnected") and not device.signed_out
        if not device.online and not (cut_off and device.ended_in_foreground):
            return
        user.touched = self._offset
        told = device.told(user.name)
        self._mark(device, event)
        after = (device.state, device.screen) if device.online else ("foreground", None)
        deadline = now + self.policy.offline_after_ms
        extends = device.state != "background"
        self._sign_of_life(device, event.connection, deadline, extends=extends)
        self._shows(user_id, user, device, after, None, now, now, told)

    def _disconnect(self, user_id: str, user: User, event: Disconnect) -> None:
        now, policy = self.state.now, self.policy
        for device in user.devices.values():
            if not has_connection(device, event.connection, now):
                continue
            others = any(
                one != event.connection and now < until for one, until in device.connections
            )
            lost = None
            if not others and not event.by_server:
                http = device.http_deadline or 0
                after_http = http if http > now else 0
                grace = max(now + policy.disconnect_grace_ms, after_http, self.state.kept_until)
                if device.deadline > grace:
                    lost = Lost(now, event.silent_ms, grace)
            device.lost = lost
            _forget_connection(device, event.connection)
            user.touched = self._offset
            self._enqueue(user_id, device)
            return

    def _logout(self, user_id: str, user: User, event: Logout) -> None:
        now = self.state.now
        has = list(user.devices.values())
        expired = event.token_expires_ms is not None and event.token_expires_ms <= now
        connected = [d for d in has if has_connection(d, event.connection, now)]
        bearing = [d for d in has if d.token == event.token]
        given_up = [d for d in has if event.token in [one.mark for one in d.gave_way]]
        claimed = alike(user, event.claimed_device) if event.claimed_device else []
        told = alike(user, event.device_id) if event.device_id else []
        if expired:
            own = [d.device for d in (*claimed, *bearing, *given_up)]
            told = [d for d in told if d.device in own]

        def among(like: list[Device]) -> list[Device]:
            for few in (connected, bearing):
                narrowed = [d for d in like if d in few]
                if narrowed and len(like) > 1:
                    return narrowed
            return like

        everything = [] if expired else has
        out = among(told) or connected or among(claimed) or bearing or given_up or everything
        fences = [
            one for one in user.sign_outs if now < one.fence_until and event.token in one.tokens
        ]
        names = sorted(d.device for d in out)
        names = [n for n in names if all(n in one.spared for one in fences)]
        if fences and not names:
            return
        self.state.users[user_id] = user
        user.touched = self._offset
        tokens = {event.token} | {user.devices[n].token for n in names}
        for one_name in names:
            self._gone(user_id, user, user.devices[one_name], "logged_out", now)
        user.sign_outs = [
            one
            for one in user.sign_outs
            if not (one.token == event.token and now >= one.fence_until)
        ]
        user.sign_outs.append(
            SignOut(
                event.token,
                tokens,
                now + self.policy.logout_fence_ms,
                event.token_expires_ms,
                names,
                [d.device for d in user.devices.values() if d.online],
            )
        )
        # One that is over now is over for good: no step back of log time brings it back.
        in_force = [o for o in user.sign_outs if is_in_force(o.fence_until, o.expires, now)]
        user.sign_outs = in_force[-MAX_SIGN_OUTS:]

    def _is_fenced(self, user: User, token: str, device: str) -> bool:
        now = self.state.now
        return any(
            now < one.fence_until and token in one.tokens and device not in one.spared
            for one in user.sign_outs
        )

    def _wants_evidence(self, user: User, event: Heartbeat, name: str) -> bool:
        """Has its token been logged out, and the device with it, or one that we do not know?"""
        now = self.state.now
        if not any(
            one.token == event.token and is_in_force(one.fence_until, one.expires, now)
            for one in user.sign_outs
        ):
            return False
        device = user.devices.get(name)
        signed_out = device is not None and device.signed_out
        if named_by_text(event):
            return device is None or device.token != event.token or signed_out
        return signed_out or (name_of(event) is None and device is None)

    def _privacy(self, event: OptOut | OptIn | Erase) -> None:
        """Whoever leaves has never been."""
        state, user_id = self.state, event.user
        if isinstance(event, OptIn):
            state.opted_out.discard(user_id)
            self._find("privacy_flags", (user_id, False))
            return
        older = event.before_ms if isinstance(event, Erase) else None
        if isinstance(event, OptOut):
            state.opted_out.add(user_id)
        elif older is None:
            state.erasure_fences[user_id] = state.now + self.policy.logout_fence_ms
        self._find("privacy_flags", (user_id, user_id in state.opted_out))
        kind = "opted_out" if isinstance(event, OptOut) else "erased"
        user = state.users.get(user_id)
        if (
            older is not None
            and user is not None
            and any(d.last_active >= older for d in user.devices.values())
        ):
            self._find("left", (user_id, older, event.request, kind))
            self._cut(user_id, user, older)
            return
        self._find("left", (user_id, None, event.request, kind))
        if user is None:
            return
        self._leave(user_id, user, kind)

    def _cut(self, user_id: str, user: User, older: int) -> None:
        """Devices that were last heard of before then have never been, and nobody hears of it."""
        state = self.state
        user.touched = self._offset
        gone = [device for device in user.devices.values() if device.last_active < older]
        for device in gone:
            shown = user.shown
            if device.online:
                self._stays.counts_until(device, user_id, state.now, "erased", self._place())
            state.foreground_devices -= device.state == "foreground"
            self._count(user, -1)
            del user.devices[device.device]
            user.state, user.screen = _shown_by(user)
            if user.shown != shown:
                user.changed, user.reason = state.now, "erased"
                if user.state == "offline":
                    user.online_since = None
            self._count(user, 1)
        names = {device.device for device in gone}
        user.sign_outs = [
            one for one in user.sign_outs if not one.devices or not names.issuperset(one.devices)
        ]
        for one in user.sign_outs:
            one.devices = [name for name in one.devices if name not in names]
            one.spared = [name for name in one.spared if name not in names]
        user.first_day = user.active_day

    def _leave(self, user_id: str, user: User, kind: str) -> None:
        """What the user was counted in stays, and ends here."""
        state = self.state
        for device in sorted(user.devices.values(), key=lambda d: d.device):
            if device.online:
                place = self._place()
                self._stays.counts_until(device, user_id, state.now, kind, place)
        self._count(user, -1)
        for device in user.devices.values():
            state.foreground_devices -= device.state == "foreground"
        del state.users[user_id]

    # -- what follows

    def _gone(
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
        user.touched = self._offset
        told = device.told(name if moved else user.name)
        connections = []
        if reason == "logged_out":
            connections = [c for c, until in device.connections if self.state.now < until]
        was_online = device.online
        foreground = device.state == "foreground"
        if reason == "evicted":
            # It goes from the row as it goes offline: what the user shows is told by the others.
            del user.devices[device.device]
        self._shows(
            user_id, user, device, ("offline", None), reason, at, at, told, connections, moved=moved
        )
        if was_online:
            device.ended_in_foreground = foreground
        device.connections = []
        device.http_deadline = None
        device.lost = None
        device.gave_way = []
        device.signed_out = reason == "logged_out"
        device.queued = 0
        if not was_online and reason == "logged_out":
            device.signed_out = True

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
        connections: Sequence[str] = (),
        *,
        moved: bool = False,
    ) -> None:
        """The device shows this from now on; ``told`` is what was known of it before."""
        state, place = self.state, self._place()
        before = (device.state, device.screen)
        is_event = reason is None
        if before == after:
            if is_event:
                self._stays.goes_on(user_id, user, device, at, place, told)
                self._active(user_id, user, device, at)
            self._enqueue(user_id, device)
            return
        user_before = user.shown
        if reason is None:
            reason = _reason(before, after)
        piece = self._stays.ends(user_id, user, device, at, reason, place, told, moved=moved)
        if after[0] == "offline" and before[0] != "offline":
            self._stays.session_ends(user_id, device, at, reason, place, told, piece)
        state.foreground_devices += (after[0] == "foreground") - (before[0] == "foreground")
        self._count(user, -1)
        device.state, device.screen = after
        device.changed, device.reason = changed, reason
        if before[0] == "offline":
            device.online_since = at
        user.state, user.screen = _shown_by(user)
        if user.shown != user_before:
            user.changed, user.reason = at, reason
            if user_before[0] == "offline":
                user.online_since = at
            elif user.state == "offline":
                user.online_since = None
        self._count(user, 1)
        self._find(
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
        self._ordinal += 1
        if is_event:
            self._active(user_id, user, device, at)
        if piece is not None and piece.state == "foreground":
            self._active_at(user_id, user, piece.ended, piece.told)
        if after[0] != "offline":
            self._stays.begins(user_id, device, at, before[0] == "offline")
        self._enqueue(user_id, device)

    def _active(self, user_id: str, user: User, device: Device, at: int) -> None:
        if device.state == "foreground":
            self._active_at(user_id, user, at, device.told(user.name))

    def _active_at(self, user_id: str, user: User, at: int, told: Told) -> None:
        day = self._stays.day(at, self.policy.reporting_time_zone)
        if user.active_day is None or day > user.active_day:
            is_new = user.active_day is None
            user.first_day = day if is_new else user.first_day
            user.active_day = day
            self._find("user_days", (day, user_id, is_new, *told[1:]))

    def _count(self, user: User, by: int) -> None:
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

    def _place(self) -> Place:
        return (self._offset, self._index, self._ordinal)

    def _find(self, table: str, row: Any) -> None:
        self.findings.append(Finding(table, row))


_EVENTS: Final = frozenset((Heartbeat, Connect, Logout, Renew, Disconnect, OptOut, OptIn, Erase))


def name_of_any(event: Heartbeat | Renew) -> bool:
    """Does it name a device at all?"""
    return not (event.device_id is event.claimed_device is event.device_info is None)


def _shown_by(user: User) -> tuple[str, str | None]:
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


def _forget_connection(device: Device, connection: str) -> None:
    device.connections = [one for one in device.connections if one[0] != connection]


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
