"""One run of the audit: a snapshot, then each partition from where its state file ends.

Memory holds the users of one partition at a time, and the sums of the last hours; rows wait in a
temporary folder. A run that found differences leaves the state files as they were, so that the next
one finds them again, until somebody accepts them.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from deploy.audit.differences import EVERYWHERE, Difference, Differences
from deploy.audit.log import LogReader, Share
from deploy.audit.partition_audit import DAY_MS, PartitionAudit
from deploy.audit.rollups.run import RollupAudit
from deploy.audit.snapshot import (
    From,
    Snapshot,
    Stored,
    note_result,
    still_stored,
    take_snapshot,
)
from deploy.audit.states import PartitionState
from schemas.log.settings import KafkaSettings

#: A release whose state means something else begins anew.
STATE_VERSION: Final = 2


class StateFile(msgspec.Struct):
    """What a run leaves of a partition."""

    version: int
    topic_id: str
    partition: PartitionState


class Result(msgspec.Struct, kw_only=True):
    """What a run came to. ``as_of_ms`` is log time up to which every partition was compared;
    ``absent`` without a record."""

    as_of_ms: int | None
    users: int
    users_in_full: int
    rows: int
    records: int
    difference_count: int
    differences: list[Difference]
    seconds: float
    #: Partitions whose log does not go back to its beginning: counts and sums are not compared.
    in_part: list[int]
    notes: list[str]

    @property
    def percent_in_full(self) -> float:
        return 100 * self.users_in_full / self.users if self.users else 100.0


@dataclass(slots=True)
class _Run:
    differences: Differences = field(default_factory=Differences)
    users: int = 0
    users_in_full: int = 0
    rows: int = 0
    records: int = 0
    times: list[int] = field(default_factory=list)
    in_part: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left: list[tuple[str, int, int | None]] = field(default_factory=list)
    written: list[tuple[Path, Path]] = field(default_factory=list)


async def audit_log(
    settings: KafkaSettings,
    dsn: str,
    state_dir: Path,
    cpu_percent: float,
    hash_of: Callable[[str], bytes] | None,
    *,
    accept: bool = False,
) -> Result:
    """Raises ``psycopg.Error``, ``KafkaError``, ``OSError``, ``NothingToAuditError``,
    ``LogAwayError`` and ``NewerSchemaError``."""
    began = time.monotonic()
    run, share = _Run(), Share(cpu_percent)
    with tempfile.TemporaryDirectory(prefix="rollcall-audit-", dir=state_dir) as folder:
        kept = {
            found.partition.partition: (found.topic_id, _from(found.partition))
            for path in await asyncio.to_thread(lambda: list(state_dir.glob("partition-*.msgpack")))
            if (found := _read(path)) is not None
        }

        def wanted(topic_ids: set[str], stored: Mapping[int, Stored]) -> dict[int, From]:
            """Of a state that nothing goes on from all rows are: it is begun anew."""
            return {
                number: start
                for number, (of_topic, start) in kept.items()
                if of_topic in topic_ids
                and number in stored
                and start.offset <= stored[number].next_offset
            }

        rollups = RollupAudit(state_dir)
        snapshot = await asyncio.to_thread(
            take_snapshot, dsn, wanted, Path(folder), copy_more=rollups.copy
        )
        known = {n for n, (of_topic, _) in kept.items() if of_topic in snapshot.topic_ids}
        if len(known) < len(kept):
            run.notes.append("the state is of another log: begun anew")
        async with LogReader(settings) as log:
            for number in sorted(snapshot.partitions):
                await _partition(
                    number, snapshot, log, state_dir, share, hash_of, run, is_kept=number in known
                )
        for checked in rollups.compare(run.differences):
            run.rows += checked
            await asyncio.sleep(share.rest_seconds())
        run.written += rollups.write()
    for table, user, offset in await asyncio.to_thread(still_stored, dsn, run.left):
        run.differences.add(
            Difference(
                table=table,
                partition=EVERYWHERE,
                row=f"user {user}, who has left",
                offset=offset,
                user=user,
                log=None,
                stored={"user_id": user},
            )
        )
    for temporary, final in run.written:
        if accept or not run.differences.count:
            temporary.replace(final)
        else:
            temporary.unlink()
    result = Result(
        as_of_ms=min(run.times, default=None),
        users=run.users,
        users_in_full=run.users_in_full,
        rows=run.rows,
        records=run.records,
        difference_count=run.differences.count,
        differences=run.differences.kept,
        seconds=round(time.monotonic() - began, 3),
        in_part=run.in_part,
        notes=run.notes,
    )
    await asyncio.to_thread(note_result, dsn, as_json(result))
    return result


async def _partition(
    number: int,
    snapshot: Snapshot,
    log: LogReader,
    state_dir: Path,
    share: Share,
    hash_of: Callable[[str], bytes] | None,
    run: _Run,
    *,
    is_kept: bool,
) -> None:
    found = _read(state_dir / _file_name(number)) if is_kept else None
    base = snapshot.log_base
    begins_at = base + await log.begins_at(number)
    stored = snapshot.partitions[number]
    state = found.partition if found is not None else None
    start = begins_at
    if state is not None:
        on = goes_on_at(state.next_offset, begins_at, snapshot.lost.get(number, {}))
        if on is None or on > stored.next_offset:
            run.notes.append(
                f"partition {number}: the log does not go on from the state: begun anew"
            )
            state = None
        else:
            start = on
    if state is None:
        first = snapshot.policies[number][0][0] if number in snapshot.policies else 0
        full = begins_at <= first
        state = PartitionState(number, begins_at, begins_at, full)
    audit_of = PartitionAudit(state, snapshot, run.differences, hash_of)
    async for records in log.records(number, start - base, stored.next_offset - base):
        for record in records:
            audit_of.record(base + record.offset, record.timestamp, record.value)
        run.records += len(records)
        await asyncio.sleep(share.rest_seconds())
    state.next_offset = stored.next_offset
    audit_of.finish()
    run.left += audit_of.left
    run.rows += audit_of.checked
    run.users += len(state.users)
    run.users_in_full += len(state.users) if state.full else 0
    run.times.append(state.now)
    if not state.full:
        run.in_part.append(number)
    run.written.append(_write(state_dir / _file_name(number), snapshot.topic_id, state))
    await asyncio.sleep(share.rest_seconds())


def goes_on_at(next_offset: int, begins_at: int, lost: Mapping[int, int]) -> int | None:
    """Where a run reads on that follows one which ended at ``next_offset``; ``None`` if records are
    gone that somebody has processed since. Those that were accepted as lost nobody has: ``lost`` is
    how many, by the offset after them.
    """
    while next_offset < begins_at:
        after = [end for end, count in lost.items() if end - count == next_offset]
        if not after:
            return None
        next_offset = max(after)
    return next_offset


def _from(state: PartitionState) -> From:
    """Which rows the next run needs."""
    return From(state.next_offset, state.now // DAY_MS - 1, state.sums_from, state.now)


def _file_name(partition: int) -> str:
    return f"partition-{partition}.msgpack"


def _read(path: Path) -> StateFile | None:
    """``None`` where there is none, or one of another release."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        found = msgspec.msgpack.decode(content, type=StateFile)
    except msgspec.DecodeError:
        return None
    return found if found.version == STATE_VERSION else None


