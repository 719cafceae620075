"""What the sender of audiences tells Prometheus."""

from __future__ import annotations

from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from processor.notify.sender import Outcome
from processor.targeting.page import Kind

ENDS: Final = ("completed", "cancelled", "failed")


class TargetingMetrics:
    """Of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter(
            "rollcall_targeting_calls_total",
            "Calls with a page of an audience, by where they went and what came of them.",
            ["destination", "outcome"],
            registry=registry,
        )
        self.users = Counter(
            "rollcall_targeting_users_total",
            "Users of audiences in calls that were accepted.",
            ["destination"],
            registry=registry,
        )
        for kind in get_args(Kind):
            self.users.labels(kind)
            for outcome in get_args(Outcome):
                self.calls.labels(kind, outcome)
        self.left_out = Counter(
            "rollcall_targeting_left_out_users_total",
            "Users left out, who had opted out or been erased since the audience was made.",
            registry=registry,
        )
        self.ended = Counter(
            "rollcall_targeting_ended_total",
            "Deliveries of audiences that ended, by how.",
            ["outcome"],
            registry=registry,
        )
        for outcome in ENDS:
            self.ended.labels(outcome)
        self.running = Gauge(
            "rollcall_targeting_deliveries",
            "Deliveries of audiences on their way, of the whole deployment.",
            registry=registry,
        )
        self.failing = Gauge(
            "rollcall_targeting_failing_deliveries",
            "Those of them whose last call failed.",
            registry=registry,
        )
        self.age = Gauge(
            "rollcall_targeting_oldest_seconds",
            "Age of the oldest delivery on its way.",
            registry=registry,
        )
        self.failures = Counter(
            "rollcall_targeting_failures_total",
            "Rounds in which deliveries could not be looked for, or one broke off.",
            registry=registry,
        )
