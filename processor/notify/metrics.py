"""What notify tells Prometheus."""

from __future__ import annotations

from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from processor.notify.sender import Outcome
from schemas.service.background import Background
from schemas.service.build_info import tell_version

SECONDS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
#: What goes on until a process ends.
BACKGROUND: Final = ("webhooks", "clocks")


class NotifyMetrics:
    """Of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        tell_version(registry, "rollcall_notify")
        self.background = Background(registry, "rollcall_notify", BACKGROUND)
        self.deliveries = Counter(
            "rollcall_notify_deliveries_total",
            "Attempts to deliver a message, by what came of them.",
            ["outcome"],
            registry=registry,
        )
        for outcome in get_args(Outcome):
            self.deliveries.labels(outcome)
        self.changes = Counter(
            "rollcall_notify_changes_total", "Changes and timers delivered.", registry=registry
        )
        self.given_up = Counter(
            "rollcall_notify_given_up_changes_total",
            "Changes and timers that became dead letters: they could not be delivered in time.",
            registry=registry,
        )
        self.lost_ranges = Counter(
            "rollcall_notify_lost_ranges_total",
            "Ranges of changes that Kafka deleted before a webhook had read them.",
            registry=registry,
        )
        self.attempt_seconds = Histogram(
            "rollcall_notify_attempt_seconds",
            "Time that receivers took, of all attempts.",
            buckets=SECONDS,
            registry=registry,
        )
        self.lag = Gauge(
            "rollcall_notify_lag_seconds",
            "Age of the oldest change that a webhook waits for in this process's partitions.",
            ["webhook"],
            registry=registry,
        )
        self.stays = Gauge(
            "rollcall_notify_stays",
            "Users of whom a timer may have to be told, in this process's partitions.",
            registry=registry,
        )
        self.webhooks = Gauge(
            "rollcall_notify_webhooks", "Webhooks that are not disabled.", registry=registry
        )
        self.dead_letters = Gauge(
            "rollcall_notify_dead_letters",
            "Dead letters that wait to be replayed, of the whole deployment.",
            registry=registry,
        )
        self.partitions = Gauge(
            "rollcall_notify_partitions", "Partitions of this process.", registry=registry
        )