def _write(path: Path, topic_id: str, state: PartitionState) -> tuple[Path, Path]:
    temporary = path.with_suffix(".new")
    content = msgspec.msgpack.encode(StateFile(STATE_VERSION, topic_id, state))
    # It names people: nobody else reads it.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return temporary, path


def as_json(result: Result) -> dict[str, Any]:
    """For a program."""
    built: dict[str, Any] = msgspec.to_builtins(result)
    return {**built, "percent_in_full": round(result.percent_in_full, 2)}


def as_textfile(result: Result, now_seconds: float) -> str:
    """For the textfile collector of Prometheus' node_exporter."""
    return (
        "# HELP rollcall_audit_differences Rows that are not what the log says.\n"
        "# TYPE rollcall_audit_differences gauge\n"
        f"rollcall_audit_differences {result.difference_count}\n"
        "# HELP rollcall_audit_finished_timestamp_seconds When the audit ended, Unix time.\n"
        "# TYPE rollcall_audit_finished_timestamp_seconds gauge\n"
        f"rollcall_audit_finished_timestamp_seconds {now_seconds:.3f}\n"
        "# HELP rollcall_audit_checked_ratio Share of users of whom the whole log was known.\n"
        "# TYPE rollcall_audit_checked_ratio gauge\n"
        f"rollcall_audit_checked_ratio {result.percent_in_full / 100:.4f}\n"
    )
