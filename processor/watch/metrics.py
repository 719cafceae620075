"""The processor's metrics. Labels come from closed sets or are bounded (docs/metrics.md): kinds,
verdicts, partitions, states, and the names that are seen most.

What is known of partitions at any moment is not kept here but read when Prometheus asks
(``partition_metrics.py``), so that nothing is told of a partition that another processor has.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from processor.core.analytics.screen_names import NO_SCREEN, OTHER_SCREENS
from processor.core.effects import REJECT_CAUSES, Effects
from processor.core.outage import Kind
from processor.core.outcome import MARKS, VERDICTS
from processor.watch.top_names import TopNames
from processor.watch.weighted_histogram import WeightedHistogram
from schemas.log.changes import Reason
from schemas.service.background import Background
from schemas.service.build_info import tell_version

#: What a batch goes through, in this order.
STAGES: Final = ("decode", "load", "reduce", "write", "commit")
#: What maintenance does (``maintenance/housekeeper.py``).
MAINTENANCE_WORKS: Final = ("retention", "zone", "quarters", "late_quarters", "hours", "days")
#: Of which retention removes rows or partitions (``maintenance/retention.py``).
RETAINED_TABLES: Final = (
    *("active_user_days", "annotations", "api_keys", "audience_exports"),
    *("audience_pages", "changes"),
    *(
        "concurrency_quarters",
        "concurrency_samples",
        "erasures",
        "managed_audit",
        "presence",
        "reads_audit",
        "saved_views",
        "share_links",
    ),
    *("screen_days", "screen_hour_users", "screen_hours", "screen_version_hours"),
    *("screen_minutes", "screen_quarters", "screen_samples", "screen_transitions"),
    *(
        "session_quarters",
        "sessions",
        "sketch_keys",
        "spans",
        "transition_days",
        "transition_quarters",
    ),
    *("user_days", "erased_quarters", "erased_days"),
)
ROLLUPS: Final = ("quarters", "hours", "days")
#: App versions that have a series of their own; further ones count as ``other``.
MOST_VERSIONS: Final = 10

_BATCH_SECONDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WAIT_SECONDS: Final = (0.005, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5)
_STAGE_SECONDS: Final = (0.0005, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_VISIBLE_SECONDS: Final = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 3600)
#: Just above the intervals that apps use, so that each falls into a bucket of its own.
_INTERVAL_SECONDS: Final = (35, 65, 95, 125, 155, 185, 215, 305, 605)
#: What goes on until a process ends.
BACKGROUND: Final = ("log_watch", "claim", "watchdog")


class Metrics:
    """Names begin with ``rollcall_processor_``; durations are seconds. Children are looked up once:
    what costs is per batch or per record, never per event."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(f"rollcall_processor_{name}", text, registry=registry)

        def counters(name: str, text: str, label: str, values: Iterable[str]) -> dict[str, Counter]:
            family = Counter(f"rollcall_processor_{name}", text, (label,), registry=registry)
            return {value: family.labels(value) for value in values}

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"rollcall_processor_{name}", text, buckets=buckets, registry=registry)

        def histograms(
            name: str, text: str, label: str, values: Iterable[str], buckets: tuple[float, ...]
        ) -> dict[str, Histogram]:
            family = Histogram(
                f"rollcall_processor_{name}", text, (label,), buckets=buckets, registry=registry
            )
            return {value: family.labels(value) for value in values}

        tell_version(registry, "rollcall_processor")
        self.background = Background(registry, "rollcall_processor", BACKGROUND)
        self.records = counter("records", "Records that were stored, ticks included.")
        self.events = counters("events", "Client events by what they came to.", "verdict", VERDICTS)
        self.replays = counter(
            "replays", "Records that were given again after they had been stored, and dropped."
        )
        self.gaps = counter(
            "gaps", "Records were missing in what Kafka gave; the process ends, and starts again."
        )
        self.rejects = counters(
            "rejects", "Events and records that did not count, by cause.", "cause", REJECT_CAUSES
        )
        self.changes = counters(
            "changes",
            "Changes of presence by reason; expiries are timed_out and disconnected.",
            *("reason", get_args(Reason)),
        )
        self.changes_published = counter(
            "changes_published", "Changes that are on presence.changes; repeats not counted."
        )
        self.changes_waiting = Gauge(
            "rollcall_processor_changes_waiting",
            "Changes that are stored and not yet known to be on presence.changes.",
            registry=registry,
        )
        self.publish_failures = counter(
            "publish_failures", "Attempts to publish that Kafka did not take; they are repeated."
        )
        self.devices_forgotten = counter(
            "devices_forgotten",
            "Devices that made room for a user's seventeenth; those online count as evicted too.",
        )
        self.devices_told_apart = counters(
            "devices_told_apart",
            "Phones of a user that turned out to be two: by their tokens, where both said the same "
            "device_info and nothing else; by their device_info, where both had one installation "
            "id, as a restored backup makes it.",
            *("mark", MARKS),
        )
        self.screen_views = counters(
            "screen_views",
            "Views of named screens, by whether the name counted as itself or as (other).",
            *("counted_as", ("itself", "other")),
        )
        self.outages = counters(
            "outages", "Silences that were our own and are over.", "kind", get_args(Kind)
        )
        self.clock_steps = counter(
            "clock_steps",
            "Times that log time of a partition stepped back: the broker's clock had been ahead.",
        )
        self.fences_lost = counter("fences_lost", "Batches dropped: another processor was ahead.")
        self.live_screens_corrected = counter(
            "live_screens_corrected",
            "Partitions whose stored counts of users by screen were not those of their users when "
            "they were loaded: a fault of Rollcall; they are written anew.",
        )
        self.retries = counter("retries", "Attempts repeated because PostgreSQL was away.")
        self.rebalances = counter(
            "rebalances", "Times that Kafka gave this processor its partitions."
        )
        self.batch_records = histogram(
            "batch_records", "Records in a batch.", (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
        )
        self.batch_wait_seconds = histogram(
            "batch_wait_seconds",
            "How long a batch waited for more events, from its first record on "
            "(ROLLCALL_BATCH_WAIT_SECONDS at most).",
            _WAIT_SECONDS,
        )
        self.batch_events = histogram(
            "batch_events",
            "Client events in a batch.",
            (0, 1, 5, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000),
        )
        self.stage_seconds = histograms(
            "stage_seconds",
            "Time of a batch by stage: decode records, load users, reduce events, write rows, "
            "commit them.",
            *("stage", STAGES, _STAGE_SECONDS),
        )
        self.commit_seconds = histogram(
            "commit_seconds", "Time to store a batch: its whole transaction.", _BATCH_SECONDS
        )
        self.partition_load_seconds = histogram(
            "partition_load_seconds",
            "Time to read a partition that was assigned, all who are online in it.",
            (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
        )
        self.visible_seconds = WeightedHistogram(
            "rollcall_processor_visible_seconds",
            "From the broker's time of a record to the commit that shows it, by this machine's "
            "clock; each event counts. Accepted means acknowledged, which comes after the broker's "
            "time: never less than accepted to visible, clocks apart.",
            _VISIBLE_SECONDS,
        )
        registry.register(self.visible_seconds)
        self._interval_seconds = Histogram(
            "rollcall_processor_heartbeat_interval_seconds",
            "Between two heartbeats over HTTP of a device in the foreground that changed nothing, "
            "by the broker's clock; of a sample, the first event of each record.",
            ("app_version",),
            buckets=_INTERVAL_SECONDS,
            registry=registry,
        )
        self._versions = TopNames(MOST_VERSIONS, self._interval_seconds.remove)
        self.retention_seconds = Gauge(
            "rollcall_processor_retention_seconds",
            "How long Kafka keeps presence.events, as it says; NaN until asked.",
            registry=registry,
        )
        self.retention_seconds.set(float("nan"))
        self.topic_partitions = Gauge(
            "rollcall_processor_topic_partitions",
            "Partitions of presence.events, those of all processors together.",
            registry=registry,
        )
        self.topic_replaced = Gauge(
            "rollcall_processor_topic_replaced",
            "1 while presence.events is gone, or is another topic than the database's.",
            registry=registry,
        )
        self.maintenance_runs = counter("maintenance_runs", "Runs of maintenance with its lock.")
        self.maintenance_failures = counter(
            "maintenance_failures", "Runs that PostgreSQL, or a fault of ours, cut short."
        )
        self.maintenance_rows = counters(
            "maintenance_rows",
            "Rows that maintenance wrote or removed.",
            *("work", MAINTENANCE_WORKS),
        )
        self.maintenance_seconds = histograms(
            "maintenance_seconds",
            "Time of one transaction of maintenance.",
            *("work", MAINTENANCE_WORKS),
            (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
        )
        self.retention_runs = counter(
            "retention_runs",
            "Times that everything past its retention was removed, or as much as a run may.",
        )
        self.retention_last_run = Gauge(
            "rollcall_processor_retention_last_run_timestamp_seconds",
            "When that was, Unix time; NaN where this processor has not done it.",
            registry=registry,
        )
        self.retention_last_run.set(float("nan"))
        self.retention_removed = counters(
            "retention_removed",
            "Rows that retention removed; of a daily partition above 64 MiB as many as PostgreSQL "
            "estimates (pg_class.reltuples).",
            *("table", RETAINED_TABLES),
        )
        self.shared_installations = Gauge(
            "rollcall_processor_shared_installations",
            "Installation ids under which a user began a session in the last hour, as of the last "
            "count, while another user had not logged out there: one phone and two users, or a "
            "copied id; on the processor that runs maintenance, hourly. NaN until counted.",
            registry=registry,
        )
        self.shared_installations.set(float("nan"))
        self.rollup_lag = Gauge(
            "rollcall_processor_rollup_lag_seconds",
            "How far a rollup is behind as_of, on the processor that runs maintenance.",
            ("rollup",),
            registry=registry,
        )

    def count_records(self, records: int, events: int) -> None:
        """A batch, over all its partitions, was stored."""
        self.records.inc(records)
        self.batch_records.observe(records)
        self.batch_events.observe(events)

    def count(self, effects: Effects) -> None:
        """What a batch did to one partition was stored."""
        for verdict, events in effects.verdicts.items():
            self.events[verdict].inc(events)
        for reject in effects.rejects:
            self.rejects[reject.cause].inc()
        for change in effects.published():
            self.changes[change.changed.reason].inc()
        for outage in effects.outages.values():
            if outage.ended_ms is not None:
                self.outages[outage.kind].inc()
        self.clock_steps.inc(len(effects.steps))
        if effects.forgotten:
            self.devices_forgotten.inc(effects.forgotten)
        for mark, devices in effects.told_apart.items():
            self.devices_told_apart[mark].inc(devices)
        for (_, screen), counted in effects.windows.minutes.items():
            if screen != NO_SCREEN:
                as_other = screen == OTHER_SCREENS
                self.screen_views["other" if as_other else "itself"].inc(counted.views)
        for version, interval_ms in effects.intervals:
            label = self._versions.label(version or "(none)")
            self._interval_seconds.labels(label).observe(interval_ms / 1000)
