"""``make docs``: docs/metrics.md from the metrics that the services really have.

A label comes from a closed set, or ``BOUNDS`` says what keeps it small. A set is closed if its
series are there from the start, or if ``CLOSED`` names it. Any other label is a mistake, which
:func:`families` raises.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric

from api.metrics import ApiMetrics
from api.openapi import CALLS
from deploy.canary.metrics import CanaryMetrics
from ingest.metrics import IngestMetrics, WorkersMetrics
from processor.alerts.metrics import AlertMetrics
from processor.notify.metrics import NotifyMetrics
from processor.targeting.metrics import TargetingMetrics
from processor.watch.metrics import MOST_VERSIONS, ROLLUPS, Metrics
from processor.watch.partition_metrics import MOST_SCREENS, PartitionMetrics
from schemas.http.problems import CODES
from schemas.webhooks.forms import MAX_WEBHOOKS

#: Labels of closed sets whose series come when there is something to tell.
CLOSED: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("rollcall_processor_rollup_lag_seconds", "rollup"): ROLLUPS,
    ("rollcall_processor_users_online", "state"): ("foreground", "background"),
}
#: What keeps the others small.
BOUNDS: Final = {
    "partition": "the partitions of the process: over all processes `ROLLCALL_PARTITIONS`",
    "webhook": f"ids of webhooks, of which there are {MAX_WEBHOOKS} at most",
    "app_version": f"the {MOST_VERSIONS} versions that are seen most, `(none)`, and `other`",
    "version": "the one that runs",
    "screen": f"the {MOST_SCREENS} screens with most users, `(none)`, and `(other)`",
}

HEAD = """\
# Metrics

Every service tells these on its admin port at `/metrics`, for Prometheus. Made by `make docs` from
the code. Times are seconds, sizes bytes. A histogram `x` is the series `x_bucket`, `x_count` and
`x_sum`. Beside these, a service that is one process has the `process_*` and `python_*` metrics of
prometheus_client, and each counter and histogram a `…_created`; ingest with several workers has none of them, and tells the sums of its workers.

Every series of a closed set is there from the start, at 0. Names from outside (screens, app
versions) are labels only among the few that are seen most.

## What to ask

| question | PromQL |
| --- | --- |
| Who is online, once for the fleet | `max by (state) (rollcall_online_users)`: each API process reads it from PostgreSQL for each scrape, and all tell the same |
| Users on the screens that most are on | `topk(20, sum by (screen) (rollcall_screen_users))`: each processor has its own partitions; for seconds after one was lost, its users are missing |
| Heartbeats accepted, per second | `sum(rate(rollcall_ingest_events_total{kind="heartbeat"}[2m]))` |
| Availability of ingest | `1 - (sum(rate(rollcall_ingest_requests_total{outcome=~"unavailable\\|internal"}[5m])) + sum(rate(rollcall_ingest_http_connections_refused_total[5m]))) / (sum(rate(rollcall_ingest_requests_total{outcome!="gone"}[5m])) + sum(rate(rollcall_ingest_http_connections_refused_total[5m])))`: what is our fault, of all calls that were answered |
| Share of 401 | `sum(rate(rollcall_ingest_token_refusals_total[5m])) / sum(rate(rollcall_ingest_requests_total[5m]))` |
| Accepted heartbeats visible within 2 s | `sum(rate(rollcall_processor_visible_seconds_bucket{le="2.0"}[5m])) / sum(rate(rollcall_processor_visible_seconds_count[5m]))` |
| Freshness of counts | `max(rollcall_api_as_of_age_seconds)`; NaN is as bad as too much: compare with `<=` what is good |
| Oldest unprocessed event, of what Kafka keeps | `max(rollcall_processor_lag_seconds) / min(rollcall_processor_retention_seconds)` |
| Apps whose interval is too long | `histogram_quantile(0.5, sum by (app_version, le) (rate(rollcall_processor_heartbeat_interval_seconds_bucket[1h])))` |

Outcomes and codes are those of problems, and their status is:
"""  # noqa: E501  (rows of a table)


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: its name as in PromQL, its type, and for each label its values, or its bound."""

    name: str
    kind: str
    labels: dict[str, tuple[str, ...] | str]
    text: str


class UnboundedLabelError(Exception):
    """A metric has a label of which nobody says how many values it may have."""


def services() -> dict[str, CollectorRegistry]:
    """Registries with the metrics of a service, as it makes them at its start."""
    names = ("ingest", "processor", "notify", "api", "canary")
    found = {name: CollectorRegistry() for name in names}
    IngestMetrics(found["ingest"])
    WorkersMetrics(found["ingest"])
    Metrics(found["processor"])
    found["processor"].register(PartitionMetrics())
    NotifyMetrics(found["notify"])
    AlertMetrics(found["notify"])
    TargetingMetrics(found["notify"])
    ApiMetrics(found["api"], (call.route for call in CALLS))
    CanaryMetrics(found["canary"])
    return found


def families(registry: CollectorRegistry) -> list[Family]:
    """Of one service, by name. Raises :class:`UnboundedLabelError`."""
    found = []
    for collector in registry._collector_to_names:
        for metric in collector.collect():
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            names = _label_names(collector, metric)
            labels = {label: _values(collector, name, label) for label in names}
            found.append(Family(name, metric.type, labels, metric.documentation))
    return sorted(found, key=lambda family: family.name)


def metrics_page() -> str:
    """The page as Markdown."""
    parts = [HEAD, "\n| status | codes |\n| --- | --- |\n"]
    for status in sorted({status for status, _ in CODES.values()}):
        codes = ", ".join(f"`{code}`" for code, (own, _) in CODES.items() if own == status)
        parts.append(f"| {status} | {codes} |\n")
    for service, registry in services().items():
        parts.append(f"\n## {service}\n\n| metric | type | labels | meaning |\n")
        parts.append("| --- | --- | --- | --- |\n")
        parts.extend(
            f"| `{family.name}` | {family.kind} | {_told(family.labels)} | {family.text} |\n"
            for family in families(registry)
        )
    return "".join(parts)


def _label_names(collector: Any, metric: Metric) -> Iterable[str]:
    if isinstance(collector, MetricWrapperBase):
        names: Iterable[str] = collector._labelnames
    else:
        names = getattr(metric, "_labelnames", ())
    return names


def _values(collector: Any, name: str, label: str) -> tuple[str, ...] | str:
    if label in BOUNDS:
        return BOUNDS[label]
    if (name, label) in CLOSED:
        return CLOSED[name, label]
    if isinstance(collector, MetricWrapperBase) and collector._metrics:
        position = collector._labelnames.index(label)
        return tuple(dict.fromkeys(values[position] for values in collector._metrics))
    raise UnboundedLabelError(
        f"{name}: make the series of label {label} at the start, or name its values in CLOSED or "
        "what bounds it in BOUNDS of deploy/pages/metrics.py"
    )


def _told(labels: dict[str, tuple[str, ...] | str]) -> str:
    return "; ".join(f"`{label}`: {_values_told(values)}" for label, values in labels.items())


def _values_told(values: tuple[str, ...] | str) -> str:
    if isinstance(values, str):
        return values
    if set(CODES) <= set(values):
        rest = [f"`{value}`" for value in values if value not in CODES]
        return ", ".join([*rest, "the codes above"])
    return ", ".join(f"`{value}`" for value in values)
