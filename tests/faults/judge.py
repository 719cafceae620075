"""What must hold at the end of a round: the audit, the recount, and nobody falsely offline."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults.fleet import Fleet
from tests.faults.names import OFFLINE_AFTER_SECONDS
from tests.faults.recount import Recount
from tests.faults.stack import Stack
from tests.faults.truth import Id, falsely_offline
from tests.rigs.rig import wait_for

_SHOWN: Final = 10


@dataclass
class Loss:
    """What the fault itself takes. ``events`` were acknowledged and are gone from the log;
    ``between``: so may be what was acknowledged from and until then. ``clock``: the times of
    changes are not those of this machine. ``presence``: effects are gone with the events."""

    events: set[Id] = field(default_factory=set)
    between: tuple[float, float] | None = None
    clock: bool = False
    presence: bool = False

    def may_lack(self, event: Id, acknowledged_at: float) -> bool:
        if event in self.events:
            return True
        return self.between is not None and self.between[0] <= acknowledged_at <= self.between[1]


@dataclass
class Verdict:
    """Of one round."""

    differences: int = 0
    acknowledged: int = 0
    missing: int = 0
    taken: int = 0
    repeated: int = 0
    false_offline: int = 0
    #: Partitions of which the audit did not know all: counts and sums were not compared.
    in_part: list[int] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not (self.differences or self.missing or self.repeated or self.false_offline)


class Judge:
    """Goes on where its last verdict ended."""

    def __init__(self, stack: Stack, fleet: Fleet, recount: Recount) -> None:
        self._stack, self._fleet, self._recount = stack, fleet, recount
        self._taken: set[Id] = set()
        self._judged: dict[str, dict[int, int]] = {}

    def verdict(self, loss: Loss, over_at: float) -> Verdict:
        """Of all that was acknowledged so far; the fault was over at ``over_at``."""
        said: list[str] = []
        differences, in_part = self._audit(said)
        acknowledged = self._fleet.truth.acknowledged_now()
        self._recount.go_on()
        counts = self._recount.counts()
        lacking = {event for event in acknowledged if event not in counts} - self._taken
        taken = {event for event in lacking if loss.may_lack(event, acknowledged[event])}
        self._taken |= taken
        missing = lacking - taken
        said += [f"missing: {event}" for event in sorted(missing)[:_SHOWN]]
        with self._fleet.truth.lock:
            repeated = [e for e, n in counts.items() if n > self._fleet.truth.attempts[e]]
        said += [f"more often in the log than sent: {event}" for event in repeated[:_SHOWN]]
        false_offline = self._false_changes(loss) + self._absent(over_at)
        said += false_offline[:_SHOWN]
        return Verdict(
            differences,
            len(acknowledged),
            len(missing),
            len(taken),
            len(repeated),
            len(false_offline),
            in_part,
            said,
        )

    def sees(self) -> list[str]:
        """What it does not notice of three things that are wrong on purpose: the last look of a
        run, because they stay."""
        newest = 'SELECT coalesce(max(log_offset), 0) FROM changes WHERE "partition" = 0'
        [(before,)] = self._stack.rows(newest)
        wait_for("something changes", lambda: self._stack.rows(newest)[0][0] > before)
        self._stack.rows(
            "UPDATE changes SET screen = 'altered by hand' WHERE (tableoid, ctid) IN (SELECT"
            ' tableoid, ctid FROM changes WHERE "partition" = 0 ORDER BY log_offset DESC LIMIT 1)'
            " RETURNING 1"
        )
        truth, now = self._fleet.truth, time.time()
        truth.acknowledge(("nobody", "1.0", "Home"), now)
        truth.begin("nobody", "phone", now - 60).beat_at = self._stack.as_of() - 0.1
        verdict = self.verdict(Loss(), now - 60)
        found = {
            "a row altered by hand": verdict.differences,
            "an acknowledged event that is not in the log": verdict.missing,
            "a user who is there and not shown": verdict.false_offline,
        }
        return [what for what, count in found.items() if not count]

    def _audit(self, said: list[str]) -> tuple[int, list[int]]:
        state = str(self._stack.directory / "audit")
        done = self._stack.command("audit", "--json", "--state", state)
        try:
            result: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            said.append(f"the audit ended with {done.returncode}: {done.stderr.strip()[-500:]}")
            return 1, []
        said += [json.dumps(one) for one in result["differences"][:_SHOWN]]
        said += [f"the audit notes: {note}" for note in result["notes"]]
        if result["difference_count"]:
            # So that the next round is judged by itself.
            self._stack.command("audit", "--accept", "--state", state)
        return int(result["difference_count"]), result["in_part"]

    def _false_changes(self, loss: Loss) -> list[str]:
        """Changes since the last look that showed a phone offline that was there."""
        judged = self._judged.setdefault(self._stack.database_url, {})
        found = []
        rows = self._stack.rows(
            'SELECT "partition", log_offset, user_id, device, extract(epoch FROM at)::float8,'
            " reason::text FROM changes WHERE state = 'offline'"
            " AND reason IN ('timed_out', 'disconnected')"
            ' ORDER BY "partition", log_offset'
        )
        last = dict(judged)
        for partition, offset, user, device, at, reason in rows:
            if offset <= judged.get(partition, -1):
                continue
            last[partition] = offset
            if loss.clock or loss.presence:
                continue
            why = falsely_offline(
                self._fleet.truth.spells_of(user),
                device,
                at,
                OFFLINE_AFTER_SECONDS,
                by_silence=reason == "timed_out",
            )
            if why is not None:
                tries = "; ".join(self._fleet.truth.tries_of(device))
                found.append(f"offline at {at:.1f} ({reason}): {user} {device}, {why}: {tries}")
        judged.update(last)
        return found

    def _absent(self, since: float) -> list[str]:
        """Users who are there, were heard of since the fault was over, and are not shown."""
        as_of = self._stack.as_of()
        rows = self._stack.rows("SELECT user_id FROM presence WHERE state <> 'offline'")
        online = {user for (user,) in rows}
        return [
            f"not online: {user}, in use since {spell.began_at:.1f}"
            for user in self._fleet.truth.users()
            if user not in online
            for spell in self._fleet.truth.spells_of(user)
            # Its first answer came before what is stored ended.
            if spell.ended_at is None and spell.began_at < as_of and since < spell.beat_at < as_of
        ]
