"""One partition: its records through the evaluator, what that finds against the rows. PURE but for
the rows, which come from files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from deploy.audit.columns import FLAGS
from deploy.audit.differences import Difference, Differences
from deploy.audit.evaluator import Evaluator
from deploy.audit.samples import (
    capped,
    compare_live_screens,
    compare_outages,
    compare_samples,
    compare_screen_samples,
    compare_steps,
)
from deploy.audit.snapshot import Snapshot
from deploy.audit.states import PartitionState, Policy
from deploy.audit.sums import Sums, compare_minutes, compare_transitions
from deploy.audit.users import compare_days, compare_presence
from deploy.audit.written_once import COLUMNS, WrittenOnce
from schemas.log.events import UndecodableRecordError, decode_batch

DAY_MS: Final = 86_400_000
_EMPTY: Final = Policy(0, 0, 0)


class PartitionAudit:
    """Feed it the records from ``state.next_offset`` to that of the snapshot; then :meth:`finish`.

    ``hash_of`` is the keyed hash of users, where there is a key.
    """

    def __init__(
        self,
        state: PartitionState,
        snapshot: Snapshot,
        differences: Differences,
        hash_of: Callable[[str], bytes] | None = None,
    ) -> None:
        self.state = state
        self.checked = 0
        self._snapshot = snapshot
        self._differences = differences
        self._hash_of = hash_of
        self._policies = snapshot.policies.get(state.partition, [])
        self._lost = snapshot.lost.get(state.partition, {})
        self._evaluator = Evaluator(state, self._policy_at(state.next_offset))
        self._sums = Sums(state)
        self._began_at, self._began_at_offset = state.now, state.next_offset
        self._days: dict[tuple[int, str], tuple[Any, ...]] = {}
        self._samples: dict[int, tuple[int, int]] = {}
        self._screen_samples: dict[int, dict[str, int]] = {}
        self._outages: dict[tuple[str, int], int | None] = {}
        self._steps: dict[int, tuple[int, int]] = {}
        self._erasures: dict[str, tuple[str, int, int]] = {}
        #: Who opted out, when and by which record that was said last, and until when it erased.
        self._flags: dict[str, tuple[bool, int, int, int | None]] = {}
        #: Users who left: who, at which offset, only what is older.
        self.left: list[tuple[str, int, int | None]] = []
        self._tables = {
            table: WrittenOnce(
                table,
                state.partition,
                snapshot.rows(table, state.partition),
                self._is_known,
                snapshot.kept_from.get(table, 0),
                differences,
                full=state.full,
            )
            for table in COLUMNS
        }

    def _policy_at(self, offset: int) -> Policy:
        in_force = [policy for start, policy in self._policies if start <= offset]
        return in_force[-1] if in_force else self._policies[0][1] if self._policies else _EMPTY

    def _is_known(self, user_id: str, offset: int | None = None) -> bool:
        if self.state.full:
            return True
        user = self.state.users.get(user_id)
        if user is None or user.known_from < 0:
            return False
        return offset is None or offset >= user.known_from

    def record(self, offset: int, timestamp: int, value: bytes | None) -> None:
        """Raises ``NewerSchemaError``."""
        try:
            events: list[Any] | None = decode_batch(value)
        except UndecodableRecordError:
            events = None
        evaluator = self._evaluator
        evaluator.presence.policy = self._policy_at(offset)
        evaluator.record(offset, timestamp, events, lost=self._lost.get(offset, 0))
        evaluator.rejected.clear()
        for table, row in evaluator.findings:
            self._take(table, row, offset)
        evaluator.findings.clear()
        for each in self._tables.values():
            each.record_ends()

    def _take(self, table: str, row: Any, offset: int) -> None:
        sums = self._sums
        if table in self._tables:
            self._tables[table].find(row)
        elif table == "views":
            sums.view(*row)
        elif table == "visits":
            sums.visit(*row)
        elif table == "exits":
            sums.exit(*row)
        elif table == "user_days":
            self._days[row[:2]] = row[2:]
        elif table == "concurrency_samples":
            self._samples[row[0]] = row[1:]
        elif table == "screen_samples":
            self._screen_samples[row[0]] = capped(row[1], row[2])
        elif table == "outages":
            self._outages[row[:2]] = row[2]
        elif table == "clock_steps":
            self._steps[row[0]] = row[1:]
        elif table == "privacy_flags":
            user, opted_out, at, erased = row
            before = self._flags.get(user)
            erased = max((t for t in (erased, before and before[3]) if t is not None), default=None)
            self._flags[user] = (opted_out, at, offset, erased)
        elif table == "left":
            user, before, request, kind = row
            self._leave(user, before, request, kind, offset)

    def _leave(self, user: str, before: int | None, request: str, kind: str, offset: int) -> None:
        for each in self._tables.values():
            each.left(user, before)
        gone = [
            (day, name)
            for day, name in self._days
            if name == user and (before is None or day < before // DAY_MS)
        ]
        for key in gone:
            del self._days[key]
        self.left.append((user, offset, before))
        self._erasures.setdefault(request, (kind, offset, self.state.now))

    def finish(self) -> None:
        """The snapshot's offset is reached: compare what is a row a user, a minute, an instant."""
        state, snapshot, differences = self.state, self._snapshot, self._differences
        for each in self._tables.values():
            each.log_ends()
            self.checked += each.checked
        partition, kept = state.partition, snapshot.kept_from

        def rows(table: str) -> Iterable[tuple[Any, ...]]:
            return snapshot.rows(table, partition)

        users_kept = [kept.get(table, 0) for table in ("changes", "spans", "sessions", "user_days")]
        self.checked += compare_presence(state, rows("presence"), min(users_kept), differences)
        self.checked += compare_days(
            state,
            self._days,
            rows("user_days"),
            self._began_at // DAY_MS + 1,
            kept.get("user_days", 0) // DAY_MS,
            self._is_known,
            differences,
        )
        stepped = bool(self._steps)
        self.checked += compare_outages(
            state, self._outages, rows("outages"), self._began_at, differences, stepped=stepped
        )
        self.checked += compare_steps(
            state, self._steps, rows("clock_steps"), self._began_at_offset, differences
        )
        self.checked += self._compare_privacy(rows("erasures"), rows("privacy_flags"))
        if state.full:
            self._compare_sums()
        self._sums.forget_old()

    def _compare_sums(self) -> None:
        """Counts, samples and windows, where the log tells of everybody."""
        state, differences, kept = self.state, self._differences, self._snapshot.kept_from
        partition = state.partition

        def rows(table: str) -> Iterable[tuple[Any, ...]]:
            return self._snapshot.rows(table, partition)

        samples = kept.get("concurrency_samples", 0)
        self.checked += compare_samples(
            state, self._samples, rows("concurrency_samples"), samples, differences
        )
        samples = max(samples, kept.get("screen_samples", 0))
        self.checked += compare_screen_samples(
            state, self._screen_samples, rows("screen_samples"), samples, differences
        )
        windows = state.sums_from
        self.checked += compare_minutes(
            state,
            rows("screen_minutes"),
            max(windows, kept.get("screen_minutes", 0)),
            differences,
        )
        self.checked += compare_transitions(
            state,
            rows("screen_transitions"),
            max(windows, kept.get("screen_transitions", 0)),
            differences,
        )
        stored = self._snapshot.partitions[partition]
        if stored.has_live_screens:
            self.checked += compare_live_screens(state, rows("live_screens"), differences)
        log = {
            "foreground": state.foreground,
            "background": state.background,
            "log_time": state.now,
        }
        has = {name: getattr(stored, name) for name in log}
        self.checked += 1
        unlike = [name for name in log if log[name] != has[name]]
        if unlike:
            differences.add(
                Difference(
                    table="stream_offsets",
                    partition=partition,
                    row="counts",
                    offset=state.next_offset,
                    log={name: log[name] for name in unlike},
                    stored={name: has[name] for name in unlike},
                )
            )

    def _compare_privacy(
        self, erasures: Iterable[tuple[Any, ...]], flags: Iterable[tuple[Any, ...]]
    ) -> int:
        columns = ("kind", "log_offset", "erased_at")
        wanted = dict(self._erasures)
        checked = 0
        for request, *stored in erasures:
            log = wanted.pop(request, None)
            if log is None:
                # One of before this run, or asked for again since.
                if stored[1] >= self._began_at_offset and request not in self._erasures:
                    self._differ("erasures", request, None, dict(zip(columns, stored, strict=True)))
                continue
            checked += 1
            if tuple(stored) != log and log[1] >= self._began_at_offset == 0:
                told = dict(zip(columns, log, strict=True))
                self._differ("erasures", request, told, dict(zip(columns, stored, strict=True)))
        kept = self._snapshot.kept_from.get("erasures", 0)
        for request, log in wanted.items():
            if log[2] < kept:
                continue
            self._differ("erasures", request, dict(zip(columns, log, strict=True)), None)
        if self._hash_of is None:
            return checked
        by_hash = {user_hash: row for user_hash, *row in flags}
        for user, flag in self._flags.items():
            has = by_hash.get(self._hash_of(user))
            checked += 1
            said = dict(zip(FLAGS, flag, strict=True))
            if has is None:
                self._differ("privacy_flags", f"user {user}", said, None)
                continue
            found = dict(zip(FLAGS, has, strict=True))
            if self._began_at_offset or not self.state.full:
                # What was erased before this run may reach further.
                said["erased_until"] = max(
                    (t for t in (flag[3], found["erased_until"]) if t is not None), default=None
                )
            unlike = [name for name in FLAGS if said[name] != found[name]]
            if unlike:
                self._differ(
                    "privacy_flags",
                    f"user {user}",
                    {name: said[name] for name in unlike},
                    {name: found[name] for name in unlike},
                )
        return checked

    def _differ(
        self, table: str, row: str, log: dict[str, Any] | None, stored: dict[str, Any] | None
    ) -> None:
        self._differences.add(
            Difference(table=table, partition=self.state.partition, row=row, log=log, stored=stored)
        )
