"""What a poll and PostgreSQL know, as the Health page and ``GET /api/v1/health`` tell it. PURE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from msgspec import UNSET

from api.analytics.answers.over_time import Outage
from api.health.answers import (
    Health,
    HealthAudit,
    HealthMember,
    HealthPartition,
    HealthProcess,
    HealthRetention,
    HealthRollup,
    HealthService,
    KeptTable,
    ProcessState,
    RunningVersion,
)
from api.health.processes import Poll, Process
from api.periods.instants import rfc3339

Row: TypeAlias = dict[str, Any]

_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Stored:
    """What PostgreSQL knows, at one moment. ``problem``: why it is not known.
    ``members``: of a federation."""

    as_of: datetime | None = None
    stale: bool = True
    partitions: Sequence[Row] = ()
    outages: Sequence[Outage] = ()
    rollups: Sequence[Row] = ()
    kept: Sequence[Row] = ()
    members: Sequence[Row] | None = None
    problem: str | None = None


@dataclass(slots=True)
class _Partition:
    processors: list[str] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def health(targets: Sequence[str], poll: Poll, stored: Stored) -> Health:
    """The answer. ``targets`` are those of the settings."""
    answering = [each for each in poll.processes if each.answers]
    return Health(
        targets=list(targets),
        asked_at=rfc3339(datetime.fromtimestamp(poll.asked_at, UTC)),
        processes=[_process(each) for each in poll.processes],
        left_out=poll.left_out,
        versions=_versions(answering),
        heartbeats_per_second=_rate(answering),
        sockets=_sum(each.told.sockets for each in answering if each.told),
        database_problem=stored.problem,
        partitions=_partitions(stored, answering),
        outages=list(stored.outages),
        rollups=[
            HealthRollup(
                rollup=row["rollup"],
                through=rfc3339(row["through"]),
                behind_ms=None
                if stored.as_of is None
                else max(0, (stored.as_of - row["through"]) // _MILLISECOND),
            )
            for row in stored.rollups
        ],
        retention=HealthRetention(
            last_run_at=rfc3339(_time(_retention_at(answering))),
            tables=[KeptTable(row["table_name"], rfc3339(row["kept_from"])) for row in stored.kept],
        ),
        audit=_audit(answering),
        as_of=rfc3339(stored.as_of),
        stale=stored.stale,
        members=UNSET if stored.members is None else [_member(row) for row in stored.members],
    )


def _member(row: Row) -> HealthMember:
    times = {name: rfc3339(row[name]) for name in ("since", "as_of")}
    return HealthMember(**{**row, **times})


def _process(process: Process) -> HealthProcess:
    told, readiness = process.told, process.readiness
    state: ProcessState
    if process.is_gone:
        state = "gone"
    elif readiness is None:
        state = "no_answer"
    else:
        state = "ready" if readiness.is_ready else "not_ready"
    return HealthProcess(
        target=process.target,
        address=process.address,
        state=state,
        reason=process.problem if readiness is None else readiness.reason,
        services=[
            HealthService(service, version)
            for service, version in (told.versions if told else {}).items()
        ],
        answered_at=rfc3339(_time(process.answered_at)),
        started_at=rfc3339(_time(told.started_at)) if told else None,
        heartbeats_per_second=_rounded(process.heartbeats_per_second),
        sockets=told.sockets if told else None,
        partitions=None if told is None or told.partitions is None else list(told.partitions),
    )


def _versions(answering: Iterable[Process]) -> list[RunningVersion]:
    counted = Counter(
        version for each in answering if each.told for version in each.told.versions.items()
    )
    return [
        RunningVersion(service, version, processes)
        for (service, version), processes in sorted(
            counted.items(), key=lambda found: (found[0][0], found[0][1] or "")
        )
    ]


def _rate(answering: Iterable[Process]) -> float | None:
    known = [
        each.heartbeats_per_second for each in answering if each.heartbeats_per_second is not None
    ]
    return _rounded(sum(known)) if known else None


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _partitions(stored: Stored, answering: Iterable[Process]) -> list[HealthPartition]:
    """Each of the deployment: who has it, and how far behind they are. While one goes from one
    processor to another, both may say that they have it: then the lag is that of the one behind."""
    found: dict[int, _Partition] = {}
    for process in answering:
        lags = process.told.partitions if process.told else None
        for number, lag in (lags or {}).items():
            mine = found.setdefault(number, _Partition())
            mine.processors.append(process.address or process.target)
            if lag.records is not None:
                mine.records.append(lag.records)
            if lag.seconds is not None:
                mine.seconds.append(lag.seconds)
    rows = []
    for row in stored.partitions:
        mine = found.get(row["partition"], _Partition())
        rows.append(
            HealthPartition(
                partition=row["partition"],
                as_of=rfc3339(row["log_time"]),
                lag_records=max(mine.records, default=None),
                lag_seconds=_rounded(max(mine.seconds, default=None)),
                processors=mine.processors,
            )
        )
    return rows


def _audit(answering: Iterable[Process]) -> HealthAudit | None:
    """Of several the one that is newest."""
    found = [each.told.audit for each in answering if each.told and each.told.audit]
    if not found:
        return None
    latest = min(found, key=lambda audit: (audit.age_seconds is None, audit.age_seconds or 0))
    return HealthAudit(latest.differences, _rounded(latest.age_seconds))


def _retention_at(answering: Iterable[Process]) -> float | None:
    """Of the processors the one that did it last: the one with maintenance's lock does."""
    found = [each.told.retention_at for each in answering if each.told]
    return max((at for at in found if at is not None), default=None)


def _time(unix_seconds: float | None) -> datetime | None:
    """``None`` of what no clock says: a process that is not ours may have told it."""
    if unix_seconds is None:
        return None
    try:
        return datetime.fromtimestamp(unix_seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
