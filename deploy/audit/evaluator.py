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

from collections.abc import Collection, Sequence
from typing import Final

from deploy.audit.heartbeats import beat, renew
from deploy.audit.log_time import pass_time, step_back
from deploy.audit.logouts import log_out
from deploy.audit.naming import is_evidence
from deploy.audit.presence import Presence
from deploy.audit.privacy import apply_privacy
from deploy.audit.sockets import disconnect
from deploy.audit.states import Finding, PartitionState, Policy, User
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

_EVENTS: Final = frozenset((Heartbeat, Connect, Logout, Renew, Disconnect, OptOut, OptIn, Erase))


class Evaluator:
    """Feed it the records of one partition in order."""

    def __init__(self, state: PartitionState, policy: Policy) -> None:
        self.state = state
        self.findings: list[Finding] = []
        self.rejected: list[tuple[int, int | None]] = []
        self.presence = Presence(state, policy, self.findings)

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
        state, presence = self.state, self.presence
        gap_ms = presence.policy.outage_gap_ms
        presence.offset, presence.index, presence.ordinal = offset, -1, 0
        heard = any(
            isinstance(event, Heartbeat | Logout | Renew) and not event.canary
            for event in events or ()
        )
        if state.began and state.now - timestamp > gap_ms:
            step_back(presence, timestamp)
        jump = state.began and (lost > 0 or timestamp - state.now > gap_ms)
        pass_time(presence, timestamp, heard, jump, "lost_range" if lost else "jump")
        if events is None:
            self.rejected.append((offset, None))
        for index, event in enumerate(events or ()):
            presence.index, presence.ordinal = index, 0
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
            apply_privacy(self.presence, event)
            return
        presence, state = self.presence, self.state
        user_id = event.user  # type: ignore[union-attr]
        user = state.users.get(user_id)
        if user is not None and not state.full:
            self._meet(user, event)  # type: ignore[arg-type]
        if user is None:
            fenced = state.now < state.erasure_fences.get(user_id, 0)
            if fenced or user_id in state.opted_out:
                return
            if isinstance(event, Heartbeat):
                user = User()
                if not state.full:
                    self._meet(user, event)
                beat(presence, user_id, user, event)
            elif isinstance(event, Logout):
                log_out(presence, user_id, User(changed=state.now), event)
        elif isinstance(event, Heartbeat):
            beat(presence, user_id, user, event)
        elif isinstance(event, Renew):
            renew(presence, user_id, user, event)
        elif isinstance(event, Disconnect):
            disconnect(presence, user_id, user, event)
        elif isinstance(event, Logout):
            log_out(presence, user_id, user, event)

    def _is_surely_offline(self, user: User) -> bool:
        """Whatever the log said before it begins: nobody is online who was silent for so long."""
        policy = self.presence.policy
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
            user.known_from = self.presence.offset if begins else -1
            user.known_by = (event.token, named, info)
        elif user.known_by != (event.token, named, info):
            user.known_from = -1
        user.heard = self.state.now
