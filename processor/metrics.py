"""The processor's metrics. Labels come from closed sets: kinds, verdicts, partitions, states."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from processor.effects import Effects
from processor.partition import Partition


class Metrics:
    """Names begin with ``rollcall_processor_``; durations are seconds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"rollcall_processor_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"rollcall_processor_{name}", text, labels, registry=registry)

        self.events = counter("events", "Client events by what they came to.", "verdict")
        self.rejects = counter("rejects", "Events and records that did not count.")
        self.changes = counter("changes", "Changes of presence by reason.", "reason")
        self.outages = counter("outages", "Silences that were our own and are over.", "kind")
        self.silenced = gauge(
            "outage_running", "1 while clients cannot reach us: only ticks arrive.", "partition"
        )
        self.fences_lost = counter("fences_lost", "Batches dropped: another processor was ahead.")
        self.retries = counter("retries", "Attempts repeated because PostgreSQL was away.")
        self.users = gauge("users_online", "Users online.", "partition", "state")
        self.log_time = gauge(
            "log_time_seconds", "Log time up to which a partition is stored.", "partition"
        )
        self.next_offset = gauge("next_offset", "First offset not stored yet.", "partition")
        self.lag = gauge("lag_records", "Records in the log that are not stored yet.", "partition")
        self.commit_seconds = Histogram(
            "rollcall_processor_commit_seconds",
            "Time to store a batch.",
            buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self.maintenance_runs = counter("maintenance_runs", "Runs of maintenance with its lock.")
        self.maintenance_failures = counter(
            "maintenance_failures", "Runs that PostgreSQL, or a fault of ours, cut short."
        )
        self.maintenance_rows = counter(
            "maintenance_rows", "Rows and partitions that maintenance wrote or removed.", "work"
        )
        self.maintenance_seconds = Histogram(
            "rollcall_processor_maintenance_seconds",
            "Time of one transaction of maintenance.",
            ["work"],
            buckets=(0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=registry,
        )
        self.rollup_lag = gauge(
            "rollup_lag_seconds", "How far a rollup is behind as_of, on the runner.", "rollup"
        )

    def count(self, state: Partition, effects: Effects) -> None:
        """A batch of a partition was stored."""
        for verdict, events in effects.verdicts.items():
            self.events.labels(verdict).inc(events)
        self.rejects.inc(len(effects.rejects))
        for change in effects.changes:
            self.changes.labels(change.changed.reason).inc()
        for outage in effects.outages.values():
            if outage.ended_ms is not None:
                self.outages.labels(outage.kind).inc()
        partition = str(state.partition)
        self.users.labels(partition, "foreground").set(state.foreground)
        self.users.labels(partition, "background").set(state.background)
        silenced = state.silence is not None and state.silence.outage_ms is not None
        self.silenced.labels(partition).set(silenced)
        self.next_offset.labels(partition).set(state.next_offset)
        if state.log_time_ms is not None:
            self.log_time.labels(partition).set(state.log_time_ms / 1000)

    def forget_partitions(self) -> None:
        """Partitions may be somebody else's now: no stale figures of them."""
        for gauge in (self.users, self.silenced, self.log_time, self.next_offset, self.lag):
            gauge.clear()
