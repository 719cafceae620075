"""What a process of ours says on its admin port, as far as the Health page tells it. PURE.

A service has hundreds of series, and the parser is Python's: it gets only the lines of metrics that
are wanted here. None of them has a label that strangers name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from schemas.untrusted.nesting import load_json
from schemas.untrusted.text import clean_text

Service: TypeAlias = Literal["ingest", "processor", "notify", "api"]
SERVICES: Final[tuple[Service, ...]] = get_args(Service)
#: By which a service of a release before ``…_build_info`` is known.
_KNOWN_BY: Final[dict[Service, str]] = {
    "ingest": "rollcall_ingest_sockets_open",
    "processor": "rollcall_processor_partitions",
    "api": "rollcall_api_feed_viewers",
    "notify": "rollcall_notify_partitions",
}
_BUILD_INFO: Final[dict[str, Service]] = {
    f"rollcall_{service}_build_info": service for service in SERVICES
}
_EVENTS: Final = "rollcall_ingest_events_total"
_SOCKETS: Final = "rollcall_ingest_sockets_open"
_NEXT_OFFSET: Final = "rollcall_processor_next_offset"
_LAG_RECORDS: Final = "rollcall_processor_lag_records"
_LAG_SECONDS: Final = "rollcall_processor_lag_seconds"
_RETENTION: Final = "rollcall_processor_retention_last_run_timestamp_seconds"
_AUDIT_DIFFERENCES: Final = "rollcall_audit_differences"
_AUDIT_AGE: Final = "rollcall_audit_age_seconds"
_STARTED: Final = "process_start_time_seconds"
_WANTED: Final = (
    *(_EVENTS, _SOCKETS, _NEXT_OFFSET, _LAG_RECORDS, _LAG_SECONDS, _RETENTION, _STARTED),
    *(_AUDIT_DIFFERENCES, _AUDIT_AGE),
    *_KNOWN_BY.values(),
    *_BUILD_INFO,
)
#: As many as ROLLCALL_PARTITIONS may be.
_MOST_PARTITIONS: Final = 1024
_MOST_VERSION: Final = 64
_MOST_REASON: Final = 300


class NotOursError(ValueError):
    """What answers is no process of Rollcall."""


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """Of a partition that a processor has; ``None``: not known yet."""

    records: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """What the last audit of what is stored found, and how long ago that was."""

    differences: int
    age_seconds: float | None


@dataclass(frozen=True, slots=True)
class Told:
    """``versions`` are by service: several may be one process, and an older release does not tell
    its version. Times are Unix seconds. ``heartbeats`` is a counter of those accepted."""

    versions: Mapping[Service, str | None]
    started_at: float | None = None
    heartbeats: float | None = None
    sockets: int | None = None
    #: Those of a processor; ``None``: it is none, or does not tell.
    partitions: Mapping[int, PartitionLag] | None = None
    #: When it removed what is past its retention last.
    retention_at: float | None = None
    audit: Audit | None = None

    def remembered(self) -> Told:
        """What stays so once it says nothing any more."""
        return Told(self.versions, self.started_at)


@dataclass(frozen=True, slots=True)
class Readiness:
    """What ``/readyz`` says: 503 is an answer, and has a reason."""

    is_ready: bool
    reason: str | None = None


def read_metrics(text: str) -> Told:
    """What ``/metrics`` says. Raises :class:`NotOursError`, and ``ValueError`` on what is no
    exposition of Prometheus."""
    samples: dict[str, list[Sample]] = {}
    for sample in _samples(text):
        samples.setdefault(sample.name, []).append(sample)
    versions: dict[Service, str | None] = {
        service: None for service, name in _KNOWN_BY.items() if name in samples
    }
    versions |= _versions(samples)
    if not versions:
        raise NotOursError
    return Told(
        versions={service: versions[service] for service in SERVICES if service in versions},
        started_at=_value(samples, _STARTED),
        heartbeats=_heartbeats(samples),
        sockets=_whole(_value(samples, _SOCKETS)),
        partitions=_partitions(samples) if "processor" in versions else None,
        retention_at=_value(samples, _RETENTION),
        audit=_audit(samples),
    )


def read_readiness(status: int, body: bytes) -> Readiness:
    """What ``/readyz`` says. Raises ``ValueError`` on anything else than it would say."""
    if status not in (200, 503):
        raise ValueError(f"/readyz answers {status}")
    said = load_json(body)
    if not isinstance(said, dict):
        raise ValueError("/readyz is no object")
    reason = said.get("reason")
    told = _shortened(reason, _MOST_REASON) if isinstance(reason, str) else None
    return Readiness(status == 200, told)


def _samples(text: str) -> Iterator[Sample]:
    # By line feeds alone: a name that a stranger gave a screen may hold what else ends lines.
    wanted = [line for line in text.split("\n") if line.startswith(_WANTED)]
    try:
        for family in text_string_to_metric_families("\n".join(wanted) + "\n"):
            yield from family.samples
    except (IndexError, KeyError) as error:
        raise ValueError("no exposition of Prometheus") from error


def _versions(samples: Mapping[str, list[Sample]]) -> dict[Service, str | None]:
    return {
        service: _shortened(samples[name][0].labels.get("version", ""), _MOST_VERSION) or None
        for name, service in _BUILD_INFO.items()
        if name in samples
    }


def _heartbeats(samples: Mapping[str, list[Sample]]) -> float | None:
    events = samples.get(_EVENTS, ())
    found = [each.value for each in events if each.labels.get("kind") == "heartbeat"]
    return sum(found) if found and all(map(math.isfinite, found)) else None


def _audit(samples: Mapping[str, list[Sample]]) -> Audit | None:
    differences = _whole(_value(samples, _AUDIT_DIFFERENCES))
    return None if differences is None else Audit(differences, _value(samples, _AUDIT_AGE))


def _partitions(samples: Mapping[str, list[Sample]]) -> dict[int, PartitionLag]:
    records, seconds = (_by_partition(samples, name) for name in (_LAG_RECORDS, _LAG_SECONDS))
    # Before a partition is read its processor tells its lag alone.
    mine = sorted({*_by_partition(samples, _NEXT_OFFSET), *records, *seconds})
    return {each: PartitionLag(_whole(records.get(each)), seconds.get(each)) for each in mine}


def _by_partition(samples: Mapping[str, list[Sample]], name: str) -> dict[int, float]:
    numbered = (
        (int(number), each.value)
        for each in samples.get(name, ())
        if (number := each.labels.get("partition", "")).isdecimal() and math.isfinite(each.value)
    )
    return {number: value for number, value in numbered if number < _MOST_PARTITIONS}


def _value(samples: Mapping[str, list[Sample]], name: str) -> float | None:
    """NaN is what a service says of what it does not know."""
    found = samples.get(name)
    return found[0].value if found and math.isfinite(found[0].value) else None


def _whole(value: float | None) -> int | None:
    return None if value is None else max(0, round(value))


def _shortened(text: str, most: int) -> str:
    return clean_text(text)[:most]
