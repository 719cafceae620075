"""What the Health page and ``GET /api/v1/health`` tell. PURE."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import UNSET, UnsetType

from api.analytics.answers.over_time import Outage
from api.health.told import Service
from api.http.answers import Answer, AsOf, Stale, count, instant, number, one_of, told

#: ``gone``: its name does not lead to it any more, which is so after a change of the deployment.
ProcessState: TypeAlias = Literal["ready", "not_ready", "no_answer", "gone"]
Rollup: TypeAlias = Literal["quarters", "hours", "days"]

_NOON: Final = "2026-03-30T12:00:00.000Z"
_Service: TypeAlias = Annotated[Service, one_of("Which part of Rollcall.", Service)]
_Version: TypeAlias = Annotated[
    str | None, told("Its version; `null`: an older release tells none.", "0.2.0")
]


class HealthService(Answer):
    service: _Service
    version: _Version


class HealthProcess(Answer):
    """A process of ours, or a name that leads to none."""

    target: Annotated[str, told("As in `targets`.", "processor:9083")]
    address: Annotated[
        str | None,
        told("Of its admin port; `null`: the name leads to none.", "10.0.0.7:9083"),
    ]
    state: Annotated[
        ProcessState,
        one_of(
            "`not_ready`: it runs, and `reason` is why it does no work. `gone`: it answered in the "
            "last ten minutes, and its name does not lead to it any more.",
            ProcessState,
        ),
    ]
    reason: Annotated[str | None, told("Why it is not ready or does not answer.", "Kafka is away")]
    services: Annotated[
        list[HealthService],
        told("What runs in it, as it said last; none: it has never answered."),
    ]
    answered_at: Annotated[str | None, instant("When it answered last.", _NOON)]
    started_at: Annotated[
        str | None, instant("`null` also of several ingest workers on one port.", _NOON)
    ]
    heartbeats_per_second: Annotated[
        float | None,
        number(
            "Accepted, over the last 20 s in which somebody looked; `null` until it was asked "
            "twice.",
            812.4,
        ),
    ]
    sockets: Annotated[int | None, count("Open at this ingest.", 1200)]
    partitions: Annotated[
        list[Annotated[int, count("A partition.", 3)]] | None,
        told("Those of this processor; `null`: it is none."),
    ]


class HealthPartition(Answer):
    partition: Annotated[int, count("From 0.", 3)]
    as_of: Annotated[str | None, instant("Up to when it is read; `null`: nothing was.", _NOON)]
    lag_records: Annotated[
        int | None, count("Records that are not stored yet; `null`: nobody tells.", 0)
    ]
    lag_seconds: Annotated[float | None, number("Age of the oldest of them.", 0.0)]
    processors: Annotated[
        list[Annotated[str, told("The address of a processor.", "10.0.0.7:9083")]],
        told("Who has it: none means that nobody reads it; two, that it is handed over."),
    ]


class HealthRollup(Answer):
    rollup: Annotated[Rollup, one_of("Which.", Rollup)]
    through: Annotated[
        str, instant("Everything before it is rolled up.", "2026-03-30T11:15:00.000Z")
    ]
    behind_ms: Annotated[int | None, count("How far that is behind `as_of`.", 2_700_000)]


class KeptTable(Answer):
    table_name: Annotated[str, told("A table of the database.", "spans")]
    kept_from: Annotated[
        str, instant("Everything before it was removed.", "2026-03-16T00:00:00.000Z")
    ]


class HealthRetention(Answer):
    last_run_at: Annotated[
        str | None,
        instant(
            "When everything past its retention was removed last, by the processors that answer; "
            "`null`: not since they started.",
            _NOON,
        ),
    ]
    tables: Annotated[list[KeptTable], told("Those of which something was removed.")]


class HealthAudit(Answer):
    differences: Annotated[int, count("Rows that are not as they should be.", 0)]
    age_seconds: Annotated[float | None, number("How long ago that was found.", 1800.0)]


class HealthMember(Answer):
    name: Annotated[str, told("As `rollcall federate` calls it.", "eu")]
    here: Annotated[bool, told("Whether it answers. One that does not is in no sum.", True)]
    problem: Annotated[str | None, told("Why it does not.", 'could not connect to server "eu"')]
    since: Annotated[str, instant("It answers, or does not.", _NOON)]
    as_of: Annotated[str | None, instant("Up to when it is read.", _NOON)]


class RunningVersion(Answer):
    service: _Service
    version: _Version
    processes: Annotated[int, count("How many that answer run it.", 2)]


class Health(Answer):
    targets: Annotated[
        list[Annotated[str, told("A `host:port`.", "ingest:9081")]],
        told("`ROLLCALL_ADMIN_TARGETS`; none: no process is asked."),
    ]
    asked_at: Annotated[str, instant("When they were asked, by the API's clock.", _NOON)]
    processes: Annotated[list[HealthProcess], told("At most 64 that are asked.")]
    left_out: Annotated[int, count("Addresses beyond these.", 0)]
    versions: Annotated[
        list[RunningVersion], told("More than one of a service: an upgrade is under way.")
    ]
    heartbeats_per_second: Annotated[
        float | None, number("Accepted, of all ingests that answer.", 1624.8)
    ]
    sockets: Annotated[int | None, count("Open, likewise.", 2400)]
    database_problem: Annotated[
        str | None,
        told(
            "Why what PostgreSQL knows is missing below; `null`: it is all there.",
            "The database does not answer.",
        ),
    ]
    partitions: Annotated[list[HealthPartition], told("All of the deployment.")]
    outages: Annotated[list[Outage], told("Silences of our own of the last 30 days, 20 at most.")]
    rollups: list[HealthRollup]
    retention: HealthRetention
    audit: HealthAudit | None
    as_of: AsOf
    stale: Stale
    members: Annotated[
        list[HealthMember] | UnsetType,
        told("Only of a federation, whose `partitions` are those of them that answer."),
    ] = UNSET
