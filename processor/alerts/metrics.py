"""What looking at alerts tells Prometheus, in notify's process."""

from __future__ import annotations

from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from schemas.alerts.evaluate import Kind

OUTCOMES: Final = ("delivered", "failed", "given_up")


class AlertMetrics:
    """Of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.alerts = Gauge("rollcall_alerts", "Product alerts that there are.", registry=registry)
        self.firing = Gauge(
            "rollcall_alerts_firing", "Product alerts that fire.", registry=registry
        )
        self.lag = Gauge(
            "rollcall_alerts_lag_seconds",
            "Log time that is stored and was not looked at yet, of the alert that is most behind; "
            "while looking fails, the time since it last went well.",
            registry=registry,
        )
        self.notices = Counter(
            "rollcall_alerts_notices_total",
            "Notices of product alerts, by what they tell.",
            ["kind"],
            registry=registry,
        )
        for kind in get_args(Kind):
            self.notices.labels(kind)
        self.deliveries = Counter(
            "rollcall_alerts_deliveries_total",
            "Attempts to deliver a notice, by what came of them.",
            ["outcome"],
            registry=registry,
        )
        for outcome in OUTCOMES:
            self.deliveries.labels(outcome)
        self.failures = Counter(
            "rollcall_alerts_failures_total",
            "Rounds of looking or telling that failed.",
            registry=registry,
        )
