"""How Rollcall itself does."""

from __future__ import annotations

from typing import Final

from api.health.answer import STATES
from api.health.told import SERVICES
from api.http.call import Call
from schemas.openapi.answers import QUALITY, ok
from schemas.openapi.forms import (
    Json,
    instant,
    many,
    nullable,
    number,
    record,
    ref,
    text,
    whole,
    word,
)

TAG: Final = {
    "name": "Health",
    "description": "Whether every process runs and keeps up, for people. Probes ask the admin "
    "ports themselves: `/healthz`, `/readyz`.",
}
_NOON: Final = "2026-03-30T12:00:00.000Z"
ROLLUPS: Final = ("quarters", "hours", "days")
_SERVICE: Final = word("Which part of Rollcall.", SERVICES)
_VERSION: Final = nullable(text("Its version; `null`: an older release tells none.", "0.2.0"))

SCHEMAS: Final[dict[str, Json]] = {
    "HealthProcess": record(
        {
            "target": text("As in `targets`.", "processor:9083"),
            "address": nullable(
                text("Of its admin port; `null`: the name leads to none.", "10.0.0.7:9083")
            ),
            "state": word(
                "`not_ready`: it runs, and `reason` is why it does no work. `gone`: it answered in "
                "the last ten minutes, and its name does not lead to it any more.",
                STATES,
            ),
            "reason": nullable(text("Why it is not ready or does not answer.", "Kafka is away")),
            "services": many(
                record({"service": _SERVICE, "version": _VERSION}),
                "What runs in it, as it said last; none: it has never answered.",
            ),
            "answered_at": nullable(instant("When it answered last.", _NOON)),
            "started_at": nullable(
                instant("`null` also of several ingest workers on one port.", _NOON)
            ),
            "heartbeats_per_second": nullable(
                number(
                    "Accepted, over the last 20 s in which somebody looked; `null` until it was "
                    "asked twice.",
                    812.4,
                )
            ),
            "sockets": nullable(whole("Open at this ingest.", 1200)),
            "partitions": nullable(
                many(whole("A partition.", 3), "Those of this processor; `null`: it is none.")
            ),
        },
        about="A process of ours, or a name that leads to none.",
    ),
    "HealthPartition": record(
        {
            "partition": whole("From 0.", 3),
            "as_of": nullable(instant("Up to when it is read; `null`: nothing was.", _NOON)),
            "lag_records": nullable(
                whole("Records that are not stored yet; `null`: nobody tells.", 0)
            ),
            "lag_seconds": nullable(number("Age of the oldest of them.", 0.0)),
            "processors": many(
                text("The address of a processor.", "10.0.0.7:9083"),
                "Who has it: none means that nobody reads it; two, that it is handed over.",
            ),
        }
    ),
    "HealthRollup": record(
        {
            "rollup": word("Which.", ROLLUPS),
            "through": instant("Everything before it is rolled up.", "2026-03-30T11:15:00.000Z"),
            "behind_ms": nullable(whole("How far that is behind `as_of`.", 2_700_000)),
        }
    ),
    "HealthRetention": record(
        {
            "last_run_at": nullable(
                instant(
                    "When everything past its retention was removed last, by the processors that "
                    "answer; `null`: not since they started.",
                    _NOON,
                )
            ),
            "tables": many(
                record(
                    {
                        "table_name": text("A table of the database.", "spans"),
                        "kept_from": instant(
                            "Everything before it was removed.", "2026-03-16T00:00:00.000Z"
                        ),
                    }
                ),
                "Those of which something was removed.",
            ),
        }
    ),
    "HealthAudit": record(
        {
            "differences": whole("Rows that are not as they should be.", 0),
            "age_seconds": nullable(number("How long ago that was found.", 1800.0)),
        }
    ),
    "Health": record(
        {
            "targets": many(
                text("A `host:port`.", "ingest:9081"),
                "`ROLLCALL_ADMIN_TARGETS`; none: no process is asked.",
            ),
            "asked_at": instant("When they were asked, by the API's clock.", _NOON),
            "processes": many(ref("HealthProcess"), "At most 64 that are asked."),
            "left_out": whole("Addresses beyond these.", 0),
            "versions": many(
                record(
                    {
                        "service": _SERVICE,
                        "version": _VERSION,
                        "processes": whole("How many that answer run it.", 2),
                    }
                ),
                "More than one of a service: an upgrade is under way.",
            ),
            "heartbeats_per_second": nullable(
                number("Accepted, of all ingests that answer.", 1624.8)
            ),
            "sockets": nullable(whole("Open, likewise.", 2400)),
            "database_problem": nullable(
                text(
                    "Why what PostgreSQL knows is missing below; `null`: it is all there.",
                    "The database does not answer.",
                )
            ),
            "partitions": many(ref("HealthPartition"), "All of the deployment."),
            "outages": many(ref("Outage"), "Silences of our own of the last 30 days, 20 at most."),
            "rollups": many(ref("HealthRollup")),
            "retention": ref("HealthRetention"),
            "audit": nullable(ref("HealthAudit")),
            **QUALITY,
        }
    ),
}

READ_HEALTH: Final = Call(
    "GET",
    "/api/v1/health",
    "health",
    TAG,
    operation="readHealth",
    summary="How Rollcall itself does",
    about="Asks the admin ports that `ROLLCALL_ADMIN_TARGETS` names, at most once in 3 s however "
    "many look. What PostgreSQL knows is of one moment, `as_of`; without it the rest is "
    "told all the same. Of users it says nothing.",
    answers=ok(ref("Health"), "The state."),
)
CALLS: Final = (READ_HEALTH,)
