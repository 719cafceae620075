"""One partition of the log applied to the users in it. PURE: records in, changes out.

Before the events of a record come the things that happened because time passed (``timed_users``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from processor.core.analytics.screen_names import ScreenNames
from processor.core.analytics.spans_and_sessions import Finding, follow
from processor.core.canaries import marked
from processor.core.effects import Effects, LoggedChange, Record, Reject, RejectCause
from processor.core.intervals import quiet_interval
from processor.core.log.clock_steps import ClockStep
from processor.core.model import Changed, Policy, User
from processor.core.outage import Grace, Silence, is_heard
from processor.core.outcome import APPLIED, FENCED, OPTED_OUT, Outcome
from processor.core.presence import apply_disconnect, apply_heartbeat, apply_renew
from processor.core.privacy import Erasure, Privacy, Removal, heard_since, is_heard_since, remove
from processor.core.sign_outs import apply_logout
from processor.core.signs_of_life import is_flat, only_heard
from processor.core.timed_users import TimedUsers
from processor.core.usual import moved_on, still_connected, still_there
from schemas.log.events import (
    BadEvent,
    ClientEvent,
    Heartbeat,
    Logout,
    OptIn,
    OptOut,
    PrivacyEvent,
    Renew,
    Tick,
    partition_of,
)
from schemas.untrusted.safe_errors import told_with_place


class Partition(TimedUsers):
    """The users of a partition, and what its records do to them.

    Before :meth:`apply`, users who are in the records and not in ``users`` must be put there with
    :meth:`remember` if PostgreSQL knows them.
    """

    def __init__(
        self,
        partition: int,
        partitions: int,
        policy: Policy,
        *,
        next_offset: int,
        log_time_ms: int | None = None,
        after_loss: bool = False,
        steps: Iterable[ClockStep] = (),
        graces: Iterable[Grace] = (),
        silence: Silence | None = None,
        screen_names: ScreenNames | None = None,
        privacy: Privacy | None = None,
    ) -> None:
        super().__init__(
            policy,
            log_time_ms=log_time_ms,
            after_loss=after_loss,
            steps=steps,
            graces=graces,
            silence=silence,
            screen_names=screen_names,
            privacy=privacy,
        )
        self.partition = partition
        self.partitions = partitions
        self.next_offset = next_offset
        self._expires_ms = 0

    def apply(self, record: Record, effects: Effects) -> None:
        """Let the time of ``record`` come, then its events."""
        heard = is_heard(record.events)
        self._let_time_pass(record, effects, heard=heard)
        now_ms = self._now_ms
        # One number for all of the record, in time and in memory.
        self._expires_ms = now_ms + self.policy.offline_after_ms
        for index, event in enumerate(record.events):
            if isinstance(event, Tick):
                continue
            if isinstance(event, BadEvent):
                effects.rejects.append(
                    Reject(record.offset, index, event.error, event.raw, "bad_event")
                )
                continue
            cause: RejectCause = "refused"
            error = record.refused.get(index)
            if error is None:
                cause, error = "wrong_partition", self._problem(event)
            if error is None:
                cause = "fault"
                if isinstance(event, PrivacyEvent):
                    self._apply_privacy(record.offset, index, event, now_ms, effects)
                else:
                    error = self._apply_event(record.offset, index, event, now_ms, effects)
            if error is not None:
                raw = repr(event).encode()
                effects.rejects.append(Reject(record.offset, index, error, raw, cause))
        if heard:
            self.silence = Silence(now_ms, self.tally.foreground_devices)
        self.next_offset = record.offset + 1

    def skip(
        self, offset: int, error: str, raw: bytes, timestamp_ms: int, effects: Effects
    ) -> None:
        """An undecodable record: rejected whole, but its time has come all the same."""
        self._let_time_pass(Record(offset, timestamp_ms, ()), effects, heard=False)
        effects.rejects.append(Reject(offset, None, error, raw, "undecodable"))
        self.next_offset = offset + 1

    def is_home_of(self, user_id: str) -> bool:
        """Whether it is this partition that their events are written to."""
        return partition_of(user_id, self.partitions) == self.partition

    def _problem(self, event: ClientEvent | PrivacyEvent) -> str | None:
        if not self.is_home_of(event.user):
            return "the user belongs to another partition"
        return None

    def _apply_event(
        self, offset: int, index: int, event: ClientEvent, now_ms: int, effects: Effects
    ) -> str | None:
        before = self.users.get(event.user)
        timer_ms = self.policy.background_timer_ms
        if before is not None and type(event) is Heartbeat:
            beaten = still_there(before, event, now_ms, self._expires_ms, timer_ms)
            if beaten is not None:
                self._settle_usual(offset, index, event, before, beaten, effects)
                return None
            navigated = moved_on(before, event, now_ms, self._expires_ms, timer_ms)
            if navigated is not None:
                self._settle_moved(offset, index, before, *navigated, effects)
                return None
        elif before is not None and type(event) is Renew:
            renewed = still_connected(before, event, now_ms, self._expires_ms)
            if renewed is not None:
                self._settle_usual(offset, index, event, before, renewed, effects)
                return None
        if before is None and (kept_out := self._privacy.kept_out(event.user, now_ms)):
            why, user_hash = kept_out
            effects.verdicts[OPTED_OUT if why == "opted_out" else FENCED] += 1
            if why == "opted_out":
                effects.stragglers.add(user_hash)
            return None
        try:
            if isinstance(event, Heartbeat):
                outcome = apply_heartbeat(before, event, now_ms, self.policy)
            elif isinstance(event, Renew):
                outcome = apply_renew(before, event, now_ms, self.policy)
            elif isinstance(event, Logout):
                outcome = apply_logout(before, event, now_ms, self.policy)
            else:
                kept_ms = max((grace.until_ms for grace in self.graces), default=0)
                outcome = apply_disconnect(before, event, now_ms, self.policy, kept_ms)
            user, findings = follow(before, outcome.user, outcome.changes, now_ms)
            user = marked(before, user, event)
        except Exception as error:  # noqa: BLE001  (the bad event is rejected alone)
            return told_with_place(error)
        effects.verdicts[outcome.verdict] += 1
        if outcome.verdict == APPLIED:
            if user.canary:
                self._settle(offset, before, user, outcome, effects)
                return None
            if index == 0 and not outcome.changes:
                # One event of a record is sample enough, and costs the others nothing.
                interval = quiet_interval(before, event, now_ms)
                if interval is not None:
                    effects.intervals.append(interval)
            user = self._analytics.heard_of(user, findings, index)
            self._settle(offset, before, user, outcome, effects)
            effects.changes.extend(
                LoggedChange(offset, index, ordinal, changed)
                for ordinal, changed in enumerate(outcome.changes)
            )
        return None

    def _apply_privacy(
        self, offset: int, index: int, event: PrivacyEvent, now_ms: int, effects: Effects
    ) -> None:
        """An error of ours here ends the process: nobody's erasure is passed over."""
        fence_ms = self.policy.logout_fence_ms
        user_hash, flag = self._privacy.apply(event, offset, now_ms, fence_ms)
        effects.flags[user_hash] = flag.after(effects.flags.get(user_hash))
        effects.verdicts[APPLIED] += 1
        if isinstance(event, OptIn):
            return
        before = self.users.get(event.user)
        before_ms = None if isinstance(event, OptOut) else event.before_ms
        if before is None or not is_heard_since(before, before_ms):
            before_ms = None
        reason: Removal = "opted_out" if isinstance(event, OptOut) else "erased"
        effects.erasures.append(
            Erasure(event.user, user_hash, event.request, reason, offset, now_ms, before_ms)
        )
        effects.forget(event.user, before_ms)
        if before is None:
            return
        if before_ms is not None:
            user, ended = heard_since(before, before_ms, now_ms)
            user, findings = follow(before, user, ended, now_ms)
            if not user.canary:
                self._analytics.left(event.user, findings)
            self._settle(offset, before, user, Outcome(user, ended), effects)
            # Their sign of life is erased: it may be of what is older.
            effects.touched[event.user] = offset
            return
        removed = remove(before, event, now_ms)
        _, findings = follow(before, removed.user, removed.ended, now_ms)
        self.tally.count(before, -1)
        del self.users[event.user]
        if before.canary:
            return
        self._analytics.left(event.user, findings)
        effects.last_changes.append(LoggedChange(offset, index, 0, removed.last))

    def _settle_usual(
        self,
        offset: int,
        index: int,
        event: Heartbeat | Renew,
        before: User,
        user: User,
        effects: Effects,
    ) -> None:
        """As what follows an outcome without changes or findings."""
        effects.verdicts[APPLIED] += 1
        now_ms = user.devices[0].last_active_ms
        active = user
        if not user.canary:
            if index == 0 and (interval := quiet_interval(before, event, now_ms)) is not None:
                effects.intervals.append(interval)
            active = self._analytics.heard_of(user, (), index)
        self.users[user.user_id] = active
        if active is user and is_flat(user):
            effects.hear(user.user_id, offset)
        else:
            effects.touched[user.user_id] = offset
        self._deadlines.watch_at(user.user_id, user.devices[0].expires_ms)

    def _settle_moved(
        self,
        offset: int,
        index: int,
        before: User,
        user: User,
        changed: Changed,
        findings: Sequence[tuple[int, Finding]],
        effects: Effects,
    ) -> None:
        """As what follows an outcome with this change alone."""
        effects.verdicts[APPLIED] += 1
        if not user.canary:
            self.tally.moved(before.screen, user.screen)
            user = self._analytics.heard_of(user, findings, index)
            effects.changes.append(LoggedChange(offset, index, 0, changed))
        self.users[user.user_id] = user
        effects.touched[user.user_id] = offset
        self._deadlines.watch_at(user.user_id, user.devices[0].expires_ms)

    def _settle(
        self, offset: int, before: User | None, user: User, outcome: Outcome, effects: Effects
    ) -> None:
        self.users[user.user_id] = user
        if before is not None and not outcome.changes and only_heard(before, user):
            effects.hear(user.user_id, offset)
        else:
            effects.touched[user.user_id] = offset
        if outcome.changes:
            if before is not None:
                self.tally.count(before, -1)
            self.tally.count(user, 1)
            effects.forgotten += outcome.forgotten
            if outcome.told_apart_by is not None:
                effects.told_apart[outcome.told_apart_by] += 1
        self._deadlines.watch(user)
