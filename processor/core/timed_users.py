"""The users of a partition, and what time does to them. PURE.

Log time is the broker's time of the records as a running maximum; it steps back where the records
tell that the broker's clock was wrong (``clock_steps``). What happens because time passed comes in
one order, so that the same log gives the same rows however batches were cut (promise 4):

1. a step back;
2. an outage that begins;
3. expiries, in order of deadline, user and device, and between them the samples of concurrency;
4. the grace after an outage that the record ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count

from processor.core.analytics.concurrency import Sample, instants, sample
from processor.core.analytics.partition_analytics import Analytics
from processor.core.analytics.screen_names import MINUTE_MS, ScreenNames
from processor.core.analytics.spans_and_sessions import follow
from processor.core.deadlines import Deadlines
from processor.core.effects import TIME_PASSED, Effects, LoggedChange, Record
from processor.core.log.clock_steps import (
    MAX_STEPS,
    ClockStep,
    as_of_now,
    graces_moved_back,
    moved_back,
    outages_cut,
    silence_moved_back,
    steps_back,
)
from processor.core.model import Policy, User
from processor.core.outage import Grace, Silence, granted_until_ms, passage
from processor.core.presence import expire
from processor.core.privacy import Privacy
from processor.core.sockets import kept_online
from processor.core.tally import Tally


class TimedUsers:
    """Those whom memory holds: all who are online, and those of the batch."""

    def __init__(
        self,
        policy: Policy,
        *,
        log_time_ms: int | None,
        after_loss: bool,
        steps: Iterable[ClockStep],
        graces: Iterable[Grace],
        silence: Silence | None,
        screen_names: ScreenNames | None,
        privacy: Privacy | None,
    ) -> None:
        self.policy = policy
        self.log_time_ms = log_time_ms
        #: Records before the next one were accepted as lost.
        self.after_loss = after_loss
        self.steps = list(steps)
        self.graces = list(graces)
        #: ``None`` until the first client event.
        self.silence = silence
        self.users: dict[str, User] = {}
        self.tally = Tally(policy.max_screens)
        self._privacy = privacy or Privacy()
        self.screen_names = screen_names or ScreenNames()
        self._analytics = Analytics(policy, self.screen_names)
        self._deadlines = Deadlines()

    def load_online(self, users: Iterable[tuple[User, int]]) -> None:
        """Some of those online as of ``next_offset``, as stored, each with the offset of the last
        record that changed the row; ``tally.live`` is restored once all are here."""
        for stored, log_offset in users:
            user = as_of_now(stored, log_offset, self.steps)
            until_ms = granted_until_ms(log_offset, self.graces)
            if until_ms is not None:
                user = kept_online(user, until_ms)
            self.users[user.user_id] = user
            self.tally.count(user, 1)
            self._deadlines.watch(user)

    def remember(self, user: User, log_offset: int) -> None:
        """A stored user who is offline and named in the next batch; as :meth:`load_online`."""
        self.users[user.user_id] = as_of_now(user, log_offset, self.steps)

    @property
    def high_ms(self) -> int | None:
        """Log time was there before it stepped back, and is not there again; else ``None``."""
        high_ms = max((step.from_ms for step in self.steps), default=None)
        return high_ms if high_ms is not None and self._now_ms < high_ms else None

    def forget_offline(self, user_ids: Iterable[str]) -> None:
        """Memory holds nobody who is offline once PostgreSQL does."""
        for user_id in user_ids:
            user = self.users.get(user_id)
            if user is not None and not user.online:
                del self.users[user_id]

    def put_off(self, user_id: str, now_ms: int) -> None:
        """The database refuses what time brings to this user: try again ``offline_after`` later."""
        user = self.users.get(user_id)
        if user is not None and user.online:
            now_ms = max(now_ms, self.log_time_ms or now_ms)
            self.users[user_id] = kept_online(user, now_ms + self.policy.offline_after_ms)

    @property
    def _now_ms(self) -> int:
        """Log time, once there was a record."""
        assert self.log_time_ms is not None  # noqa: S101  (a record has a time)
        return self.log_time_ms

    def _let_time_pass(self, record: Record, effects: Effects, *, heard: bool) -> None:
        if steps_back(self.log_time_ms, record.timestamp_ms, self.policy.outage_gap_ms):
            self._step_back(record, effects)
        before_ms = self.log_time_ms
        now_ms = self.log_time_ms = max(before_ms or 0, record.timestamp_ms)
        self._analytics.begin(record.offset, now_ms, self.high_ms, effects)
        passed = passage(
            self.silence, before_ms, now_ms, self.policy, heard=heard, after_loss=self.after_loss
        )
        self.after_loss = False
        self.silence = passed.silence
        for outage in passed.outages:
            effects.outages[outage.kind, outage.started_ms] = outage
        expiries = count()
        for at_ms in instants(before_ms, now_ms):
            if not passed.is_known(at_ms):
                break
            self._expire(record.offset, at_ms, expiries, effects, passed.held_ms)
            effects.samples.append(self._sample(at_ms))
            self._analytics.sampled(at_ms)
        self._expire(record.offset, now_ms, expiries, effects, passed.held_ms)
        if passed.over:
            self._grant(Grace(record.offset, now_ms + self.policy.reconnect_grace_ms))
        if self.silence is not None and self.silence.outage_ms is not None and not heard:
            # Nobody goes offline: deadlines that have passed are still those of online devices.
            return
        if passed.jumped and self.silence is not None:
            self.silence = Silence(now_ms, self.tally.foreground_devices)
        self.graces = [g for g in self.graces if g.until_ms > now_ms]

    def _sample(self, at_ms: int) -> Sample:
        tally, most = self.tally, self.policy.max_screens
        taken = sample(at_ms, tally.foreground, tally.background, tally.by_screen, most)
        if not at_ms % MINUTE_MS:
            tally.live.choose(screen for screen, _ in taken.screens)
        return taken

    def _step_back(self, record: Record, effects: Effects) -> None:
        """The clock was wrong: log time is that of ``record``."""
        step = ClockStep(record.offset, self._now_ms, record.timestamp_ms)
        for outage in outages_cut(self.silence, step):
            effects.outages[outage.kind, outage.started_ms] = outage
        self.log_time_ms = step.to_ms
        self.steps = [*self.steps, step][-MAX_STEPS:]
        self.graces = graces_moved_back(self.graces, step)
        self.silence = silence_moved_back(self.silence, step)
        self._privacy.step_back(step)
        effects.step_back(step, self.users)
        self._deadlines.move_back(step.back_ms)
        for user_id, user in self.users.items():
            self.users[user_id] = moved_back(user, step)
            if user.online:
                effects.touched[user_id] = step.offset
        self._analytics.step_back(step.to_ms, effects)

    def _grant(self, grace: Grace) -> None:
        """Everyone who is online stays so at least as long as the grace says."""
        # One that ended earlier and gives less says nothing any more.
        self.graces = [*(g for g in self.graces if g.until_ms > grace.until_ms), grace]
        for user_id, user in self.users.items():
            if user.online:
                self.users[user_id] = kept_online(user, grace.until_ms)

    def _expire(
        self,
        offset: int,
        now_ms: int,
        ordinals: Iterator[int],
        effects: Effects,
        held_ms: int,
    ) -> None:
        """Whose deadline has come goes offline, but nobody before ``held_ms``."""
        if held_ms > now_ms:
            return
        due: list[tuple[int, str, str]] = []
        looked_at: list[str] = []
        for user_id in self._deadlines.reached(now_ms):
            user = self.users.get(user_id)
            if user is None:
                continue
            looked_at.append(user_id)
            due.extend(
                (max(d.expires_ms, held_ms), user_id, d.device)
                for d in user.devices
                if d.online and d.expires_ms <= now_ms
            )
        due.sort()
        for deadline_ms, user_id, key in due:
            ordinal = next(ordinals)
            before = self.users[user_id]
            device = next(d for d in before.devices if d.device == key)
            user, changed = expire(before, device, deadline_ms)
            user, findings = follow(before, user, (changed,), self._now_ms)
            if user.canary:
                effects.canaries_expired.append(user_id)
            else:
                user = self._analytics.expired(user, findings, ordinal)
                effects.changes.append(LoggedChange(offset, TIME_PASSED, ordinal, changed))
            self.tally.count(before, -1)
            self.tally.count(user, 1)
            self.users[user_id] = user
            effects.touched[user_id] = offset
        for user_id in looked_at:
            self._deadlines.watch(self.users[user_id])
